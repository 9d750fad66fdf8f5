//! The threads of a runtime of our own, beside that of whoever calls.
//!
//! A library is called from anywhere, tasks of another runtime included. There nothing may wait for
//! a runtime inside its own call (tokio panics), neither to run a future nor to drop the runtime.

use std::io;

use crossbeam::channel::bounded;
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that starts, is waited for and ends on any thread, of another runtime or of none.
pub struct Threads(Option<Runtime>);

impl Threads {
    /// Starts what `builder` says, with timers and sockets.
    ///
    /// # Errors
    /// What the system reports.
    pub fn start(builder: &mut Builder) -> io::Result<Threads> {
        builder.enable_all().build().map(|runtime| Threads(Some(runtime)))
    }

    /// Where tasks are given to it.
    pub fn handle(&self) -> &Handle {
        match &self.0 {
            Some(runtime) => runtime.handle(),
            None => unreachable!("the runtime is taken when it is dropped"),
        }
    }

    /// Runs `work` here, and has the thread that calls wait for its end.
    pub fn wait_for(&self, work: impl Future<Output = ()> + Send + 'static) {
        let (working, ended) = bounded::<()>(0);
        self.handle().spawn(async move {
            let _working = working;
            work.await;
        });
        // Nothing is sent: it ends with the work, by a panic, too.
        let _ = ended.recv();
    }
}

impl Drop for Threads {
    /// Ends the tasks where they are, and waits for nobody.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
