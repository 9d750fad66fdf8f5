//! The channel of commands from the driver to one worker, bounded in epochs and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;

use crossbeam::channel::{Receiver, Sender, TryRecvError, unbounded};

use super::worker_command::WorkerCommand;
use diptych_base::limits;

/// The driver's end: sends commands to a worker. Only one thread sends.
#[derive(Clone)]
pub(super) struct Outbox {
    /// Commands, each with the bytes that it occupies in the channel.
    commands: Sender<(WorkerCommand, usize)>,
    bytes: Arc<AtomicUsize>,
    /// The worker's thread.
    pub(super) thread: Thread,
}

/// The worker's end: receives commands.
pub(super) struct Incoming {
    commands: Receiver<(WorkerCommand, usize)>,
    bytes: Arc<AtomicUsize>,
}

/// Creates a channel; its outbox is complete once the worker's thread is known.
pub(super) fn channel() -> (impl FnOnce(Thread) -> Outbox, Incoming) {
    let (sender, commands) = unbounded();
    let bytes = Arc::<AtomicUsize>::default();
    let incoming = Incoming { commands, bytes: Arc::clone(&bytes) };
    (move |thread| Outbox { commands: sender, bytes, thread }, incoming)
}

impl Outbox {
    /// Has the channel room for an epoch of `bytes` bytes? An empty channel always has.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.commands.is_empty()
            || (self.commands.len() < limits::EPOCHS_QUEUED_MAX
                && self.bytes.load(Ordering::Relaxed) + bytes <= limits::BYTES_QUEUED_MAX)
    }

    /// Sends a command of `bytes` bytes to the worker and wakes it; never waits. False when the
    /// worker has left.
    pub(super) fn tell(&self, command: WorkerCommand, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let told = self.commands.send((command, bytes)).is_ok();
        self.thread.unpark();
        told
    }
}

impl Incoming {
    /// Takes the next command, without waiting.
    ///
    /// Errors when the channel is empty, or the driver is gone.
    pub(super) fn take(&self) -> Result<WorkerCommand, TryRecvError> {
        let (command, bytes) = self.commands.try_recv()?;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(command)
    }
}
