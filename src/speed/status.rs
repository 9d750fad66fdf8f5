//! Whether a live dataflow still runs; shared by its workers and whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};

/// The fate of one dataflow: running, or failed with a reason.
#[derive(Default)]
pub(crate) struct LaneStatus {
    failed: AtomicBool,
    reason: Mutex<Option<(Kind, String)>>,
    late: AtomicU64,
}

impl LaneStatus {
    /// Records why the dataflow stops; the first reason stays.
    pub(crate) fn fail(&self, error: &Error) {
        let reason = (error.kind(), error.to_string());
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.failed.store(true, Ordering::Release);
    }

    /// Another version serves: the workers drop the dataflow, which has not failed.
    pub(crate) fn retire(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether workers must drop the dataflow.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Counts events that were older than what was kept when they came.
    pub(crate) fn add_late(&self, events: u64) {
        if events > 0 {
            self.late.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// Events, since the start, that were older than what was kept when they came.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Why it stopped, if it did.
    pub(crate) fn error(&self) -> Option<Error> {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone().map(|(kind, message)| Error::new(kind, message))
    }
}
