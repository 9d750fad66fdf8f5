//! From a dataflow into an index: the operator at the end of every view.
//!
//! It sorts the updates of a view into batches, exactly as differential's `arrange` does, but keeps
//! no trace: each sealed batch goes to the publisher. Every advance of the frontier is published,
//! also when nothing changed, so the batches of a (view, shard) are contiguous from epoch 0.
//!
//! The operator gives its capability up only after it has published, so a probe behind it means:
//! published by every worker.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use differential_dataflow::trace::implementations::{ContainerChunker, ValBatcher};
use differential_dataflow::trace::{Batcher, Builder, Description};
use timely::container::{CapacityContainerBuilder, ContainerBuilder, PushInto};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{ProbeHandle, StreamVec};
use timely::progress::Antichain;

use super::batch::{ViewBatch, ViewBuilder, ViewUpdate, bound};
use super::route::shard_of;
use crate::time::Epoch;

/// Where the batches of views go.
pub trait Publish: Send + Sync {
    /// Takes the next batch of a (view, shard). Its lower bound is the upper bound of the one
    /// before, 0 for the first. Called on the worker's thread: must be quick.
    fn publish(&self, view: usize, shard: usize, batch: ViewBatch);
}

/// What the operator sends on: never anything.
type Nothing = CapacityContainerBuilder<Vec<()>>;
type ViewBatcher = ValBatcher<Vec<u8>, Vec<u8>, Epoch, isize>;

/// Publishes a view: its rows are exchanged to the worker that is their shard (worker `i` is shard
/// `i`; workers from `shards` on own none), and that worker publishes them batch by batch.
///
/// The stream that comes back carries nothing; a probe on it says what has been published.
///
/// Panics when there are more shards than workers.
pub fn publish_view(
    rows: VecCollection<'_, Epoch, (Vec<u8>, Vec<u8>), isize>,
    view: usize,
    shards: usize,
    publisher: Arc<dyn Publish>,
) -> StreamVec<'_, Epoch, ()> {
    let worker = rows.inner.scope().index();
    let peers = rows.inner.scope().peers();
    assert!(shards <= peers, "view {view} has {shards} shards on {peers} workers");
    let route = Exchange::new(move |((key, _), _, _): &ViewUpdate| shard_of(key, shards) as u64);
    let name = format!("Publish view {view}");
    rows.inner.unary_frontier::<Nothing, _, _, _>(route, &name, move |capability, info| {
        let mut sealer = Sealer {
            chunker: ContainerChunker::default(),
            batcher: ViewBatcher::new(None, info.global_id),
            capability: Some(capability),
            last: 0,
        };
        move |(input, frontier), _output| {
            input.for_each(|_, updates| sealer.push(updates));
            let frontier = bound(&frontier.frontier().to_owned());
            if let Some(batch) = sealer.advance(frontier)
                && worker < shards
            {
                publisher.publish(view, worker, batch);
            }
            sealer.release(frontier);
        }
    })
}

/// The state of one operator.
struct Sealer {
    chunker: ContainerChunker<Vec<ViewUpdate>>,
    batcher: ViewBatcher,
    /// At the upper bound of what was published; none once the input has ended.
    capability: Option<Capability<Epoch>>,
    /// The latest time seen: where an input that ends has its upper bound.
    last: Epoch,
}

impl Sealer {
    fn push(&mut self, updates: &mut Vec<ViewUpdate>) {
        self.last = updates.iter().map(|(_, time, _)| *time).fold(self.last, Epoch::max);
        self.chunker.push_into(updates);
        while let Some(chunk) = self.chunker.extract() {
            self.batcher.push_into(std::mem::take(chunk));
        }
    }

    /// The batch up to `frontier`, when that is an advance. When the input has ended, the batch
    /// ends behind its last update, and there is none if all updates were published.
    fn advance(&mut self, frontier: Option<Epoch>) -> Option<ViewBatch> {
        let lower = *self.capability.as_ref()?.time();
        let upper = frontier.unwrap_or_else(|| lower.max(self.last + 1));
        if upper <= lower {
            return None;
        }
        while let Some(chunk) = self.chunker.finish() {
            self.batcher.push_into(std::mem::take(chunk));
        }
        let (mut chain, sealed) = self.batcher.seal(Antichain::from_elem(upper));
        let since = Antichain::from_elem(0);
        let description = Description::new(sealed.lower().clone(), sealed.upper().clone(), since);
        Some(ViewBuilder::seal(&mut chain, description))
    }

    fn release(&mut self, frontier: Option<Epoch>) {
        match (frontier, &mut self.capability) {
            (Some(frontier), Some(capability)) => capability.downgrade(&frontier),
            _ => self.capability = None,
        }
    }
}

/// Attaches `probe` behind a published view.
pub fn probe_published(published: StreamVec<'_, Epoch, ()>, probe: &ProbeHandle<Epoch>) {
    use timely::dataflow::operators::Probe;
    published.probe_with(probe);
}
