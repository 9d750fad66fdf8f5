//! A pass-through operator between a barrier's input and the exchange of its entries: it forces a
//! flush.
//!
//! timely's `InputHandle::flush` empties the handle, but not the buffers of an exchange behind it;
//! only closing an epoch does, and then only if something was sent since the input was last
//! scheduled. So entries that were flushed early, with a step before the epoch was closed, could
//! stay in the exchange's buffers for ever, and hold the frontier with them. An operator's output
//! is flushed to the end each time the operator has run: this operator passes its input on,
//! container by container, without looking at a row.

use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use diptych_base::time::Epoch;

/// Passes the stream on, so that an exchange may follow.
pub(super) fn flush_before_exchange<D: Clone + 'static>(
    stream: StreamVec<'_, Epoch, D>,
) -> StreamVec<'_, Epoch, D> {
    stream.unary::<CapacityContainerBuilder<Vec<D>>, _, _, _>(Pipeline, "Relay", |_, _| {
        |input, output| {
            input.for_each(|capability, entries| {
                output.session(&capability).give_container(entries);
            });
        }
    })
}
