//! Batches of a view: updates, and the interval that their times are from.
//!
//! The interval is stored beside the [`SharedUpdates`], not in them: a batch that is followed by an
//! empty one grows its upper bound without a copy.

use std::sync::Arc;

use differential_dataflow::trace::implementations::merge_batcher::Sealer;
use differential_dataflow::trace::implementations::spine_fueled::{Merger, SpineBatch};
use timely::progress::Antichain;

use super::batch_history_bytes::BatchPast;
use super::batch_layout::Inner;
use super::key_hash_table::KeyTable;
use super::shared_updates::{BatchBody, SharedUpdates, ViewBuilder, ViewMerger, ViewUpdate};
use diptych_base::time::Epoch;

/// The updates of a view at times in `[lower, upper)`: immutable and cheap to clone.
#[derive(Clone)]
pub struct ViewBatch {
    updates: SharedUpdates,
    lower: Epoch,
    upper: Epoch,
    since: Epoch,
}

impl ViewBatch {
    /// A batch of `updates`, all with times in `[lower, upper)`. Builders and mergers give none
    /// when there are no updates.
    pub(super) fn new(lower: Epoch, upper: Epoch, updates: Option<SharedUpdates>) -> Self {
        ViewBatch { updates: updates.unwrap_or_default(), lower, upper, since: 0 }
    }

    /// A batch of `updates`, which are sorted, consolidated, and have times in `[lower, upper)`.
    pub(super) fn from_sorted(lower: Epoch, upper: Epoch, updates: Vec<ViewUpdate>) -> Self {
        ViewBatch::new(lower, upper, ViewBuilder::seal(&mut vec![updates]))
    }

    /// The number of rows that the batch adds, counted with multiplicity; negative when it removes
    /// more.
    pub fn added_rows(&self) -> isize {
        self.body().settled.rows()
    }

    /// A batch of `updates`, in any order, all with times in `[lower, upper)`.
    ///
    /// Panics when a time is outside.
    pub fn from_updates(lower: Epoch, upper: Epoch, mut updates: Vec<ViewUpdate>) -> Self {
        assert!(lower < upper, "the batch [{lower}, {upper}) has no times");
        for (_, time, _) in &updates {
            assert!(
                (lower..upper).contains(time),
                "an update at epoch {time} in the batch [{lower}, {upper})"
            );
        }
        differential_dataflow::consolidation::consolidate_updates(&mut updates);
        ViewBatch::from_sorted(lower, upper, updates)
    }

    /// The first time the batch covers.
    pub fn lower_epoch(&self) -> Epoch {
        self.lower
    }

    /// The first time after the batch.
    pub fn upper_epoch(&self) -> Epoch {
        self.upper
    }

    /// The epoch that merging has compacted the batch to: times below were moved up to it.
    pub fn since_epoch(&self) -> Epoch {
        self.since
    }

    /// The same updates under the bounds `[lower, upper)`.
    #[must_use]
    pub fn with_bounds(&self, lower: Epoch, upper: Epoch) -> Self {
        ViewBatch { lower, upper, ..self.clone() }
    }

    fn body(&self) -> &Arc<BatchBody> {
        self.updates.body()
    }

    /// Differential's own batch, which has no interval.
    #[inline]
    pub(super) fn inner(&self) -> &Inner {
        &self.body().batch
    }

    /// The number of updates.
    pub(super) fn len(&self) -> usize {
        self.updates.len()
    }

    /// Has the batch no updates?
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address of the updates in memory: the same for all clones.
    pub(super) fn body_address(&self) -> *const BatchBody {
        Arc::as_ptr(self.body())
    }

    /// The updates, held weakly.
    pub(super) fn body_weak(&self) -> std::sync::Weak<BatchBody> {
        Arc::downgrade(self.body())
    }

    /// The bytes that the batch keeps for readers of earlier epochs.
    pub(super) fn past(&self) -> &BatchPast {
        &self.body().past
    }

    /// Do both batches share one body in memory?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.body(), other.body())
    }

    /// The number of distinct keys.
    pub fn keys(&self) -> usize {
        self.inner().storage.keys.count()
    }

    /// The key at a position below [`ViewBatch::keys`]; positions are in key order.
    #[inline]
    pub fn key_at(&self, position: usize) -> &[u8] {
        self.inner().storage.keys.row(position)
    }

    /// The positions of the values of the key at a position.
    #[inline]
    pub(super) fn values_of(&self, position: usize) -> std::ops::Range<usize> {
        let (start, end) = self.inner().storage.vals.bounds(position);
        start..end
    }

    /// The value at a position, in order within its key.
    #[inline]
    pub(super) fn value_at(&self, position: usize) -> &[u8] {
        self.inner().storage.vals.vals.row(position)
    }

    /// The updates of the value at a position.
    #[inline]
    pub(super) fn updates_of(&self, value: usize) -> impl Iterator<Item = (Epoch, isize)> {
        let upds = &self.inner().storage.upds;
        let (start, end) = upds.bounds(value);
        upds.times[start..end].iter().copied().zip(upds.diffs[start..end].iter().copied())
    }

    /// The multiplicity of the value at a position, counting times below `upper` only.
    #[inline]
    pub(super) fn multiplicity(&self, value: usize, upper: Epoch) -> isize {
        self.updates_of(value).filter(|(time, _)| *time < upper).map(|(_, diff)| diff).sum()
    }

    /// The net values of a key that changed often, as positions and multiplicities, for readers at
    /// times below `upper`; none when there is no shorter way than looking at all its values.
    #[inline]
    pub(super) fn settled(&self, position: usize, upper: Epoch) -> Option<&[(usize, isize)]> {
        self.body().settled.left(position, upper)
    }

    /// The first time after all updates.
    pub(super) fn settled_before(&self) -> Epoch {
        self.body().settled.times_upper()
    }

    /// The position of `key`, whose hash is `hash`.
    #[inline]
    pub(super) fn find(&self, key: &[u8], hash: u64) -> Option<usize> {
        let keys = &self.inner().storage.keys;
        if let Some(table) = &self.body().table {
            return table.find(keys, key, hash);
        }
        let position = self.seek(0, key);
        (position < keys.count() && keys.row(position) == key).then_some(position)
    }

    /// The first position, not before `from`, whose key is not less than `key`.
    pub(super) fn seek(&self, from: usize, key: &[u8]) -> usize {
        let keys = &self.inner().storage.keys;
        let mut low = from;
        let mut high = keys.count();
        while low < high {
            let middle = low + (high - low) / 2;
            if keys.row(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Calls `visit` with every update, in order of key and value.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &[u8], Epoch, isize)) {
        for position in 0..self.keys() {
            let key = self.key_at(position);
            for value in self.values_of(position) {
                for (time, diff) in self.updates_of(value) {
                    visit(key, self.value_at(value), time, diff);
                }
            }
        }
    }

    /// The updates at times `>= at`, as a batch of `[at, upper)`. Copies them.
    ///
    /// Panics when times were merged across `at`.
    pub(super) fn since_time(&self, at: Epoch) -> ViewBatch {
        let since = self.since_epoch();
        assert!(since <= at, "a batch merged up to epoch {since} cannot be cut at epoch {at}");
        let mut updates = Vec::new();
        self.for_each(|key, value, time, diff| {
            if time >= at {
                updates.push(((key.to_vec(), value.to_vec()), time, diff));
            }
        });
        ViewBatch::from_updates(at, self.upper_epoch(), updates)
    }

    /// Heap memory in bytes.
    pub fn memory_bytes(&self) -> usize {
        let storage = &self.inner().storage;
        let offsets = |list: &differential_dataflow::trace::implementations::OffsetList| {
            list.smol.capacity() * 4 + list.chonk.capacity() * 8
        };
        storage.keys.memory_bytes()
            + storage.vals.vals.memory_bytes()
            + offsets(&storage.vals.offs)
            + offsets(&storage.upds.offs)
            + storage.upds.times.capacity() * 8
            + storage.upds.diffs.capacity() * 8
            + self.body().settled.memory_bytes()
            + self.body().past.memory_bytes()
            + self.body().table.as_ref().map_or(0, KeyTable::memory_bytes)
    }
}

impl std::fmt::Debug for ViewBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ViewBatch[{}, {}) of {} updates", self.lower, self.upper, self.len())
    }
}

/// A merge of two neighbours that is under way.
pub(super) struct BatchMerge {
    older: SharedUpdates,
    younger: SharedUpdates,
    merger: ViewMerger,
    lower: Epoch,
    upper: Epoch,
    since: Epoch,
}

impl BatchMerge {
    /// Begins to merge two neighbours, and to compact their times to `since`.
    pub(super) fn new(older: &ViewBatch, younger: &ViewBatch, since: Epoch) -> Self {
        assert_eq!(older.upper, younger.lower, "merged batches must be neighbours");
        let since = since.max(older.since).max(younger.since);
        let compaction = Antichain::from_elem(since);
        BatchMerge {
            older: older.updates.clone(),
            younger: younger.updates.clone(),
            merger: ViewMerger::new(&older.updates, &younger.updates, compaction.borrow()),
            lower: older.lower,
            upper: younger.upper,
            since,
        }
    }

    /// Merges until `fuel`, a number of updates, is used up. The merge is complete when some of it
    /// is left.
    pub(super) fn work(&mut self, fuel: &mut isize) {
        self.merger.work(&self.older, &self.younger, fuel);
    }

    /// The merged batch.
    pub(super) fn done(self) -> ViewBatch {
        let updates = self.merger.done();
        ViewBatch { since: self.since, ..ViewBatch::new(self.lower, self.upper, updates) }
    }
}
