//! What clients make the process keep and compute, in bounds and counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, watch};

use super::new_producers::Newcomers;
use super::replays::Replays;
use super::request_metrics::{Counting, Requests};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{FEED_READS_MAX, LOG_READS_MAX, SUBSCRIPTIONS_MAX};

/// What clients have under way.
pub struct Load {
    /// Recomputations.
    pub replays: Replays,
    /// Open subscriptions.
    pub subscriptions: Arc<Subscriptions>,
    /// New producers, per credential.
    pub newcomers: Newcomers,
    /// Turns of reads for subscribers that take their time.
    pub reads: Arc<Semaphore>,
    /// Turns of reads of the log for requests.
    pub log_reads: Arc<Semaphore>,
    /// Counted answers, once there is a router.
    pub requests: OnceLock<Arc<Requests>>,
    /// Lines of standard input that were no records and were skipped.
    pub skipped_lines: Arc<AtomicU64>,
    stopping: watch::Sender<bool>,
}

impl Default for Load {
    fn default() -> Self {
        Load {
            replays: Replays::default(),
            subscriptions: Arc::default(),
            newcomers: Newcomers::default(),
            reads: Arc::new(Semaphore::new(FEED_READS_MAX)),
            log_reads: Arc::new(Semaphore::new(LOG_READS_MAX)),
            requests: OnceLock::new(),
            skipped_lines: Arc::default(),
            stopping: watch::Sender::new(false),
        }
    }
}

impl Load {
    /// Counts answers by these paths from now on.
    pub fn count<'p>(&self, paths: impl Iterator<Item = &'p String>) -> Counting {
        Counting(Arc::clone(self.requests.get_or_init(|| Arc::new(Requests::new(paths)))))
    }

    /// Tells what would never end by itself (subscriptions) to end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Becomes true when the servers stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

/// Subscriptions to changes: how many there are, and what became of others.
#[derive(Default)]
pub struct Subscriptions {
    open: AtomicUsize,
    /// Changes delivered.
    pub changes: AtomicU64,
    /// Readers cut because they took nothing.
    pub stalled: AtomicU64,
}

/// One subscription; its place is free when it is dropped.
pub struct Subscription(pub Arc<Subscriptions>);

impl Subscriptions {
    /// One more.
    ///
    /// # Errors
    /// When there are too many.
    pub fn open(self: &Arc<Self>) -> Result<Subscription> {
        let taken = self.open.fetch_add(1, Relaxed);
        let one = Subscription(Arc::clone(self));
        if taken >= SUBSCRIPTIONS_MAX {
            let message = format!("{SUBSCRIPTIONS_MAX} subscriptions are open, which is the limit");
            return Err(Error::new(Kind::Busy, message).remedy("close one, or retry later"));
        }
        Ok(one)
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.load(Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
