//! Monoids of distinct values, and of the number of occurrences of each.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use crate::Monoid;

/// The set of distinct values.
///
/// The whole set is one value of the row: each change emits it anew. For large sets
/// [`Events::distinct`](crate::Events::distinct) is cheaper, which keeps one row per value.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Set;
/// let mut tags = Set::of('a');
/// tags.merge(Set::of('b'));
/// tags.merge(Set::of('a'));
/// assert!(tags.get().into_iter().eq(['a', 'b']));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Set<T: Ord>(BTreeSet<T>);

impl<T: Ord> Set<T> {
    /// The values.
    pub fn get(self) -> BTreeSet<T> {
        self.0
    }
}

impl<T: ExchangeData> Monoid for Set<T> {
    type Item = T;

    fn of(item: T) -> Self {
        Set(BTreeSet::from([item]))
    }

    fn merge(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}

/// The number of occurrences of each value; for values of many kinds give buckets instead.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Histogram;
/// let mut tags = Histogram::of('a');
/// tags.merge(Histogram::of('b'));
/// tags.merge(Histogram::of('a'));
/// assert!(tags.get().into_iter().eq([('a', 2), ('b', 1)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Histogram<T: Ord>(BTreeMap<T, u64>);

impl<T: Ord> Histogram<T> {
    /// The values, and the number of occurrences of each.
    pub fn get(self) -> BTreeMap<T, u64> {
        self.0
    }
}

impl<T: ExchangeData> Monoid for Histogram<T> {
    type Item = T;

    fn of(item: T) -> Self {
        Histogram(BTreeMap::from([(item, 1)]))
    }

    fn merge(&mut self, other: Self) {
        for (value, times) in other.0 {
            *self.0.entry(value).or_default() += times;
        }
    }
}
