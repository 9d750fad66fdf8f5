//! A tokio runtime on threads of its own, apart from the runtime of the calling thread.
//!
//! A library is called from anywhere, including tasks of another runtime. Such a task must not wait
//! for a runtime inside its own call (tokio panics), neither to run a future nor to drop the
//! runtime.

use std::io;

use crossbeam::channel::bounded;
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that any thread can start, wait for and end, inside another runtime or not.
pub struct Threads(Option<Runtime>);

impl Threads {
    /// Starts the runtime of `builder`, with timers and sockets.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn start(builder: &mut Builder) -> io::Result<Threads> {
        builder.enable_all().build().map(|runtime| Threads(Some(runtime)))
    }

    /// The handle on which tasks are spawned.
    pub fn handle(&self) -> &Handle {
        match &self.0 {
            Some(runtime) => runtime.handle(),
            None => unreachable!("the runtime is taken when it is dropped"),
        }
    }

    /// Runs `work` on the runtime, and blocks the calling thread until it ends.
    pub fn wait_for(&self, work: impl Future<Output = ()> + Send + 'static) {
        let (working, ended) = bounded::<()>(0);
        self.handle().spawn(async move {
            let _working = working;
            work.await;
        });
        // Nothing is sent: the channel closes when the work ends, also by a panic.
        let _ = ended.recv();
    }
}

impl Drop for Threads {
    /// Cancels the tasks where they are, and waits for none.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
