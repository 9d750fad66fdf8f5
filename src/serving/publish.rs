//! The operator at the end of every view: publishes the updates of a dataflow into an index.
//!
//! The operator sorts the updates of a view into batches, exactly as differential's `arrange` does,
//! but keeps no trace: each sealed batch goes to the publisher. Every advance of the frontier is
//! published, also when nothing changed, so the batches of a (view, shard) are contiguous from
//! epoch 0.
//!
//! Updates that a restored dataflow repeats below its boundary do not become batches, which would
//! never be read: they are added to a digest, unsorted.
//!
//! The operator drops its capability only after it has published, so a time that a probe behind it
//! has passed is published by every worker.

use std::ops::Range;
use std::sync::Arc;

use differential_dataflow::VecCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{ProbeHandle, StreamVec};

use super::sharding::shard_of;
use super::shared_updates::ViewUpdate;
use super::update_buffer::UpdateBuffer;
use super::view_batch::ViewBatch;
use diptych_base::time::Epoch;
use diptych_row::Digest;

/// The receiver of the batches of all views.
pub trait Publish: Send + Sync {
    /// Takes the next batch of a (view, shard). Its lower bound is the upper bound of the one
    /// before, 0 for the first. Called on the worker's thread: must be quick.
    fn publish(&self, view: usize, shard: usize, batch: ViewBatch);

    /// The boundary of an installed base. Below it the dataflow repeats the base, and publishes
    /// digests by [`Publish::repeat`] only.
    fn known_below(&self) -> Epoch {
        0
    }

    /// Takes the digest of the updates at the times `epochs`, below
    /// [`Publish::known_below`], in the place of a batch.
    fn repeat(&self, view: usize, shard: usize, epochs: Range<Epoch>, digest: Digest) {
        panic!("view {view}, shard {shard}: {digest} of {epochs:?} was not asked for");
    }
}

/// The builder of the operator's output, which stays empty.
type Nothing = CapacityContainerBuilder<Vec<()>>;

/// Publishes a view: its rows are exchanged to the worker that is their shard (worker `i` is shard
/// `i`; workers from `shards` on own none), and that worker publishes them batch by batch.
///
/// The returned stream carries no data; a probe on it tells which times have been published.
///
/// Panics when there are more shards than workers.
pub fn publish_view<'s>(
    rows: VecCollection<'s, Epoch, (Vec<u8>, Vec<u8>), isize>,
    view: usize,
    name: &str,
    shards: usize,
    publisher: Arc<dyn Publish>,
) -> StreamVec<'s, Epoch, ()> {
    let worker = rows.inner.scope().index();
    let peers = rows.inner.scope().peers();
    assert!(shards <= peers, "view {view} has {shards} shards on {peers} workers");
    let route = Exchange::new(move |((key, _), _, _): &ViewUpdate| shard_of(key, shards) as u64);
    let name = format!("Publish: {name}");
    rows.inner.unary_frontier::<Nothing, _, _, _>(route, &name, move |capability, _info| {
        let mut sealer = Sealer {
            gathered: UpdateBuffer::default(),
            capability: Some(capability),
            known: publisher.known_below(),
            repeated: Digest::default(),
        };
        move |(input, frontier), _output| {
            input.for_each(|_, updates| sealer.push(updates));
            let frontier = frontier.frontier().first().copied();
            if let Some((lower, upper)) = sealer.closed(frontier) {
                let new = lower.max(sealer.known.min(upper));
                if lower < new && worker < shards {
                    let digest = std::mem::take(&mut sealer.repeated);
                    publisher.repeat(view, worker, lower..new, digest);
                }
                if new < upper && worker < shards {
                    publisher.publish(view, worker, sealer.seal(new, upper));
                }
            }
            sealer.release(frontier);
        }
    })
}

/// The state of the publishing operator on one worker.
struct Sealer {
    gathered: UpdateBuffer,
    /// Held at the upper bound of the published times; none once the input has ended.
    capability: Option<Capability<Epoch>>,
    /// Updates below this epoch are not sorted: only their digest is needed.
    known: Epoch,
    /// The digest of the updates that have come from below `known`.
    repeated: Digest,
}

impl Sealer {
    fn push(&mut self, updates: &mut Vec<ViewUpdate>) {
        let Sealer { gathered, capability, known, repeated } = self;
        if capability.as_ref().is_some_and(|capability| capability.time() < known) {
            updates.retain(|((key, value), time, diff)| {
                if time < known {
                    gathered.last = gathered.last.max(*time);
                    repeated.add(key, value, *diff);
                }
                time >= known
            });
        }
        gathered.push(updates);
    }

    /// The times `[lower, upper)` that `frontier` completes; none when it has not advanced. When
    /// the input has ended, they end after the last update, and there are none if all updates were
    /// published.
    fn closed(&self, frontier: Option<Epoch>) -> Option<(Epoch, Epoch)> {
        let lower = *self.capability.as_ref()?.time();
        let upper = frontier.unwrap_or_else(|| lower.max(self.gathered.last + 1));
        (upper > lower).then_some((lower, upper))
    }

    /// The batch of the times `[lower, upper)`.
    fn seal(&mut self, lower: Epoch, upper: Epoch) -> ViewBatch {
        ViewBatch::from_sorted(lower, upper, self.gathered.below(upper))
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
