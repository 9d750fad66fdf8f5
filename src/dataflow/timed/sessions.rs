//! Sessions: rows of a key that follow one another within a gap.
//!
//! An added or removed row can only open, lengthen, shorten, close, join or divide the session at
//! its own time: only its neighbours are read, and only the rows whose session gets another start
//! are emitted.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::super::combiner::route;
use super::super::ordered_rows::{Copies, Ordered};
use super::super::per_epoch_operator::{ByEpoch, Keys, OfKey, by_epoch};
use super::super::vec_collection::Collection;
use diptych_event::Timestamp;

/// A row: `(at, value)`.
type Row<V> = (Timestamp, V);

pub(super) fn sessions<K, V>(
    rows: Collection<'_, (K, Row<V>)>,
    gap: i64,
) -> Collection<'_, ((K, Timestamp), Row<V>)>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
{
    by_epoch(rows, "Sessions", |(key, _)| route(key), Sessions { keys: Keys::default(), gap })
}

struct Sessions<K, V> {
    keys: Keys<K, OneKey<V>>,
    gap: i64,
}

/// The rows of a key, and the starts of its sessions.
struct OneKey<V> {
    rows: Ordered<Row<V>>,
    starts: Ordered<Timestamp>,
}

impl<V> Default for OneKey<V> {
    fn default() -> Self {
        OneKey { rows: Ordered::default(), starts: Ordered::default() }
    }
}

impl<V> OfKey for OneKey<V> {
    fn held(&self) -> usize {
        self.rows.held()
    }
}

impl<K, V> ByEpoch for Sessions<K, V>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
{
    type Row = (K, Row<V>);
    type Out = ((K, Timestamp), Row<V>);

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut(Self::Out, isize)) {
        let gap = self.gap;
        self.keys.close(changes, |key, of_key, changes| {
            let mut tell = |start: Timestamp, row: &Row<V>, diff: isize| {
                emit(((key.clone(), start), row.clone()), diff);
            };
            // Rows are removed from the last on and added from the first on: so no row changes its
            // session more than once for each.
            for (row, diff) in changes.iter().rev().filter(|(_, diff)| *diff < 0) {
                let Copies { before, after } = of_key.rows.change(row.clone(), *diff);
                if before > 0 {
                    tell(of_key.start_of(row.0), row, after - before);
                    if after == 0 {
                        of_key.leave(row, gap, &mut tell);
                    }
                }
            }
            for (row, diff) in changes.iter().filter(|(_, diff)| *diff > 0) {
                let Copies { before, after } = of_key.rows.change(row.clone(), *diff);
                if after > 0 {
                    if before == 0 {
                        of_key.enter(row, gap, &mut tell);
                    }
                    tell(of_key.start_of(row.0), row, after - before);
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.keys.held()
    }
}

/// Does a session end between two rows?
fn apart(earlier: Timestamp, later: Timestamp, gap: i64) -> bool {
    later.micros().saturating_sub(earlier.micros()) > gap
}

impl<V: ExchangeData> OneKey<V> {
    /// The start of the session that a row at `at` is in.
    fn start_of(&self, at: Timestamp) -> Timestamp {
        let starts = &self.starts;
        let start = starts.back_from(starts.find(|start| *start <= at)).next();
        let Some((start, _)) = start else { panic!("no session starts at or before {at}") };
        *start
    }

    /// The times of the neighbours of `row` that are in one session with it.
    fn beside(&self, row: &Row<V>, gap: i64) -> (Option<Timestamp>, Option<Timestamp>) {
        let rows = &self.rows;
        let there = |copies: isize| copies > 0;
        let mut back = rows.back_from(rows.find(|known| known < row));
        let earlier = back.find(|(_, copies)| there(*copies)).map(|((at, _), _)| *at);
        let mut on = rows.from(rows.find(|known| known <= row));
        let later = on.find(|(_, copies)| there(*copies)).map(|((at, _), _)| *at);
        (
            earlier.filter(|earlier| !apart(*earlier, row.0, gap)),
            later.filter(|later| !apart(row.0, *later, gap)),
        )
    }

    /// Adds `row`, which was not there.
    fn enter(&mut self, row: &Row<V>, gap: i64, tell: impl FnMut(Timestamp, &Row<V>, isize)) {
        match self.beside(row, gap) {
            (Some(earlier), Some(later)) => {
                if apart(earlier, later, gap) {
                    self.starts.change(later, -1);
                    self.rename(row, later, self.start_of(row.0), gap, tell);
                }
            }
            (Some(_), None) => {}
            (None, Some(later)) => {
                if later != row.0 {
                    self.starts.change(later, -1);
                    self.starts.change(row.0, 1);
                    self.rename(row, later, row.0, gap, tell);
                }
            }
            (None, None) => drop(self.starts.change(row.0, 1)),
        }
    }

    /// Removes `row`, which was there.
    fn leave(&mut self, row: &Row<V>, gap: i64, tell: impl FnMut(Timestamp, &Row<V>, isize)) {
        match self.beside(row, gap) {
            (Some(earlier), Some(later)) => {
                if apart(earlier, later, gap) {
                    let start = self.start_of(row.0);
                    self.starts.change(later, 1);
                    self.rename(row, start, later, gap, tell);
                }
            }
            (Some(_), None) => {}
            (None, Some(later)) => {
                if later != row.0 {
                    self.starts.change(row.0, -1);
                    self.starts.change(later, 1);
                    self.rename(row, row.0, later, gap, tell);
                }
            }
            (None, None) => drop(self.starts.change(row.0, -1)),
        }
    }

    /// Gives the rows of the session after `row` another start.
    fn rename(
        &self,
        row: &Row<V>,
        old: Timestamp,
        new: Timestamp,
        gap: i64,
        mut tell: impl FnMut(Timestamp, &Row<V>, isize),
    ) {
        let mut last: Option<Timestamp> = None;
        let behind = self.rows.from(self.rows.find(|known| known <= row));
        for (row, copies) in behind.filter(|(_, copies)| *copies > 0) {
            if last.is_some_and(|last| apart(last, row.0, gap)) {
                break;
            }
            last = Some(row.0);
            tell(old, row, -copies);
            tell(new, row, *copies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of changes that one epoch emits, for rows of one key without a value.
    fn close(state: &mut Sessions<(), ()>, changes: &[(i64, isize)]) -> usize {
        let at = Timestamp::from_micros;
        let changes = changes.iter().map(|(time, diff)| (((), (at(*time), ())), *diff));
        let mut emitted = 0;
        state.close(changes.collect(), |_, _| emitted += 1);
        emitted
    }

    #[test]
    fn a_change_costs_the_rows_whose_session_it_renames() {
        let mut state = Sessions { keys: Keys::default(), gap: 5 };
        let rows = 10_000;
        let all: Vec<_> = (0..rows).map(|n| (n * 5, 1)).collect();
        assert_eq!(close(&mut state, &all), 10_000);
        // A row at the end, in the middle, or a copy costs itself alone.
        assert_eq!(close(&mut state, &[(rows * 5, 1)]), 1);
        assert_eq!(close(&mut state, &[(rows * 5, -1)]), 1);
        assert_eq!(close(&mut state, &[(rows * 5 / 2 + 1, 1)]), 1);
        assert_eq!(close(&mut state, &[(rows * 5 / 2 + 1, -1)]), 1);
        // A divided session has another start: ten rows after it are emitted and retracted.
        assert_eq!(close(&mut state, &[((rows - 11) * 5, -1)]), 1 + 2 * 10);
        assert_eq!(close(&mut state, &[((rows - 11) * 5, 1)]), 1 + 2 * 10);
        // All removed at once: each is emitted once, or retracted from a session it was moved to.
        let none: Vec<_> = all.iter().map(|(time, _)| (*time, -1)).collect();
        assert!(close(&mut state, &none) <= 3 * 10_000);
        assert_eq!(state.held(), 0);
        // All added in random order, in one epoch after another.
        for n in 0..2000 {
            let emitted = close(&mut state, &[((n * 7919 % 10_007) * 100, 1)]);
            assert_eq!(emitted, 1);
        }
    }
}
