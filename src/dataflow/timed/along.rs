//! Operators that look along the rows of a key, in order: one `reduce` each.

use std::hash::Hash;

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use super::super::collection::Collection;
use super::super::in_range::in_range;
use super::super::refusals::Refusals;
use super::super::summand::{Summand, Total};
use crate::event::Timestamp;

/// Rows of a key `(at, value)`, in order, with their multiplicities.
type Rows<'r, V> = &'r [(&'r (Timestamp, V), isize)];

/// Does a session end between two rows?
fn apart(earlier: Timestamp, later: Timestamp, gap: i64) -> bool {
    later.micros().saturating_sub(earlier.micros()) > gap
}

/// The rows that are there, each with the start of its session.
fn with_starts<V>(
    rows: Rows<'_, V>,
    gap: i64,
    mut each: impl FnMut(Timestamp, &(Timestamp, V), isize),
) {
    let mut session: Option<(Timestamp, Timestamp)> = None;
    for (row, times) in rows.iter().filter(|(_, times)| *times > 0) {
        let start = match session {
            Some((start, last)) if !apart(last, row.0, gap) => start,
            _ => row.0,
        };
        session = Some((start, row.0));
        each(start, row, *times);
    }
}

pub(super) fn sessions<K, V>(
    rows: Collection<'_, (K, (Timestamp, V))>,
    gap: i64,
) -> Collection<'_, ((K, Timestamp), (Timestamp, V))>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
{
    rows.reduce_named("Sessions", move |_, rows, out| {
        with_starts(rows, gap, |start, row, times| out.push(((start, row.clone()), times)));
    })
    .map(|(key, (start, row))| ((key, start), row))
}

pub(super) fn funnel<K, V, F>(
    rows: Collection<'_, (K, (Timestamp, V))>,
    gap: i64,
    step: F,
) -> Collection<'_, (K, (Timestamp, u64))>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    F: Fn(&V) -> Option<u64> + 'static,
{
    rows.reduce_named("Funnel", move |_, rows, out: &mut Vec<((Timestamp, u64), isize)>| {
        with_starts(rows, gap, |start, (_, value), _| {
            if out.last().is_none_or(|((known, _), _)| *known != start) {
                out.push(((start, 0), 1));
            }
            if let Some(((_, reached), _)) = out.last_mut()
                && step(value) == Some(*reached)
            {
                *reached += 1;
            }
        });
    })
}

/// A row of either side. Where both are at one time the other side comes first: it is not after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Side<V, W> {
    Found(W),
    Asks(V),
}

pub(super) fn asof_join<'s, K, V, W>(
    rows: Collection<'s, (K, (Timestamp, V))>,
    other: Collection<'s, (K, (Timestamp, W))>,
) -> Collection<'s, (K, (Timestamp, V, Option<W>))>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    W: ExchangeData,
{
    let asks = rows.map(|(key, (at, value))| (key, (at, Side::Asks(value))));
    let found = other.map(|(key, (at, value))| (key, (at, Side::Found(value))));
    asks.concat(found).reduce_named(
        "AsOfJoin",
        |_, rows: &[(&(Timestamp, Side<V, W>), isize)], out| {
            let mut latest = None;
            for ((at, side), times) in rows.iter().filter(|(_, times)| *times > 0) {
                match side {
                    Side::Found(value) => latest = Some(value),
                    Side::Asks(value) => out.push(((*at, value.clone(), latest.cloned()), *times)),
                }
            }
        },
    )
}

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
    type Sums<K, O, V> = (K, (O, V, Total<V>));
    let refusals = Refusals::of_operator("running_sum");
    in_range(totals, refusals, |(key, (order, value, total)): Sums<K, O, V>| match total.value() {
        Ok(sum) => Ok((key, (order, value, sum))),
        Err(reason) => Err(((key, order), reason)),
    })
}
