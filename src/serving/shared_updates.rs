//! Updates of a view that threads can share.
//!
//! [`SharedUpdates`] are differential's own `OrdValBatch` over byte rows, behind an `Arc`:
//! immutable, `Send + Sync`, built and merged by differential's own builder and merger. They
//! implement the traits of a batch of its spine, so a spine can hold them and an arrangement can
//! build them. As there, they do not know the interval that their times are from: a
//! [`ViewBatch`](super::ViewBatch) adds it.

use std::sync::Arc;

use differential_dataflow::trace::Builder;
use differential_dataflow::trace::implementations::merge_batcher::Sealer;
use differential_dataflow::trace::implementations::ord_neu::OrdValBuilder;
use differential_dataflow::trace::implementations::spine_fueled::{Merger, SpineBatch};
use timely::progress::frontier::AntichainRef;

use super::batch_history_bytes::BatchPast;
use super::batch_layout::{Inner, Layout};
use super::key_hash_table::KeyTable;
use super::net_values::Settled;
use super::shrink::shrink;
use diptych_base::time::Epoch;

/// One update of a view: `((key, value), epoch, diff)`.
pub type ViewUpdate = ((Vec<u8>, Vec<u8>), Epoch, isize);

/// Updates of a view, consolidated, in order of key and value: immutable and cheap to clone.
#[derive(Clone)]
pub struct SharedUpdates(Arc<BatchBody>);

pub(super) struct BatchBody {
    pub(super) batch: Inner,
    pub(super) table: Option<KeyTable>,
    pub(super) settled: Settled,
    pub(super) past: BatchPast,
}

impl SharedUpdates {
    fn new(batch: Inner) -> Self {
        let table = KeyTable::build(&batch.storage.keys);
        let settled = Settled::of(&batch);
        let past = BatchPast::of(&batch);
        SharedUpdates(Arc::new(BatchBody { batch, table, settled, past }))
    }

    /// What all clones share.
    pub(super) fn body(&self) -> &Arc<BatchBody> {
        &self.0
    }
}

/// No updates. Each call makes a body of its own, because a batch is identified by its body.
impl Default for SharedUpdates {
    fn default() -> Self {
        SharedUpdates::new(Inner { storage: InnerBuilder::default().result, updates: 0 })
    }
}

impl SpineBatch for SharedUpdates {
    type Time = Epoch;
    type Merger = ViewMerger;
    fn len(&self) -> usize {
        self.0.batch.updates
    }
}

/// Differential's merger over shared updates.
pub struct ViewMerger(<Inner as SpineBatch>::Merger);

impl Merger<SharedUpdates> for ViewMerger {
    fn new(one: &SharedUpdates, other: &SharedUpdates, since: AntichainRef<Epoch>) -> Self {
        ViewMerger(Merger::new(&one.0.batch, &other.0.batch, since))
    }
    fn work(&mut self, one: &SharedUpdates, other: &SharedUpdates, fuel: &mut isize) {
        self.0.work(&one.0.batch, &other.0.batch, fuel);
    }
    fn done(self) -> Option<SharedUpdates> {
        let mut batch = self.0.done()?;
        shrink(&mut batch);
        Some(SharedUpdates::new(batch))
    }
}

type InnerBuilder = OrdValBuilder<Layout, Vec<ViewUpdate>>;

/// Builds [`SharedUpdates`] from sorted, consolidated updates.
#[derive(Default)]
pub struct ViewBuilder(InnerBuilder);

impl Builder for ViewBuilder {
    type Input = Vec<ViewUpdate>;
    type Time = Epoch;
    type Output = SharedUpdates;

    fn push(&mut self, updates: &mut Self::Input) {
        self.0.push(updates);
    }
    fn done(self) -> Option<SharedUpdates> {
        self.0.done().map(SharedUpdates::new)
    }
}

impl Sealer<Vec<ViewUpdate>> for ViewBuilder {
    type Output = SharedUpdates;

    fn seal(chain: &mut Vec<Vec<ViewUpdate>>) -> Option<SharedUpdates> {
        InnerBuilder::seal(chain).map(SharedUpdates::new)
    }
}

const fn assert_shared<T: Send + Sync + 'static>() {}
const _: () = assert_shared::<SharedUpdates>();
