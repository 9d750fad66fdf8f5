//! Ranking operators: the least `k` rows of each group, and the row at one end of the order.
//!
//! A change costs `O(log n)`, and a group that changed in an epoch costs its top once, at its
//! close.

use std::hash::Hash;
use std::marker::PhantomData;

use differential_dataflow::ExchangeData;

use super::combiner::route;
use super::ordered_rows::Ordered;
use super::per_epoch_operator::{ByEpoch, Keys, OfKey, by_epoch};
use super::vec_collection::Collection;

/// One group: all its rows, and the rows emitted last.
struct Group<R, T> {
    rows: Ordered<R>,
    told: T,
}

impl<R, T: Default> Default for Group<R, T> {
    fn default() -> Self {
        Group { rows: Ordered::default(), told: T::default() }
    }
}

impl<R, T: Default> OfKey for Group<R, T> {
    fn held(&self) -> usize {
        self.rows.held()
    }
}

/// `((group, rank), row)` for the least `k` rows of each group, ranked from 1.
pub(super) fn top_k<G, R>(rows: Collection<'_, (G, R)>, k: usize) -> Collection<'_, ((G, u64), R)>
where
    G: ExchangeData + Hash,
    R: ExchangeData,
{
    by_epoch(rows, "TopK", |(group, _)| route(group), TopK { groups: Keys::default(), k })
}

struct TopK<G, R> {
    groups: Keys<G, Group<R, Vec<R>>>,
    k: usize,
}

impl<G, R> ByEpoch for TopK<G, R>
where
    G: ExchangeData + Hash,
    R: ExchangeData,
{
    type Row = (G, R);
    type Out = ((G, u64), R);

    fn close(&mut self, changes: Vec<((G, R), isize)>, mut emit: impl FnMut(Self::Out, isize)) {
        let k = self.k;
        self.groups.close(changes, |group, Group { rows, told }, changes| {
            for (row, diff) in changes {
                rows.change(row, diff);
            }
            let old = std::mem::replace(told, least(rows, k));
            for rank in 0..old.len().max(told.len()) {
                let before = old.get(rank);
                let after = told.get(rank);
                if before == after {
                    continue;
                }
                let place = || (group.clone(), rank as u64 + 1);
                if let Some(before) = before {
                    emit((place(), before.clone()), -1);
                }
                if let Some(after) = after {
                    emit((place(), after.clone()), 1);
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.groups.held()
    }
}

/// The first `k` rows; a row takes as many places as it has copies, none if they are negative.
fn least<R: Clone>(rows: &Ordered<R>, k: usize) -> Vec<R> {
    let copies = rows.there().flat_map(|(row, copies)| {
        std::iter::repeat_n(row, usize::try_from(*copies).unwrap_or(0).min(k))
    });
    copies.take(k).cloned().collect()
}

/// A row with the order by which it is ranked.
type Ordinal<O, R> = (O, R);

/// `((group, rank), (order, row))` for the rows that have fewer than `k` rows of a lesser order
/// before them.
pub(super) fn top_k_with_ties<G, O, R>(
    rows: Collection<'_, (G, Ordinal<O, R>)>,
    k: usize,
) -> Collection<'_, ((G, u64), Ordinal<O, R>)>
where
    G: ExchangeData + Hash,
    O: ExchangeData,
    R: ExchangeData,
{
    let state = WithTies { groups: Keys::default(), k };
    by_epoch(rows, "TopKWithTies", |(group, _)| route(group), state)
}

/// A rank, the row that has it, and its multiplicity.
type Ranked<O, R> = (u64, Ordinal<O, R>, isize);

struct WithTies<G, O, R> {
    groups: Keys<G, Group<Ordinal<O, R>, Vec<Ranked<O, R>>>>,
    k: usize,
}

impl<G, O, R> ByEpoch for WithTies<G, O, R>
where
    G: ExchangeData + Hash,
    O: ExchangeData,
    R: ExchangeData,
{
    type Row = (G, Ordinal<O, R>);
    type Out = ((G, u64), Ordinal<O, R>);

    fn close(&mut self, changes: Vec<(Self::Row, isize)>, mut emit: impl FnMut(Self::Out, isize)) {
        let k = self.k;
        self.groups.close(changes, |group, Group { rows, told }, changes| {
            for (row, diff) in changes {
                rows.change(row, diff);
            }
            let old = std::mem::replace(told, least_with_ties(rows, k));
            let mut old = old.iter().peekable();
            let mut new = told.iter().peekable();
            loop {
                // Both sides in the order of the rows; rows that are equal on both sides stay.
                let (gone, come) = match (old.peek(), new.peek()) {
                    (None, None) => break,
                    (Some(one), Some(other)) if one.1 < other.1 => (old.next(), None),
                    (Some(one), Some(other)) if one.1 > other.1 => (None, new.next()),
                    _ => (old.next(), new.next()),
                };
                if gone == come {
                    continue;
                }
                for (ranked, sign) in [(gone, -1), (come, 1)] {
                    if let Some((rank, row, copies)) = ranked {
                        emit(((group.clone(), *rank), row.clone()), sign * copies);
                    }
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.groups.held()
    }
}

/// The rows whose rank is at most `k`: one more than the number of rows of a lesser order.
fn least_with_ties<O, R>(rows: &Ordered<Ordinal<O, R>>, k: usize) -> Vec<Ranked<O, R>>
where
    O: Clone + PartialEq,
    R: Clone,
{
    let mut ranked: Vec<Ranked<O, R>> = Vec::new();
    let mut before = 0_u64;
    for (row, copies) in rows.there() {
        let rank = match ranked.last() {
            Some((rank, (order, _), _)) if *order == row.0 => *rank,
            _ => before + 1,
        };
        if rank > k as u64 {
            break;
        }
        before = before.saturating_add(copies.unsigned_abs() as u64);
        ranked.push((rank, row.clone(), *copies));
    }
    ranked
}

/// An end of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderEnd {
    Least,
    Greatest,
}

/// `(key, value)` for the value at one end of the order of each key.
pub(super) fn at_end<K, V, O, F>(
    rows: Collection<'_, (K, V)>,
    end: OrderEnd,
    order: F,
) -> Collection<'_, (K, V)>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    O: Ord + 'static,
    F: Fn(&V) -> O + 'static,
{
    let name = match end {
        OrderEnd::Least => "MinBy",
        OrderEnd::Greatest => "MaxBy",
    };
    let state = AtEnd { keys: Keys::default(), end, order, rows: PhantomData };
    by_epoch(rows, name, |(key, _)| route(key), state)
}

struct AtEnd<K, V, O, F> {
    keys: Keys<K, Group<Ordinal<O, V>, Option<V>>>,
    end: OrderEnd,
    order: F,
    rows: PhantomData<fn() -> (K, V)>,
}

impl<K, V, O, F> ByEpoch for AtEnd<K, V, O, F>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    O: Ord + 'static,
    F: Fn(&V) -> O + 'static,
{
    type Row = (K, V);
    type Out = (K, V);

    fn close(&mut self, changes: Vec<((K, V), isize)>, mut emit: impl FnMut((K, V), isize)) {
        let end = self.end;
        let order = &self.order;
        self.keys.close(changes, |key, Group { rows, told }, changes| {
            for (value, diff) in changes {
                rows.change((order(&value), value), diff);
            }
            let now = match end {
                OrderEnd::Least => rows.there().next(),
                OrderEnd::Greatest => rows.there_back().next(),
            };
            let now = now.map(|((_, value), _)| value);
            if told.as_ref() != now {
                let now = now.cloned();
                if let Some(before) = std::mem::replace(told, now.clone()) {
                    emit((key.clone(), before), -1);
                }
                if let Some(now) = now {
                    emit((key.clone(), now), 1);
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.keys.held()
    }
}
