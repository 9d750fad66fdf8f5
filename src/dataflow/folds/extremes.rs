//! Monoids of the least value, the greatest value, and the greatest `N` values.

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use crate::Monoid;

/// The least value.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Min;
/// let mut least = Min::of(3);
/// least.merge(Min::of(2));
/// assert_eq!(least.get(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Min<T>(T);

/// The greatest value.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Max;
/// let mut greatest = Max::of(3);
/// greatest.merge(Max::of(2));
/// assert_eq!(greatest.get(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Max<T>(T);

/// The value with the least order; where several have it, the least of them. One event gives
/// `(order, value)`.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::First;
/// let mut first = First::of((9, 50));
/// first.merge(First::of((7, 80)));
/// assert_eq!(first.get(), (7, 80));
/// ```
pub type First<O, V> = Min<(O, V)>;

/// The value with the greatest order; where several have it, the greatest of them. One event gives
/// `(order, value)`.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Last;
/// let mut last = Last::of((9, 50));
/// last.merge(Last::of((7, 80)));
/// assert_eq!(last.get(), (9, 50));
/// ```
pub type Last<O, V> = Max<(O, V)>;

impl<T> Min<T> {
    /// The value.
    pub fn get(self) -> T {
        self.0
    }
}

impl<T> Max<T> {
    /// The value.
    pub fn get(self) -> T {
        self.0
    }
}

impl<T: ExchangeData> Monoid for Min<T> {
    type Item = T;

    fn of(item: T) -> Self {
        Min(item)
    }

    fn merge(&mut self, other: Self) {
        if other.0 < self.0 {
            self.0 = other.0;
        }
    }
}

impl<T: ExchangeData> Monoid for Max<T> {
    type Item = T;

    fn of(item: T) -> Self {
        Max(item)
    }

    fn merge(&mut self, other: Self) {
        if other.0 > self.0 {
            self.0 = other.0;
        }
    }
}

/// The greatest `N` values, with repetitions; put [`std::cmp::Reverse`] around them for the least.
///
/// [`CollectionExt::top_k`](crate::CollectionExt::top_k) ranks rows that may also be removed, and
/// keeps every row for that; this keeps `N`.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Top;
/// let mut top = Top::<i64, 2>::of(3);
/// top.merge(Top::of(5));
/// top.merge(Top::of(4));
/// assert_eq!(top.get(), [5, 4]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Top<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Top<T, N> {
    /// The values, greatest first.
    pub fn get(self) -> Vec<T> {
        self.0
    }
}

impl<T: ExchangeData, const N: usize> Monoid for Top<T, N> {
    type Item = T;

    fn of(item: T) -> Self {
        const { assert!(N > 0, "Top<_, 0> keeps nothing: write Top<_, 10> for the greatest ten") };
        Top(vec![item])
    }

    fn merge(&mut self, other: Self) {
        if let ([.., least], [one]) = (&self.0[..], &other.0[..])
            && self.0.len() == N
            && one <= least
        {
            return;
        }
        self.0.extend(other.0);
        // Stable for runs that are sorted already: two of them are merged.
        self.0.sort_by(|one, other| other.cmp(one));
        self.0.truncate(N);
    }
}
