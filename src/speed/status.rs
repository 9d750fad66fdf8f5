//! Whether a live dataflow still runs; shared by its workers and whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use diptych_base::error::Error;
use diptych_base::time::Epoch;

/// The fate of one dataflow: running, or failed with a reason.
#[derive(Default)]
pub struct LaneStatus {
    failed: AtomicBool,
    reason: Mutex<Option<Error>>,
    late: AtomicU64,
    held: Mutex<Option<Held>>,
}

/// Why a dataflow stands still at an epoch until it has been recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The epoch that it cannot apply: readers stay at the one before.
    pub epoch: Epoch,
    /// The accumulation that has no inverse.
    pub accumulation: String,
    /// Why the events were taken back.
    pub because: String,
    /// How many these are.
    pub events: usize,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { epoch, accumulation, because, events } = self;
        let plural = if *events == 1 { "" } else { "s" };
        write!(
            f,
            "epoch {epoch} retracts {events} event{plural} ({because:?}), which accumulation \
             {accumulation:?} cannot undo"
        )
    }
}

impl LaneStatus {
    /// Records why the dataflow stops; the first reason stays.
    pub fn fail(&self, error: &Error) {
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.get_or_insert_with(|| error.clone());
        drop(reason);
        self.failed.store(true, Ordering::Release);
    }

    /// The dataflow cannot apply an epoch; it stands still there. The first reason stays.
    pub fn hold(&self, held: Held) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(held);
    }

    /// What it cannot apply, if it stands still.
    pub fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it has failed or stands still.
    pub fn stands(&self) -> bool {
        self.has_failed() || self.held().is_some()
    }

    /// Another version serves: the workers drop the dataflow, which has not failed.
    pub fn retire(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether workers must drop the dataflow.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Counts events that were older than what was kept when they came.
    pub fn add_late(&self, events: u64) {
        if events > 0 {
            self.late.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// Events, since the start, that were older than what was kept when they came.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Why it stopped, if it did.
    pub fn error(&self) -> Option<Error> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
