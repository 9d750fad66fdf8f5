//! Running sums along the rows of a key.
//!
//! Rows before the first change are not read: each chunk of rows keeps its own sum.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::super::combiner::route;
use super::super::ordered_rows::Ordered;
use super::super::out_of_range_errors::Refusals;
use super::super::per_epoch_operator::{ByEpoch, Keys, by_epoch};
use super::super::split_out_of_range::in_range;
use super::super::summand::{Summand, Total};
use super::super::vec_collection::Collection;

/// Rows of a key: an order, a value, and the exact sum up to this order.
type Sums<K, O, V> = (K, (O, V, Total<V>));

pub(super) fn running_sum<K, O, V>(
    rows: Collection<'_, (K, (O, V))>,
) -> Collection<'_, (K, (O, V, V))>
where
    K: ExchangeData + Hash,
    O: ExchangeData,
    V: Summand,
{
    let state = RunningSum(Keys::default());
    let totals = by_epoch(rows, "RunningSum", |(key, _)| route(key), state);
    let refusals = Refusals::of_operator("running_sum");
    in_range(totals, refusals, |(key, (order, value, total)): Sums<K, O, V>| match total.value() {
        Ok(sum) => Ok((key, (order, value, sum))),
        Err(reason) => Err(((key, order), reason)),
    })
}

/// The rows of a key, with the sum of each chunk.
type Rows<O, V> = Ordered<(O, V), Total<V>>;

struct RunningSum<K, O, V: Summand>(Keys<K, Rows<O, V>>);

impl<K, O, V> ByEpoch for RunningSum<K, O, V>
where
    K: ExchangeData + Hash,
    O: ExchangeData,
    V: Summand,
{
    type Row = (K, (O, V));
    type Out = (K, (O, V, Total<V>));

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut(Self::Out, isize)) {
        self.0.close(changes, |key, rows, changes| {
            let Some(((first, _), _)) = changes.first() else { return };
            let first = first.clone();
            let mut tell = |(order, value): &(O, V), sum: &Total<V>, diff: isize| {
                emit((key.clone(), (order.clone(), value.clone(), sum.clone())), diff);
            };
            sums_from(rows, &first, |row, sum, copies| tell(row, sum, -copies));
            for (row, diff) in changes {
                rows.change(row, diff);
            }
            sums_from(rows, &first, tell);
        });
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// The rows from `first` on, each with the sum up to its order.
fn sums_from<O: ExchangeData, V: Summand>(
    rows: &mut Rows<O, V>,
    first: &O,
    mut each: impl FnMut(&(O, V), &Total<V>, isize),
) {
    let place = rows.find(|(order, _)| order < first);
    let mut sum = Total::of(V::zero(), 0);
    rows.each_part_before(place, |rows| total(rows), |part| sum.merge(part));
    let mut on = rows.from(place).peekable();
    let mut of_one_order = Vec::new();
    while let Some(row) = on.next() {
        of_one_order.push(row);
        if on.peek().is_some_and(|(next, _)| next.0 == row.0.0) {
            continue;
        }
        sum.merge(&total(of_one_order.iter().copied()));
        for (row, copies) in of_one_order.drain(..) {
            each(row, &sum, *copies);
        }
    }
}

fn total<'a, O: 'a, V: Summand>(rows: impl IntoIterator<Item = &'a ((O, V), isize)>) -> Total<V> {
    let mut sum = Total::of(V::zero(), 0);
    for ((_, value), copies) in rows {
        sum.merge(&Total::of(value.clone(), *copies as i128));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_costs_the_rows_behind_it() {
        let mut state = RunningSum(Keys::default());
        let mut close = |changes: Vec<(i64, isize)>| {
            let changes = changes.into_iter().map(|(order, diff)| (((), (order, 1_i64)), diff));
            let mut emitted = Vec::new();
            state.close(changes.collect(), |((), (order, _, sum)), diff| {
                emitted.push((order, sum.value().expect("in range"), diff));
            });
            emitted
        };
        assert_eq!(close((0..10_000).map(|order| (order, 1)).collect()).len(), 10_000);
        assert_eq!(close(vec![(10_000, 1)]), [(10_000, 10_001, 1)]);
        assert_eq!(
            close(vec![(9_999, -1)]),
            [(9_999, 10_000, -1), (10_000, 10_001, -1), (10_000, 10_000, 1)]
        );
    }
}
