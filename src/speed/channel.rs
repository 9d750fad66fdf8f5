//! The way from the driver to one worker, bounded in epochs and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;

use crossbeam::channel::{Receiver, Sender, TryRecvError, unbounded};

use super::worker::Command;
use diptych_base::limits;

/// Where the driver puts what a worker is to do. Only one thread feeds it.
#[derive(Clone)]
pub(super) struct Outbox {
    /// Each with the bytes that it keeps here.
    commands: Sender<(Command, usize)>,
    bytes: Arc<AtomicUsize>,
    /// Of the worker.
    pub(super) thread: Thread,
}

/// Where a worker finds it.
pub(super) struct Incoming {
    commands: Receiver<(Command, usize)>,
    bytes: Arc<AtomicUsize>,
}

/// A channel before its worker runs.
pub(super) fn channel() -> (impl FnOnce(Thread) -> Outbox, Incoming) {
    let (sender, commands) = unbounded();
    let bytes = Arc::<AtomicUsize>::default();
    let incoming = Incoming { commands, bytes: Arc::clone(&bytes) };
    (move |thread| Outbox { commands: sender, bytes, thread }, incoming)
}

impl Outbox {
    /// May an epoch of so many bytes be put there? One alone always may.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.commands.is_empty()
            || (self.commands.len() < limits::EPOCHS_QUEUED_MAX
                && self.bytes.load(Ordering::Relaxed) + bytes <= limits::BYTES_QUEUED_MAX)
    }

    /// Tells the worker something of so many bytes, and wakes it; never waits. False when it has
    /// left.
    pub(super) fn tell(&self, command: Command, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let told = self.commands.send((command, bytes)).is_ok();
        self.thread.unpark();
        told
    }
}

impl Incoming {
    /// What comes next, if it is there.
    ///
    /// Errors when there is nothing, or the driver is gone.
    pub(super) fn take(&self) -> Result<Command, TryRecvError> {
        let (command, bytes) = self.commands.try_recv()?;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(command)
    }
}
