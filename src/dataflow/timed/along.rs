//! Operators that look along the rows of a key, in order: one `reduce` each.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::super::collection::Collection;
use super::super::in_range::in_range;
use super::super::refusals::Refusals;
use super::super::summand::{Summand, Total};

/// Per key: an order, a value, and the exact sum up to there.
type Sums<K, O, V> = (K, (O, V, Total<V>));

pub(super) fn running_sum<K, O, V>(
    rows: Collection<'_, (K, (O, V))>,
) -> Collection<'_, (K, (O, V, V))>
where
    K: ExchangeData + Hash,
    O: ExchangeData,
    V: Summand,
{
    let totals = rows.reduce_named("RunningSum", |_, rows: &[(&(O, V), isize)], out| {
        let mut sum = Total::of(V::zero(), 0);
        for group in rows.chunk_by(|(one, _), (other, _)| one.0 == other.0) {
            for ((_, value), times) in group {
                sum.merge(&Total::of(value.clone(), *times as i128));
            }
            for ((order, value), times) in group {
                out.push(((order.clone(), value.clone(), sum.clone()), *times));
            }
        }
    });
    let refusals = Refusals::of_operator("running_sum");
    in_range(totals, refusals, |(key, (order, value, total)): Sums<K, O, V>| match total.value() {
        Ok(sum) => Ok((key, (order, value, sum))),
        Err(reason) => Err(((key, order), reason)),
    })
}
