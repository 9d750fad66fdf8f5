//! The state that an index, its snapshots and its writers share.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::change_ring::ChangeRings;
use super::index_options::IndexOptions;
use super::index_state::IndexState;
use super::lease::Leases;
use super::wake_signal::Signal;
use diptych_base::time::Epoch;
use diptych_row::{Digest, ViewInfo};

/// The check of a restored index: the digests of its base, and of what its dataflow has repeated.
pub(super) struct Restored {
    pub(super) boundary: Epoch,
    /// The digest of each view of the base; none until the base is installed.
    pub(super) expected: Option<Vec<Digest>>,
    pub(super) heard: Vec<Digest>,
}

/// The numbers of pins that hold an epoch for a cut.
#[derive(Clone, Copy, Default)]
pub(super) struct Holders {
    /// Pins that hold however many updates have come since.
    pub(super) firm: usize,
    /// Pins that hold while these updates are within the bound on history.
    pub(super) bounded: usize,
}

pub(super) struct IndexShared {
    pub(super) version: Arc<str>,
    pub(super) generation: Arc<str>,
    pub(super) views: Vec<ViewInfo>,
    pub(super) shards: usize,
    pub(super) options: IndexOptions,
    /// The state that readers see. Stored only while `writer` is locked.
    pub(super) state: ArcSwap<IndexState>,
    pub(super) writer: Mutex<WriterState>,
    pub(super) leases: Leases,
    pub(super) recent: ChangeRings,
    /// Raised when the frontier moves or the index is retired.
    pub(super) moved: Signal,
    /// Raised when a merge may be due.
    pub(super) work: Arc<Signal>,
    /// Answers are stale as long as the frontier is below this epoch.
    pub(super) fresh_from: AtomicU64,
}

/// The state of an index that only writers see.
#[derive(Default)]
pub(super) struct WriterState {
    /// The upper bound that each (view, shard) has been published to.
    pub(super) published: Vec<Epoch>,
    /// Pinned epochs, which no merge may cross, and the number of pins of each.
    pub(super) pins: HashMap<Epoch, Holders>,
    /// The check of a base against what its dataflow repeats, if there is a base.
    pub(super) restored: Option<Restored>,
    /// Does a later version serve readers now?
    pub(super) retired: bool,
}
