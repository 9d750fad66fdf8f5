//! `fold_values`: monoids of values that are added and removed.
//!
//! A monoid has no inverse, so the remaining values must be merged again when a value is removed.
//! But not all of them: values are kept in chunks, each with its merged result, and a change merges
//! its own chunk again, and then the results of the chunks.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::accumulation_monoids::Monoid;
use super::combiner::route;
use super::ordered_rows::Ordered;
use super::per_epoch_operator::{ByEpoch, Keys, OfKey, by_epoch};
use super::vec_collection::Collection;

pub(super) fn fold_values<K, V, M>(rows: Collection<'_, (K, V)>) -> Collection<'_, (K, M)>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    M: Monoid<Item = V>,
{
    by_epoch(rows, "FoldValues", |(key, _)| route(key), FoldValues(Keys::default()))
}

/// The values of a key, with the merged result of each chunk, and the result of all that was
/// emitted last.
struct Values<V, M> {
    values: Ordered<V, Option<M>>,
    told: Option<M>,
}

impl<V, M> Default for Values<V, M> {
    fn default() -> Self {
        Values { values: Ordered::default(), told: None }
    }
}

impl<V, M> OfKey for Values<V, M> {
    fn held(&self) -> usize {
        self.values.held()
    }
}

struct FoldValues<K, V, M>(Keys<K, Values<V, M>>);

impl<K, V, M> ByEpoch for FoldValues<K, V, M>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    M: Monoid<Item = V>,
{
    type Row = (K, V);
    type Out = (K, M);

    fn close(&mut self, changes: Vec<((K, V), isize)>, mut emit: impl FnMut((K, M), isize)) {
        self.0.close(changes, |key, Values { values, told }, changes| {
            for (value, diff) in changes {
                values.change(value, diff);
            }
            let mut all: Option<M> = None;
            for part in values.parts(merged).flatten() {
                match &mut all {
                    Some(all) => all.merge(part.clone()),
                    None => all = Some(part.clone()),
                }
            }
            if *told != all {
                if let Some(before) = std::mem::replace(told, all.clone()) {
                    emit((key.clone(), before), -1);
                }
                if let Some(all) = all {
                    emit((key.clone(), all), 1);
                }
            }
        });
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// The merged result of values, those of negative multiplicity left out.
fn merged<M: Monoid>(values: &[(M::Item, isize)]) -> Option<M>
where
    M::Item: Clone,
{
    let mut all = None;
    for (value, copies) in values {
        merge_copies(&mut all, || M::of(value.clone()), *copies);
    }
    all
}

/// Merges `copies` copies of one value into `all`, by doubling, because a weight may be any number.
/// Nothing when `copies` is not positive.
fn merge_copies<M: Monoid>(all: &mut Option<M>, one: impl FnOnce() -> M, copies: isize) {
    let Some(mut left) = usize::try_from(copies).ok().filter(|copies| *copies > 0) else { return };
    let mut some = one();
    loop {
        if left & 1 == 1 {
            match all {
                Some(all) => all.merge(some.clone()),
                None => *all = Some(some.clone()),
            }
        }
        left >>= 1;
        if left == 0 {
            return;
        }
        let same = some.clone();
        some.merge(same);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folds::Count;

    #[test]
    fn any_number_of_copies_is_merged() {
        for copies in [1, 2, 3, 10, 1_000_000_007, isize::MAX / 2] {
            let mut all = Some(Count::of(()));
            merge_copies(&mut all, || Count::of(()), copies);
            assert_eq!(all.map(Count::get), Some(copies as i64 + 1));
        }
        for copies in [0, -1, isize::MIN] {
            let mut none = None;
            merge_copies(&mut none, || Count::of(()), copies);
            assert_eq!(none, None, "{copies}");
        }
    }
}
