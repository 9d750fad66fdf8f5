//! The end of an operator whose results may be out of range: refused results go to `errors`.

use std::fmt::Debug;

use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use super::out_of_range_errors::Refusals;
use super::vec_collection::Collection;

/// The row that `make` gives for each result; where it gives a reason instead, and the key, the
/// view `errors` has a row of these, for as long as the result is there.
pub(super) fn in_range<R, D, S>(
    results: Collection<'_, R>,
    mut refusals: Refusals,
    make: impl Fn(R) -> Result<D, (S, String)> + 'static,
) -> Collection<'_, D>
where
    R: Clone + 'static,
    D: Clone + 'static,
    S: Debug,
{
    let name = format!("In range: {}", refusals.name());
    results
        .inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, &name, |_, _| {
            move |(input, frontier), output| {
                input.for_each(|capability, changes| {
                    let mut session = output.session(&capability);
                    for (result, epoch, times) in changes.drain(..) {
                        match make(result) {
                            Ok(row) => session.give((row, epoch, times)),
                            Err((key, reason)) => refusals.give(&key, &reason, epoch, times),
                        }
                    }
                });
                refusals.advance(frontier.frontier().first().copied());
            }
        })
        .as_collection()
}
