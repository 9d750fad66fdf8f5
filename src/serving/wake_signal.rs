//! A signal that wakes the threads waiting for a condition.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diptych_base::lock_mutex::lock;

/// A counter that wakes waiting threads when it rises; each waiter brings its own condition.
#[derive(Default)]
pub(super) struct Signal {
    raised: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    /// Wakes the waiters, which check their conditions again.
    pub(super) fn raise(&self) {
        *lock(&self.raised) += 1;
        self.changed.notify_all();
    }

    /// The number of times the signal was raised.
    pub(super) fn count(&self) -> u64 {
        *lock(&self.raised)
    }

    /// Waits until `reached` holds, at most for `timeout`; gives whether it holds.
    pub(super) fn wait(&self, timeout: Duration, reached: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        loop {
            // Counted before the look, so that what happens after it ends the wait below.
            let seen = self.count();
            if reached() {
                return true;
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            self.wait_raised(seen, left);
        }
    }

    /// Waits until the signal has been raised more often than `seen`, at most for `timeout`.
    pub(super) fn wait_raised(&self, seen: u64, timeout: Duration) {
        let raised = lock(&self.raised);
        drop(
            self.changed
                .wait_timeout_while(raised, timeout, |raised| *raised == seen)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}
