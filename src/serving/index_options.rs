//! The options of an index.

use std::time::Duration;

use diptych_base::limits::{
    HISTORY_BYTES, HISTORY_EPOCHS, LEASE_LENGTH, LEASED_BYTES_MAX, RECENT_BYTES_MAX,
    RECENT_UPDATES_MAX,
};
use diptych_base::time::{Branches, Epoch};

/// The options of an index: how much history it keeps, and for how long readers may hold it.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// The number of epochs below the frontier that can be told apart; at least 1.
    pub history_epochs: Epoch,
    /// The most bytes kept for readers of epochs below the last, beside the present rows: with
    /// more, fewer epochs than `history_epochs` can be told apart.
    pub history_bytes: usize,
    /// The most bytes of the past that leases may hold back, and the most bytes of batches they may
    /// hold that the index has merged meanwhile; beyond, the earliest leases end.
    pub leased_bytes: usize,
    /// The time that a snapshot lives unless its lease is renewed.
    pub lease_length: Duration,
    /// The number of latest updates of one shard of a view that are kept as published, for readers
    /// of changes; older changes are searched for in merged batches.
    pub recent_updates: usize,
    /// The most bytes of these updates, in all shards of all views.
    pub recent_bytes: usize,
    /// Whether the views stay in the files of their batch view, so that memory holds what came
    /// after it: a restored index reads them there, and so does a running one from the next
    /// checkpoint on. A read that needs the files may wait for a disk. A served dataflow then
    /// leaves its accumulations there, too, if that is possible for all its state.
    pub views_in_files: bool,
    /// The boundary of the last batch view that was accepted though it differed; earlier tokens
    /// are of another generation.
    pub lineage: Option<Epoch>,
    /// The history that is served, if events were erased from it; earlier tokens are of another
    /// generation.
    pub history: Option<Rewritten>,
    /// The branches of the log, by epoch: tokens and cursors name the one that wrote their epoch.
    pub branches: Branches,
}

/// A history from which events were erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The mark that distinguishes the history from earlier and later ones: a few letters and
    /// digits.
    pub mark: String,
    /// The time when the last events were erased, as text for people.
    pub at: String,
}

impl Default for IndexOptions {
    fn default() -> Self {
        IndexOptions {
            history_epochs: HISTORY_EPOCHS,
            history_bytes: HISTORY_BYTES,
            leased_bytes: LEASED_BYTES_MAX,
            lease_length: LEASE_LENGTH,
            recent_updates: RECENT_UPDATES_MAX,
            recent_bytes: RECENT_BYTES_MAX,
            views_in_files: false,
            lineage: None,
            history: None,
            branches: Branches::default(),
        }
    }
}
