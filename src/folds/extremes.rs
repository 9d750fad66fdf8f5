//! The least, the greatest, the greatest few.

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use crate::dataflow::Monoid;

/// The least value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Min<T>(T);

/// The greatest value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Max<T>(T);

/// The value with the least order; where several have it, the least of them. One event gives
/// `(order, value)`.
pub type First<O, V> = Min<(O, V)>;

/// The value with the greatest order; where several have it, the greatest of them. One event gives
/// `(order, value)`.
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

/// The greatest `N` values, equal ones each; put [`std::cmp::Reverse`] around them for the least.
///
/// [`CollectionExt::top_k`](crate::CollectionExt::top_k) ranks what may also become less, and keeps
/// every row for it; this keeps `N`.
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
