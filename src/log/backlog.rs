//! How much of what a writer made durable is behind a frontier.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use diptych_base::limits::BACKLOG_ENTRIES_MAX;
use diptych_base::time::Epoch;

/// What somebody has not seen of the log yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many epochs.
    pub epochs: u64,
    /// Bytes of memory of their events: of those that were appended since the writer was opened.
    pub bytes: u64,
    /// For how long the first of them has been durable; not longer than the writer is open.
    pub age: Duration,
}

/// When epochs became durable: exactly for the latest, and the farther back, the more of them
/// together.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: VecDeque<Entry>,
    /// Of all epochs since the writer was opened.
    bytes: u64,
}

/// Of all epochs from `first` to the next entry.
#[derive(Debug)]
struct Entry {
    first: Epoch,
    at: Instant,
    /// Bytes of all epochs before.
    before: u64,
}

impl Ledger {
    /// Of a writer that is opened now.
    pub(super) fn new() -> Ledger {
        let before = Entry { first: 0, at: Instant::now(), before: 0 };
        Ledger { entries: VecDeque::from([before]), bytes: 0 }
    }

    /// An epoch has become durable.
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

    /// What is in `[frontier, upper)`.
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
