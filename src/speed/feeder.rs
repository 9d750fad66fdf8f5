//! The thread that hands sealed epochs to the workers of its process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::channel::Outbox;
use super::worker_command::WorkerCommand;
use diptych_base::error::Result;
use diptych_base::limits;
use diptych_base::time::Epoch;
use diptych_log::{Follower, Heard, Reader, SealedEpoch};

/// The source of epochs once the log has been read to its end.
pub enum Tail {
    /// From the writer in this process, right after its sync.
    Writer(Follower),
    /// From the directory, which another process writes.
    Follow,
    /// No source: stop at this frontier.
    Until(Epoch),
    /// As `Follow`, until the dataflow is let in; then from the writer in this process.
    Join(Arc<Join>),
}

/// Subscribes to the writer of this process, if there is one.
type Subscribe = Box<dyn Fn() -> Option<Follower> + Send + Sync>;

/// A source that switches from the directory to a writer that this process gets later. When the
/// writer closes, the directory is followed again.
pub struct Join {
    /// The number of times a writer was announced.
    let_in: AtomicU64,
    subscribe: Subscribe,
}

impl Join {
    /// A source that follows the directory until [`Join::let_in`].
    pub fn new(subscribe: impl Fn() -> Option<Follower> + Send + Sync + 'static) -> Join {
        Join { let_in: AtomicU64::new(0), subscribe: Box::new(subscribe) }
    }

    /// Announces the writer: from now on epochs come from it, until it closes.
    pub fn let_in(&self) {
        self.let_in.fetch_add(1, Ordering::Release);
    }
}

/// The driver: reads sealed epochs and hands them to the workers of its process.
pub(super) struct Driver {
    pub(super) workers: Vec<Outbox>,
    pub(super) reader: Arc<Reader>,
    pub(super) stop: Arc<AtomicBool>,
    /// The first epoch that has not been given to every worker.
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
            Tail::Writer(follower) => self.keep_up(&mut next, follower)?,
            Tail::Follow => self.follow(&mut next, || false)?,
            Tail::Join(join) => {
                let mut seen = 0;
                while !self.stopped() {
                    let let_in = || join.let_in.load(Ordering::Acquire);
                    self.follow(&mut next, || let_in() != seen)?;
                    seen = let_in();
                    if let Some(follower) = (join.subscribe)() {
                        self.keep_up(&mut next, &follower)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes durable epochs from the writer, until told to stop or the writer closes. The writer
    /// does not wait: epochs that were not taken in time are read from the log.
    fn keep_up(&self, next: &mut Epoch, follower: &Follower) -> Result<()> {
        while !self.stopped() {
            // Far behind, the queue would overflow again meanwhile: read the log first.
            self.replay(next, self.reader.upper()?)?;
            let joined = follower.join();
            // A writer that has closed may have written more epochs before.
            self.replay(next, joined.map_or_else(|| self.reader.upper(), Ok)?)?;
            if joined.is_none() || !self.listen(next, follower) {
                break;
            }
        }
        Ok(())
    }

    /// Follows the directory until told to stop, or until `enough` holds.
    fn follow(&self, next: &mut Epoch, enough: impl Fn() -> bool) -> Result<()> {
        while !self.stopped() && !enough() {
            let upper = self.reader.upper()?;
            let before = *next;
            self.replay(next, upper)?;
            if *next == before {
                // No new epoch, or no worker that takes it.
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

    /// Delivers the epochs of the follower; true when it fell behind and the rest has to be read
    /// from the log, false when told to stop or the writer closes.
    fn listen(&self, next: &mut Epoch, follower: &Follower) -> bool {
        let patience = Duration::from_millis(50);
        while !self.stopped() {
            match follower.next(patience) {
                Heard::Epoch(sealed) if sealed.epoch >= *next => {
                    if !self.deliver(&sealed) {
                        break;
                    }
                    *next = sealed.epoch + 1;
                }
                Heard::Epoch(_) | Heard::Nothing => {}
                Heard::Behind => return true,
                Heard::Closed => break,
            }
        }
        false
    }

    /// Gives an epoch to every worker; false when told to stop before. All workers get the same
    /// epochs, so they stop at the same place.
    fn deliver(&self, sealed: &Arc<SealedEpoch>) -> bool {
        let bytes = sealed.bytes();
        while !self.workers.iter().all(|worker| worker.has_room(bytes)) {
            if self.stopped() {
                return false;
            }
            std::thread::park_timeout(limits::DRIVER_PARK);
        }
        for worker in &self.workers {
            // A worker that has left was told to leave.
            if !worker.tell(WorkerCommand::Epoch(Arc::clone(sealed)), bytes) {
                return false;
            }
        }
        self.fed.store(sealed.epoch + 1, Ordering::Release);
        true
    }
}
