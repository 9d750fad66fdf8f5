//! The as-of join: each row with the latest row of another side.
//!
//! Both sides of a key are kept in order. A row of the left side, which *asks*, costs one search; a
//! row of the right side, which can be *found*, concerns only the rows that ask between it and the
//! next one that can be found.

use std::hash::Hash;

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use super::super::combiner::route;
use super::super::ordered_rows::{Copies, Ordered};
use super::super::per_epoch_operator::{ByEpoch, Keys, OfKey, by_epoch};
use super::super::vec_collection::Collection;
use diptych_event::Timestamp;

/// A row of either side; rows that can be found sort before all that ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Side<V, W> {
    Found(Timestamp, W),
    Asks(Timestamp, V),
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
    let asks = rows.map(|(key, (at, value))| (key, Side::Asks(at, value)));
    let found = other.map(|(key, (at, value))| (key, Side::Found(at, value)));
    by_epoch(asks.concat(found), "AsOfJoin", |(key, _)| route(key), AsOfJoin(Keys::default()))
}

struct AsOfJoin<K, V, W>(Keys<K, Sides<V, W>>);

/// The rows of a key.
struct Sides<V, W> {
    asks: Ordered<(Timestamp, V)>,
    found: Ordered<(Timestamp, W)>,
}

impl<V, W> Default for Sides<V, W> {
    fn default() -> Self {
        Sides { asks: Ordered::default(), found: Ordered::default() }
    }
}

impl<V, W> OfKey for Sides<V, W> {
    fn held(&self) -> usize {
        self.asks.held() + self.found.held()
    }
}

impl<K, V, W> ByEpoch for AsOfJoin<K, V, W>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    W: ExchangeData,
{
    type Row = (K, Side<V, W>);
    type Out = (K, (Timestamp, V, Option<W>));

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut(Self::Out, isize)) {
        self.0.close(changes, |key, sides, changes| {
            let mut found = Vec::new();
            let mut asks = Vec::new();
            for (row, diff) in changes {
                match row {
                    Side::Found(at, value) => found.push(((at, value), diff)),
                    Side::Asks(at, value) => asks.push(((at, value), diff)),
                }
            }
            let mut tell = |ask: &(Timestamp, V), found: Option<&W>, diff: isize| {
                emit((key.clone(), (ask.0, ask.1.clone(), found.cloned())), diff);
            };
            // Removed asking rows come before all other changes, new ones after all: neither emits
            // twice. Rows to be found are removed from the first on and added from the last on, so
            // that no asking row emits a found row that is not the latest in the end.
            let (gone, come): (Vec<_>, Vec<_>) = asks.into_iter().partition(|(_, diff)| *diff < 0);
            sides.ask(gone, &mut tell);
            for (row, diff) in found.iter().filter(|(_, diff)| *diff < 0) {
                let Copies { before, after } = sides.found.change(row.clone(), *diff);
                if before > 0 && after == 0 {
                    sides.instead(row, |ask, other, copies| {
                        tell(ask, Some(&row.1), -copies);
                        tell(ask, other, copies);
                    });
                }
            }
            for (row, diff) in found.iter().rev().filter(|(_, diff)| *diff > 0) {
                let Copies { before, after } = sides.found.change(row.clone(), *diff);
                if before == 0 && after > 0 {
                    sides.instead(row, |ask, other, copies| {
                        tell(ask, other, -copies);
                        tell(ask, Some(&row.1), copies);
                    });
                }
            }
            sides.ask(come, &mut tell);
        });
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

impl<V: ExchangeData, W: ExchangeData> Sides<V, W> {
    /// Changes the asking rows, and emits what they find.
    fn ask(
        &mut self,
        asks: Vec<((Timestamp, V), isize)>,
        mut tell: impl FnMut(&(Timestamp, V), Option<&W>, isize),
    ) {
        for (ask, diff) in asks {
            let Copies { before, after } = self.asks.change(ask.clone(), diff);
            if before != after {
                let place = self.found.find(|(at, _)| *at <= ask.0);
                let mut back = self.found.back_from(place);
                let latest = back.find(|(_, copies)| *copies > 0);
                tell(&ask, latest.map(|((_, value), _)| value), after - before);
            }
        }
    }

    /// All asking rows for which `row` is the latest to be found, and what they find without it.
    fn instead(
        &self,
        row: &(Timestamp, W),
        mut each: impl FnMut(&(Timestamp, V), Option<&W>, isize),
    ) {
        let there = |(_, copies): &&((Timestamp, W), isize)| *copies > 0;
        let mut on = self.found.from(self.found.find(|known| known <= row));
        let end = on.find(there).map(|((at, _), _)| *at);
        let mut back = self.found.back_from(self.found.find(|known| known < row));
        let other = back.find(there).map(|((_, value), _)| value);
        let asks = self.asks.from(self.asks.find(|(at, _)| *at < row.0));
        let asks = asks.take_while(|((at, _), _)| end.is_none_or(|end| *at < end));
        for (ask, copies) in asks.filter(|(_, copies)| *copies > 0) {
            each(ask, other, *copies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of changes that one key emits; values do not matter.
    fn close(state: &mut AsOfJoin<(), (), i64>, changes: Vec<(Side<(), i64>, isize)>) -> usize {
        let mut changes: Vec<_> =
            changes.into_iter().map(|(row, diff)| (((), row), diff)).collect();
        differential_dataflow::consolidation::consolidate(&mut changes);
        let mut emitted = 0;
        state.close(changes, |_, _| emitted += 1);
        emitted
    }

    #[test]
    fn a_change_costs_those_who_ask_behind_it_and_before_the_next() {
        let asks = |time| Side::Asks(Timestamp::from_micros(time), ());
        let found = |time| Side::Found(Timestamp::from_micros(time), time);
        let mut state = AsOfJoin(Keys::default());
        // A thousand rows can be found; ten rows ask after each of them.
        let all = (0..10_000).map(|n| (asks(n * 10), 1));
        let all = all.chain((0..1000).map(|n| (found(n * 100), 1)));
        assert_eq!(close(&mut state, all.clone().collect()), 10_000);
        assert_eq!(close(&mut state, vec![(asks(55_555), 1)]), 1);
        assert_eq!(close(&mut state, vec![(asks(55_555), -1)]), 1);
        assert_eq!(close(&mut state, vec![(found(55_550), 1)]), 2 * 5);
        assert_eq!(close(&mut state, vec![(found(55_550), -1)]), 2 * 5);
        // A row that is never found, because a greater one is there at its time.
        let lesser = Side::Found(Timestamp::from_micros(500), 499);
        assert_eq!(close(&mut state, vec![(lesser.clone(), 1)]), 0);
        assert_eq!(close(&mut state, vec![(lesser, -1)]), 0);
        // Many at once: each asking row emits no more than its old and its new row.
        let every_other = (0..500).map(|n| (found(n * 200), -1));
        assert_eq!(close(&mut state, every_other.clone().collect()), 2 * 5000);
        let back = every_other.map(|(row, _)| (row, 1));
        assert_eq!(close(&mut state, back.collect()), 2 * 5000);
        assert_eq!(close(&mut state, all.map(|(row, _)| (row, -1)).collect()), 10_000);
        assert_eq!(state.held(), 0);
    }
}
