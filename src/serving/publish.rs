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
use differential_dataflow::trace::{Builder, Description};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{ProbeHandle, StreamVec};
use timely::progress::Antichain;

use super::batch::{ViewBatch, ViewBuilder, ViewUpdate, bound};
use super::gathered::Gathered;
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

/// Publishes a view: its rows are exchanged to the worker that is their shard (worker `i` is shard
/// `i`; workers from `shards` on own none), and that worker publishes them batch by batch.
///
/// The stream that comes back carries nothing; a probe on it says what has been published.
///
/// Panics when there are more shards than workers.
pub fn publish_view<'s>(
    rows: VecCollection<'s, Epoch, (Vec<u8>, Vec<u8>), isize>,
    (view, name): (usize, &str),
    shards: usize,
    publisher: Arc<dyn Publish>,
) -> StreamVec<'s, Epoch, ()> {
    let worker = rows.inner.scope().index();
    let peers = rows.inner.scope().peers();
    assert!(shards <= peers, "view {view} has {shards} shards on {peers} workers");
    let route = Exchange::new(move |((key, _), _, _): &ViewUpdate| shard_of(key, shards) as u64);
    let name = format!("Publish: {name}");
    rows.inner.unary_frontier::<Nothing, _, _, _>(route, &name, move |capability, _info| {
        let mut sealer = Sealer { gathered: Gathered::default(), capability: Some(capability) };
        move |(input, frontier), _output| {
            input.for_each(|_, updates| sealer.gathered.push(updates));
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
    gathered: Gathered,
    /// At the upper bound of what was published; none once the input has ended.
    capability: Option<Capability<Epoch>>,
}

impl Sealer {
    /// The batch up to `frontier`, when that is an advance. When the input has ended, the batch
    /// ends behind its last update, and there is none if all updates were published.
    fn advance(&mut self, frontier: Option<Epoch>) -> Option<ViewBatch> {
        let lower = *self.capability.as_ref()?.time();
        let upper = frontier.unwrap_or_else(|| lower.max(self.gathered.last + 1));
        if upper <= lower {
            return None;
        }
        let description = Description::new(
            Antichain::from_elem(lower),
            Antichain::from_elem(upper),
            Antichain::from_elem(0),
        );
        Some(ViewBuilder::seal(&mut vec![self.gathered.below(upper)], description))
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
