//! The status of a live dataflow, shared by its workers and its observers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use diptych_base::error::{Error, Kind};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_dataflow::StateSize;
use diptych_engine::StoredState;

/// The status of one dataflow: running, held at an epoch, or failed with a reason.
#[derive(Default)]
pub struct LaneStatus {
    failed: AtomicBool,
    reason: Mutex<Option<Error>>,
    late: AtomicU64,
    held: Mutex<Option<HaltReason>>,
    /// The newest files that the accumulations may rest on, and their boundary, 0 without any.
    state: Mutex<Option<Arc<StoredState>>>,
    state_boundary: AtomicU64,
    /// The boundary of the batch view whose files are known to be sound; 0 without any.
    sound: AtomicU64,
    /// The size of each worker's accumulations, as last told.
    sizes: Mutex<BTreeMap<usize, StateSize>>,
}

/// The reason why a dataflow is held at an epoch until it has been recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltReason {
    /// The epoch that the dataflow cannot apply: readers stay at the one before.
    pub epoch: Epoch,
    /// The accumulation that has no inverse.
    pub accumulation: String,
    /// The recorded reason of the retraction.
    pub because: String,
    /// The number of retracted events.
    pub events: usize,
}

impl std::fmt::Display for HaltReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HaltReason { epoch, accumulation, because, events } = self;
        let plural = if *events == 1 { "" } else { "s" };
        write!(
            f,
            "epoch {epoch} retracts {events} event{plural} ({because:?}), which accumulation \
             {accumulation:?} cannot undo"
        )
    }
}

impl LaneStatus {
    /// Records the failure of the dataflow; the first reason is kept.
    pub fn fail(&self, error: &Error) {
        let mut reason = lock(&self.reason);
        reason.get_or_insert_with(|| error.clone());
        drop(reason);
        self.failed.store(true, Ordering::Release);
    }

    /// Records that the dataflow is held at an epoch it cannot apply; the first reason is kept.
    pub fn hold(&self, held: HaltReason) {
        lock(&self.held).get_or_insert(held);
    }

    /// The epoch it cannot apply and the reason, if the dataflow is held.
    pub fn held(&self) -> Option<HaltReason> {
        lock(&self.held).clone()
    }

    /// Has the dataflow failed, or is it held?
    pub fn stands(&self) -> bool {
        self.has_failed() || self.held().is_some()
    }

    /// Has the workers drop the dataflow, which has not failed, because another version serves.
    pub fn retire(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Must workers drop the dataflow?
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Records that all files of the batch view at `boundary` were checked, or written by this
    /// process over files that were; 0 when damage was found.
    pub fn tell_sound(&self, boundary: Epoch) {
        self.sound.store(boundary, Ordering::Release);
    }

    /// Are the files of the batch view at `boundary` known to be sound?
    pub fn is_sound(&self, boundary: Epoch) -> bool {
        boundary > 0 && self.sound.load(Ordering::Acquire) == boundary
    }

    /// Offers the accumulations of a newer batch view, for the workers to rest theirs on.
    pub fn offer_state(&self, stored: StoredState) {
        let boundary = stored.boundary();
        *lock(&self.state) = Some(Arc::new(stored));
        self.state_boundary.store(boundary, Ordering::Release);
    }

    /// The offered accumulations, if their boundary is after `boundary`.
    pub(super) fn state_after(&self, boundary: Epoch) -> Option<Arc<StoredState>> {
        if self.state_boundary.load(Ordering::Acquire) <= boundary {
            return None;
        }
        lock(&self.state).clone()
    }

    /// Records the size of the accumulations of a worker.
    pub(super) fn tell_size(&self, worker: usize, size: StateSize) {
        lock(&self.sizes).insert(worker, size);
    }

    /// The size of the accumulations on the workers of this process, at most a tenth of a second
    /// ago.
    pub fn state_size(&self) -> StateSize {
        let sizes = lock(&self.sizes);
        // What is in files is the same for all workers.
        let stored = sizes.values().map(|size| size.stored).max().unwrap_or(0);
        StateSize { stored, ..sizes.values().copied().sum() }
    }

    /// Counts late events: older than the retention when they came.
    pub fn add_late(&self, events: u64) {
        if events > 0 {
            self.late.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// The number of late events since the start: older than the retention when they came.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// The error of the dataflow, if it has failed.
    pub fn error(&self) -> Option<Error> {
        lock(&self.reason).clone()
    }
}

pub(super) fn lost_worker() -> Error {
    Error::new(Kind::Stopped, "a worker thread ended before its time")
}
