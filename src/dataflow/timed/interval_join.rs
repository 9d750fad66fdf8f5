//! The interval join: pairs of rows that are near one another in time.
//!
//! Time is cut into spans as wide as the interval. A row can only meet rows of its own span and of
//! a neighbour, so those spans are part of the key of an ordinary join; the rest is a filter.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::super::vec_collection::Collection;
use diptych_event::Timestamp;

/// A pair of rows, and their key.
type Pair<K, V, W> = (K, ((Timestamp, V), (Timestamp, W)));

#[track_caller]
pub(super) fn interval_join<'s, K, V, W>(
    rows: Collection<'s, (K, (Timestamp, V))>,
    other: Collection<'s, (K, (Timestamp, W))>,
    before: i64,
    after: i64,
) -> Collection<'s, Pair<K, V, W>>
where
    K: ExchangeData + Hash,
    V: ExchangeData + Hash,
    W: ExchangeData + Hash,
{
    let Some(width) = before.checked_add(after).filter(|width| *width > 0) else {
        panic!(
            "an interval of {before} microseconds before and {after} after: join by the time \
             itself where no span is meant"
        );
    };
    let span = move |micros: i64| micros.div_euclid(width);
    let spread = rows.flat_map(move |(key, (at, value))| {
        let first = span(at.micros().saturating_sub(before));
        let last = span(at.micros().saturating_add(after));
        (first..=last).map(move |span| ((key.clone(), span), (at, value.clone())))
    });
    let placed = other.map(move |(key, row)| ((key, span(row.0.micros())), row));
    spread.join(placed).flat_map(move |((key, _), (one, other))| {
        let distance = i128::from(other.0.micros()) - i128::from(one.0.micros());
        let near = (-i128::from(before)..=i128::from(after)).contains(&distance);
        near.then_some((key, (one, other)))
    })
}
