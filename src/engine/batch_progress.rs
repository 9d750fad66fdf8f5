//! The progress of a batch run: counted by its workers, read by the progress bar.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one batch run, shared with its workers.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    total: AtomicU64,
    decode_ns: AtomicU64,
    front_ns: AtomicU64,
}

impl Progress {
    /// Rows fed so far, by all workers of this process.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Rows this process has to feed, according to the log; 0 while unknown.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Time all workers spent reading and checking record batches.
    pub fn decoding(&self) -> Duration {
        Duration::from_nanos(self.decode_ns.load(Ordering::Relaxed))
    }

    /// Time all workers spent in the front and the combiners.
    pub fn front(&self) -> Duration {
        Duration::from_nanos(self.front_ns.load(Ordering::Relaxed))
    }

    /// Sets the number of rows to be fed.
    pub fn expect(&self, rows: u64) {
        self.total.store(rows, Ordering::Relaxed);
    }

    /// Adds fed rows, and the time they spent in the front.
    pub fn fed(&self, rows: u64, front: Duration) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.front_ns.fetch_add(front.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Adds time spent decoding.
    pub fn decoded(&self, spent: Duration) {
        self.decode_ns.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
    }
}
