//! The status of an index: its sizes in memory and its frontiers.

use std::time::Duration;

use super::view_batch::ViewBatch;
use super::view_index::Index;
use diptych_base::time::Epoch;

/// The size of one view in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewStatus {
    /// The name of the view.
    pub name: String,
    /// Batches over all shards.
    pub batches: usize,
    /// Rows, counted with multiplicity.
    pub rows: isize,
    /// Rows in the files that the batches stand on, counted with multiplicity.
    pub stored_rows: u64,
    /// Updates over all batches: those of the present rows, and those kept as history.
    pub updates: usize,
    /// Keys over all batches; a key counts once per batch that holds it.
    pub keys: usize,
    /// Heap memory of the batches, their hash tables included.
    pub memory_bytes: usize,
    /// The bytes of these that are kept for readers of earlier epochs, as far as batches know them.
    /// A retraction counts for its row, too.
    pub past_bytes: usize,
    /// Heap memory of the latest batches kept for readers of changes; counted again when they are
    /// also part of the index.
    pub recent_bytes: usize,
}

/// The sizes and frontiers of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexStatus {
    /// The version of the dataflow.
    pub version: String,
    /// The earliest epoch that can be asked for.
    pub since: Epoch,
    /// The first epoch that is not complete.
    pub upper: Epoch,
    /// The boundary: the first epoch after the batch layer's part.
    pub boundary: Epoch,
    /// Snapshots that are held.
    pub leases: usize,
    /// Each view.
    pub views: Vec<ViewStatus>,
}

impl Index {
    /// Sizes and frontiers. Walks the list of batches, not the batches.
    pub fn status(&self) -> IndexStatus {
        let state = self.shared.state.load_full();
        let views = self.views().iter().enumerate().map(|(view, info)| {
            let mut status = ViewStatus {
                name: info.name.clone(),
                batches: 0,
                rows: 0,
                stored_rows: 0,
                updates: 0,
                keys: 0,
                memory_bytes: 0,
                past_bytes: 0,
                recent_bytes: 0,
            };
            if let Some(stored) = &state.stored {
                status.stored_rows = stored.view(view).rows();
                status.rows = isize::try_from(status.stored_rows).unwrap_or(isize::MAX);
            }
            for (shard, list) in state.view(view).iter().enumerate() {
                status.batches += list.batches.len();
                let added = list.batches.iter().map(ViewBatch::added_rows);
                status.rows = added.fold(status.rows, isize::saturating_add);
                status.updates += list.batches.iter().map(ViewBatch::len).sum::<usize>();
                status.keys += list.batches.iter().map(ViewBatch::keys).sum::<usize>();
                let memory = list.batches.iter().map(ViewBatch::memory_bytes);
                status.memory_bytes += memory.sum::<usize>();
                status.past_bytes += list.past_bytes();
                let recent = &self.shared.recent;
                status.recent_bytes += recent.memory_bytes(view * state.shards + shard);
            }
            status
        });
        IndexStatus {
            version: self.version().to_owned(),
            since: state.since,
            upper: state.frontier,
            boundary: state.boundary,
            leases: self.shared.leases.count(),
            views: views.collect(),
        }
    }

    /// Waits until no merge is due, at most for `timeout`; gives whether none is due. For benches
    /// and tests.
    pub fn settle(&self, timeout: Duration) -> bool {
        self.shared.settle(timeout)
    }
}
