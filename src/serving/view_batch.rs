//! Batches of a view that threads can share.
//!
//! A [`ViewBatch`] is differential's own `OrdValBatch` over byte rows, behind an `Arc`: immutable,
//! `Send + Sync`, merged by differential's own merger. It implements the traits of a differential
//! batch, so a spine can hold it and an arrangement can build it.
//!
//! The interval of times is stored beside the `Arc`, not in it: a batch that is followed by an
//! empty one grows its upper bound without a copy. The description inside the `Arc` is never read.

use std::sync::Arc;

use differential_dataflow::trace::implementations::ord_neu::OrdValBuilder;
use differential_dataflow::trace::{Batch, BatchReader, Builder, Description, Merger};
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use super::batch_history_bytes::BatchPast;
use super::batch_layout::{Inner, Layout};
use super::key_hash_table::KeyTable;
use super::net_values::Settled;
use super::shrink::shrink;
use diptych_base::time::Epoch;

/// One update of a view: `((key, value), epoch, diff)`.
pub type ViewUpdate = ((Vec<u8>, Vec<u8>), Epoch, isize);

/// The updates of a view at times in `[lower, upper)`: immutable and cheap to clone.
#[derive(Clone)]
pub struct ViewBatch {
    body: Arc<BatchBody>,
    description: Description<Epoch>,
}

pub(super) struct BatchBody {
    batch: Inner,
    table: Option<KeyTable>,
    settled: Settled,
    past: BatchPast,
}

/// The only element of a frontier of a totally ordered time; none when the frontier is empty.
pub(super) fn bound(frontier: &Antichain<Epoch>) -> Option<Epoch> {
    frontier.first().copied()
}

impl ViewBatch {
    fn new(mut batch: Inner, description: Description<Epoch>) -> Self {
        let none = || Antichain::from_elem(0);
        batch.description = Description::new(none(), none(), none());
        let table = KeyTable::build(&batch.storage.keys);
        let settled = Settled::of(&batch);
        let past = BatchPast::of(&batch);
        ViewBatch { body: Arc::new(BatchBody { batch, table, settled, past }), description }
    }

    /// The number of rows that the batch adds, counted with multiplicity; negative when it removes
    /// more.
    pub fn added_rows(&self) -> isize {
        self.body.settled.rows()
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
        let description = Description::new(
            Antichain::from_elem(lower),
            Antichain::from_elem(upper),
            Antichain::from_elem(0),
        );
        ViewBuilder::seal(&mut vec![updates], description)
    }

    /// The first time the batch covers.
    pub fn lower_epoch(&self) -> Epoch {
        bound(self.description.lower()).expect("a batch has a lower bound")
    }

    /// The first time after the batch. Panics on a batch without an upper bound, which the
    /// operator that publishes views never makes.
    pub fn upper_epoch(&self) -> Epoch {
        bound(self.description.upper()).expect("a published batch has an upper bound")
    }

    /// The epoch that merging has compacted the batch to: times below were moved up to it.
    pub fn since_epoch(&self) -> Epoch {
        bound(self.description.since()).expect("a batch has a since")
    }

    /// The same updates under the bounds `[lower, upper)`.
    #[must_use]
    pub fn with_bounds(&self, lower: Epoch, upper: Epoch) -> Self {
        let description = Description::new(
            Antichain::from_elem(lower),
            Antichain::from_elem(upper),
            self.description.since().clone(),
        );
        ViewBatch { body: Arc::clone(&self.body), description }
    }

    /// Differential's own batch, whose description is not this one's.
    pub(super) fn inner(&self) -> &Inner {
        &self.body.batch
    }

    /// The address of the updates in memory: the same for all clones.
    pub(super) fn body_address(&self) -> *const BatchBody {
        Arc::as_ptr(&self.body)
    }

    /// The updates, held weakly.
    pub(super) fn body_weak(&self) -> std::sync::Weak<BatchBody> {
        Arc::downgrade(&self.body)
    }

    /// The bytes that the batch keeps for readers of earlier epochs.
    pub(super) fn past(&self) -> &BatchPast {
        &self.body.past
    }

    /// Do both batches share one body in memory?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }

    /// The number of distinct keys.
    pub fn keys(&self) -> usize {
        self.body.batch.storage.keys.count()
    }

    /// The key at a position below [`ViewBatch::keys`]; positions are in key order.
    #[inline]
    pub fn key_at(&self, position: usize) -> &[u8] {
        self.body.batch.storage.keys.row(position)
    }

    /// The positions of the values of the key at a position.
    #[inline]
    pub(super) fn values_of(&self, position: usize) -> std::ops::Range<usize> {
        let (start, end) = self.body.batch.storage.vals.bounds(position);
        start..end
    }

    /// The value at a position, in order within its key.
    #[inline]
    pub(super) fn value_at(&self, position: usize) -> &[u8] {
        self.body.batch.storage.vals.vals.row(position)
    }

    /// The updates of the value at a position.
    #[inline]
    pub(super) fn updates_of(&self, value: usize) -> impl Iterator<Item = (Epoch, isize)> {
        let upds = &self.body.batch.storage.upds;
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
        self.body.settled.left(position, upper)
    }

    /// The first time after all updates.
    pub(super) fn settled_before(&self) -> Epoch {
        self.body.settled.times_upper()
    }

    /// The position of `key`, whose hash is `hash`.
    #[inline]
    pub(super) fn find(&self, key: &[u8], hash: u64) -> Option<usize> {
        let keys = &self.body.batch.storage.keys;
        if let Some(table) = &self.body.table {
            return table.find(keys, key, hash);
        }
        let position = self.seek(0, key);
        (position < keys.count() && keys.row(position) == key).then_some(position)
    }

    /// The first position, not before `from`, whose key is not less than `key`.
    pub(super) fn seek(&self, from: usize, key: &[u8]) -> usize {
        let keys = &self.body.batch.storage.keys;
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
        let storage = &self.body.batch.storage;
        let offsets = |list: &differential_dataflow::trace::implementations::OffsetList| {
            list.smol.capacity() * 4 + list.chonk.capacity() * 8
        };
        storage.keys.memory_bytes()
            + storage.vals.vals.memory_bytes()
            + offsets(&storage.vals.offs)
            + offsets(&storage.upds.offs)
            + storage.upds.times.capacity() * 8
            + storage.upds.diffs.capacity() * 8
            + self.body.settled.memory_bytes()
            + self.body.past.memory_bytes()
            + self.body.table.as_ref().map_or(0, KeyTable::memory_bytes)
    }
}

impl std::fmt::Debug for ViewBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lower = self.description.lower();
        let upper = self.description.upper();
        write!(f, "ViewBatch[{:?}, {:?}) of {} updates", lower.first(), upper.first(), self.len())
    }
}

impl BatchReader for ViewBatch {
    type Time = Epoch;
    fn len(&self) -> usize {
        self.body.batch.updates
    }
    fn description(&self) -> &Description<Epoch> {
        &self.description
    }
}

impl Batch for ViewBatch {
    type Merger = ViewMerger;
    fn empty(lower: Antichain<Epoch>, upper: Antichain<Epoch>) -> Self {
        let since = Antichain::from_elem(0);
        let description = Description::new(lower.clone(), upper.clone(), since);
        ViewBatch::new(Inner::empty(lower, upper), description)
    }
}

/// Differential's merger over the shared batches.
pub struct ViewMerger {
    merger: <Inner as Batch>::Merger,
    description: Description<Epoch>,
}

impl Merger<ViewBatch> for ViewMerger {
    fn new(one: &ViewBatch, other: &ViewBatch, compaction: AntichainRef<Epoch>) -> Self {
        use differential_dataflow::lattice::Lattice;
        assert_eq!(one.upper(), other.lower(), "merged batches must be neighbours");
        let since = one.description.since().join(other.description.since());
        let since = since.join(&compaction.to_owned());
        let merger = one.body.batch.begin_merge(&other.body.batch, since.borrow());
        let description = Description::new(one.lower().clone(), other.upper().clone(), since);
        ViewMerger { merger, description }
    }
    fn work(&mut self, one: &ViewBatch, other: &ViewBatch, fuel: &mut isize) {
        self.merger.work(&one.body.batch, &other.body.batch, fuel);
    }
    fn done(self) -> ViewBatch {
        let mut batch = self.merger.done();
        shrink(&mut batch);
        ViewBatch::new(batch, self.description)
    }
}

type InnerBuilder = OrdValBuilder<Layout, Vec<ViewUpdate>>;

/// Builds a [`ViewBatch`] from sorted, consolidated updates.
pub struct ViewBuilder(InnerBuilder);

impl Builder for ViewBuilder {
    type Input = Vec<ViewUpdate>;
    type Time = Epoch;
    type Output = ViewBatch;

    fn with_capacity(keys: usize, values: usize, updates: usize) -> Self {
        ViewBuilder(InnerBuilder::with_capacity(keys, values, updates))
    }
    fn push(&mut self, updates: &mut Self::Input) {
        self.0.push(updates);
    }
    fn done(self, description: Description<Epoch>) -> ViewBatch {
        ViewBatch::new(self.0.done(description.clone()), description)
    }
    fn seal(chain: &mut Vec<Self::Input>, description: Description<Epoch>) -> ViewBatch {
        ViewBatch::new(InnerBuilder::seal(chain, description.clone()), description)
    }
}

const fn assert_shared<T: Send + Sync + 'static>() {}
const _: () = assert_shared::<ViewBatch>();
