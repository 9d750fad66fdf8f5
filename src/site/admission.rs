//! Admission: bounds on the work and memory that clients take up in this process, and their
//! counters.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, watch};

use super::new_producer_limit::NewProducers;
use super::recomputation_queue::Replays;
use super::request_metrics::{Counting, Requests};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{FEED_READS_MAX, LOG_READS_MAX, SUBSCRIPTIONS_MAX};

/// The work that clients have under way, with the permits that bound it.
pub struct Load {
    /// Recomputations for clients.
    pub replays: Replays,
    /// Open subscriptions.
    pub subscriptions: Arc<Subscriptions>,
    /// Producers that each credential has introduced.
    pub newcomers: NewProducers,
    /// Permits for the reads of slow subscribers.
    pub reads: Arc<Semaphore>,
    /// Permits for requests that read the log.
    pub log_reads: Arc<Semaphore>,
    /// Counts of answers, set once there is a router.
    pub requests: OnceLock<Arc<Requests>>,
    /// Lines of standard input that were not records and were skipped.
    pub skipped_lines: Arc<AtomicU64>,
    stopping: watch::Sender<bool>,
}

impl Default for Load {
    fn default() -> Self {
        Load {
            replays: Replays::default(),
            subscriptions: Arc::default(),
            newcomers: NewProducers::default(),
            reads: Arc::new(Semaphore::new(FEED_READS_MAX)),
            log_reads: Arc::new(Semaphore::new(LOG_READS_MAX)),
            requests: OnceLock::new(),
            skipped_lines: Arc::default(),
            stopping: watch::Sender::new(false),
        }
    }
}

impl Load {
    /// Counts answers to requests for these paths from now on.
    pub fn count<'p>(&self, paths: impl Iterator<Item = &'p String>) -> Counting {
        Counting(Arc::clone(self.requests.get_or_init(|| Arc::new(Requests::new(paths)))))
    }

    /// Ends the requests that have no end of their own (subscriptions).
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// A receiver that becomes true when the servers stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

/// The open subscriptions to changes, with counters over all that there were.
#[derive(Default)]
pub struct Subscriptions {
    open: AtomicUsize,
    /// Changes delivered to subscribers.
    pub changes: AtomicU64,
    /// Subscriptions cut because the reader took nothing.
    pub stalled: AtomicU64,
}

/// One open subscription; dropping it frees its place.
pub struct Subscription(pub Arc<Subscriptions>);

impl Subscriptions {
    /// Opens a subscription.
    ///
    /// # Errors
    /// When as many are open as may be.
    pub fn open(self: &Arc<Self>) -> Result<Subscription> {
        let taken = self.open.fetch_add(1, Relaxed);
        let one = Subscription(Arc::clone(self));
        if taken >= SUBSCRIPTIONS_MAX {
            let message = format!("{SUBSCRIPTIONS_MAX} subscriptions are open, which is the limit");
            return Err(Error::new(Kind::Busy, message).remedy("close one, or retry later"));
        }
        Ok(one)
    }

    /// The number of open subscriptions.
    pub fn count(&self) -> usize {
        self.open.load(Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
