//! Wall clocks. Their time is recorded beside epochs and never orders anything.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A wall clock, which may stop or jump either way.
pub trait Clock: Send + Sync + Debug {
    /// Microseconds since 1970-01-01T00:00:00Z.
    fn now_us(&self) -> i64;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

impl Clock for RealClock {
    fn now_us(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        }
    }
}

/// A clock that moves only when a test moves it.
#[derive(Debug, Default)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// Makes a clock that shows `now_us`.
    pub fn at(now_us: i64) -> Self {
        SimClock(AtomicI64::new(now_us))
    }

    /// Sets the clock, forwards or back.
    pub fn set(&self, now_us: i64) {
        self.0.store(now_us, Ordering::Relaxed);
    }

    /// Moves the clock by `by_us`, forwards or back.
    pub fn advance(&self, by_us: i64) {
        self.0.fetch_add(by_us, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
