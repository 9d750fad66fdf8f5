//! A ring of the latest batches as they were published, for readers of changes.
//!
//! Merging moves recent updates into large batches; a subscriber at the head would have to search
//! those for the few updates of the last epoch. The ring answers from the original batches.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::view_batch::ViewBatch;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// The change rings of an index, one per (view, shard).
pub(super) struct ChangeRings {
    rings: Vec<Mutex<Ring>>,
    updates_max: usize,
    /// The most heap memory of one ring, in bytes.
    bytes_max: usize,
}

#[derive(Default)]
struct Ring {
    batches: VecDeque<ViewBatch>,
    updates: usize,
    bytes: usize,
    /// The time from which on the ring holds all updates; none before the first batch.
    start: Option<Epoch>,
}

impl ChangeRings {
    /// Empty rings, which share `bytes_max`.
    pub(super) fn new(lists: usize, updates_max: usize, bytes_max: usize) -> Self {
        let rings = (0..lists).map(|_| Mutex::default()).collect();
        ChangeRings { rings, updates_max, bytes_max: bytes_max / lists.max(1) }
    }

    /// Adds the next batch of a list; drops the oldest when there are too many updates or bytes.
    pub(super) fn push(&self, at: usize, batch: &ViewBatch) {
        let mut ring = lock(&self.rings[at]);
        ring.start.get_or_insert(batch.lower_epoch());
        if batch.is_empty() {
            return;
        }
        ring.updates += batch.len();
        ring.bytes += batch.memory_bytes();
        ring.batches.push_back(batch.clone());
        while (ring.updates > self.updates_max || ring.bytes > self.bytes_max)
            && let Some(oldest) = ring.batches.pop_front()
        {
            ring.updates -= oldest.len();
            ring.bytes -= oldest.memory_bytes();
            ring.start = Some(oldest.upper_epoch());
        }
    }

    /// The first batches of a list that hold updates from `from` on, until there are `enough`, and
    /// the epoch where they end: none when the ring has no more. None at all when some of these
    /// batches were dropped.
    pub(super) fn some_since(
        &self,
        at: usize,
        from: Epoch,
        enough: usize,
    ) -> Option<(Vec<ViewBatch>, Option<Epoch>)> {
        let ring = lock(&self.rings[at]);
        if ring.start? > from {
            return None;
        }
        let first = ring.batches.partition_point(|batch| batch.upper_epoch() <= from);
        let mut found = Vec::new();
        let mut updates = 0;
        for batch in ring.batches.range(first..) {
            if updates > enough {
                let end = found.last().map(ViewBatch::upper_epoch);
                return Some((found, end));
            }
            updates += batch.len();
            found.push(batch.clone());
        }
        Some((found, None))
    }

    /// Does the ring of a list hold all its updates from `from` on?
    pub(super) fn reaches(&self, at: usize, from: Epoch) -> bool {
        lock(&self.rings[at]).start.is_some_and(|start| start <= from)
    }

    /// Heap memory in bytes, shared in part with the index itself.
    pub(super) fn memory_bytes(&self, at: usize) -> usize {
        lock(&self.rings[at]).bytes
    }
}
