//! The thread that hands sealed epochs to the workers of its process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use super::worker::Command;
use crate::error::Result;
use crate::limits;
use crate::log::{Reader, Sealed};
use crate::time::Epoch;

/// Where epochs come from when the log has been read to its end.
pub(crate) enum Tail {
    /// From the writer in this process, right after its sync: epochs from the given one on.
    Writer(Epoch, Receiver<Arc<Sealed>>),
    /// Another process writes: look at the directory.
    Follow,
    /// Nothing follows: stop at this frontier.
    Until(Epoch),
    /// As `Follow`, until the dataflow is let in; then from the writer in this process.
    Join(Arc<Join>),
}

/// Subscribes to the writer of this process, if there is one.
type Subscribe = Box<dyn Fn() -> Option<(Epoch, Receiver<Arc<Sealed>>)> + Send + Sync>;

/// A writer that may be listened to once a dataflow has caught up: who listens holds the log up, so
/// nobody may who is far behind. When that writer closes, the directory is followed again.
pub(crate) struct Join {
    let_in: AtomicBool,
    subscribe: Subscribe,
}

impl Join {
    /// Not let in yet.
    pub(crate) fn new(
        subscribe: impl Fn() -> Option<(Epoch, Receiver<Arc<Sealed>>)> + Send + Sync + 'static,
    ) -> Join {
        Join { let_in: AtomicBool::new(false), subscribe: Box::new(subscribe) }
    }

    /// From now on epochs come from the writer, until it closes.
    pub(crate) fn let_in(&self) {
        self.let_in.store(true, Ordering::Release);
    }
}

/// The driver's view of the workers.
pub(super) struct Driver {
    pub(super) workers: Vec<(Sender<Command>, Thread)>,
    pub(super) reader: Arc<Reader>,
    pub(super) stop: Arc<AtomicBool>,
    /// Every epoch below has been given to every worker.
    pub(super) fed: Arc<AtomicU64>,
}

impl Driver {
    /// Delivers every epoch from `next` on, until told to stop or, for [`Tail::Until`], until
    /// the end has been handed over; the workers then go on until they are told to leave.
    pub(super) fn run(&self, mut next: Epoch, tail: &Tail) -> Result<()> {
        match tail {
            Tail::Until(upper) => {
                self.replay(&mut next, *upper)?;
            }
            Tail::Writer(lower, epochs) => {
                self.replay(&mut next, *lower)?;
                self.listen(next, epochs);
            }
            Tail::Follow => self.follow(&mut next, || false)?,
            Tail::Join(join) => {
                while !self.stopped() {
                    self.follow(&mut next, || join.let_in.swap(false, Ordering::AcqRel))?;
                    if !self.stopped()
                        && let Some((lower, epochs)) = (join.subscribe)()
                    {
                        self.replay(&mut next, lower)?;
                        next = self.listen(next, &epochs);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at the directory until told to stop, or `enough`.
    fn follow(&self, next: &mut Epoch, enough: impl Fn() -> bool) -> Result<()> {
        while !self.stopped() && !enough() {
            let upper = self.reader.upper()?;
            let before = *next;
            self.replay(next, upper)?;
            if *next == before {
                // Nothing new, or nobody to take it.
                std::thread::park_timeout(limits::FOLLOW_INTERVAL);
            }
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn replay(&self, next: &mut Epoch, upper: Epoch) -> Result<()> {
        if *next >= upper {
            return Ok(());
        }
        for sealed in self.reader.epochs(*next, upper)? {
            if !self.deliver(&Arc::new(sealed?)) {
                break;
            }
            *next += 1;
        }
        Ok(())
    }

    /// Delivers what comes until told to stop, or the writer closes; gives the next epoch.
    fn listen(&self, mut next: Epoch, epochs: &Receiver<Arc<Sealed>>) -> Epoch {
        let patience = Duration::from_millis(50);
        while !self.stopped() {
            match epochs.recv_timeout(patience) {
                Ok(sealed) if sealed.epoch >= next => {
                    self.deliver(&sealed);
                    next = sealed.epoch + 1;
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        next
    }

    /// Gives an epoch to every worker; false when told to stop before. No worker gets an epoch that
    /// another does not: so they stop at the same place.
    fn deliver(&self, sealed: &Arc<Sealed>) -> bool {
        while self.workers.iter().any(|(commands, _)| commands.is_full()) {
            if self.stopped() {
                return false;
            }
            std::thread::park_timeout(limits::DRIVER_PARK);
        }
        for (commands, thread) in &self.workers {
            // Nobody else sends while this thread runs, so there is room; a worker that has left
            // already was told to stop.
            if commands.try_send(Command::Epoch(Arc::clone(sealed))).is_err() {
                return false;
            }
            thread.unpark();
        }
        self.fed.store(sealed.epoch + 1, Ordering::Release);
        true
    }
}
