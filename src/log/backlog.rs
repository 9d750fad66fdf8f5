//! Measures how much durable data is behind a frontier: epochs, bytes and age.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use diptych_base::limits::BACKLOG_ENTRIES_MAX;
use diptych_base::time::Epoch;

/// The part of the log that a reader has not seen yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The number of epochs.
    pub epochs: u64,
    /// Bytes of memory of their events, counting only events appended since the writer was opened.
    pub bytes: u64,
    /// How long the first of them has been durable; not longer than the writer is open.
    pub age: Duration,
}

/// Times at which epochs became durable: exact for the latest epochs, the farther back, the more
/// epochs share an entry.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: VecDeque<Entry>,
    /// Bytes of all epochs since the writer was opened.
    bytes: u64,
}

/// All epochs from `first` to the next entry.
#[derive(Debug)]
struct Entry {
    first: Epoch,
    at: Instant,
    /// Bytes of all epochs before.
    before: u64,
}

impl Ledger {
    /// Starts the ledger of a writer that is just opened.
    pub(super) fn new() -> Ledger {
        let before = Entry { first: 0, at: Instant::now(), before: 0 };
        Ledger { entries: VecDeque::from([before]), bytes: 0 }
    }

    /// Records that an epoch became durable.
    pub(super) fn note(&mut self, epoch: Epoch, bytes: usize) {
        if self.entries.len() >= BACKLOG_ENTRIES_MAX {
            let mut number = 0;
            self.entries.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.entries.push_back(Entry { first: epoch, at: Instant::now(), before: self.bytes });
        self.bytes += bytes as u64;
    }

    /// The backlog `[frontier, upper)`.
    pub(super) fn behind(&self, frontier: Epoch, upper: Epoch) -> Backlog {
        let epochs = upper.saturating_sub(frontier);
        let at = self.entries.partition_point(|entry| entry.first <= frontier);
        match self.entries.get(at.saturating_sub(1)) {
            Some(entry) if epochs > 0 => {
                Backlog { epochs, bytes: self.bytes - entry.before, age: entry.at.elapsed() }
            }
            _ => Backlog::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_exact_and_the_rest_is_never_told_too_small() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.behind(7, 7), Backlog::default());
        assert_eq!(ledger.behind(5, 7).epochs, 2, "before the writer was opened");
        let upper = 5 * BACKLOG_ENTRIES_MAX as Epoch;
        for epoch in 7..upper {
            ledger.note(epoch, 10);
        }
        assert!(ledger.entries.len() <= BACKLOG_ENTRIES_MAX);
        for back in [1, 2, 100, 3_000, upper - 7] {
            let Backlog { epochs, bytes, .. } = ledger.behind(upper - back, upper);
            assert_eq!(epochs, back);
            assert!(bytes >= back * 10, "{bytes} bytes of {back} epochs");
            assert!(bytes <= back * 40, "{bytes} bytes of {back} epochs");
        }
        assert_eq!(ledger.behind(upper, upper), Backlog::default());
    }
}
