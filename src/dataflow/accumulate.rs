//! What a barrier keeps per key: commutative monoids over weighted events.
//!
//! An [`Accumulate`] splits a front's item into a key and a partial result, merges partials in any
//! order, and says which output row a key has. The batch layer's combiner, the owner's live state
//! and the accumulation files all hold the same `(key, partial)` pairs.

use std::hash::Hash;
use std::marker::PhantomData;

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use crate::event::Decimal;

/// A key or value that can be hashed, exchanged between workers and written to disk.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key or a row behind a barrier",
    note = "rows have an order and a hash, and are owned: derive Clone, Debug, PartialEq, Eq, \
            PartialOrd, Ord, Hash, Serialize and Deserialize; instead of f64 use `Float::new(f)` \
            or a Decimal, instead of &str `.to_owned()`"
)]
pub trait Key: ExchangeData + Hash {}
impl<K: ExchangeData + Hash> Key for K {}

/// A row, or a part of one, that is not looked up by: ordered, exchanged and written to disk.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a row behind a barrier",
    note = "rows have an order, and are owned: derive Clone, Debug, PartialEq, Eq, PartialOrd, \
            Ord, Serialize and Deserialize; instead of f64 use `Float::new(f)` or a Decimal, \
            instead of &str `.to_owned()`"
)]
pub trait Value: ExchangeData {}
impl<V: ExchangeData> Value for V {}

/// The sum of two counts. A count that wraps would be another answer, so it panics: only weights
/// that no domain has come so far, and those are refused in front (`try_map`).
#[inline]
pub(crate) fn added(one: i64, other: i64) -> i64 {
    one.checked_add(other)
        .unwrap_or_else(|| panic!("a count overflows i64: {one} + {other}; weigh less in front"))
}

/// One kind of accumulation.
pub(crate) trait Accumulate: 'static {
    /// Whether an item of weight -1 undoes one of weight 1.
    const INVERSE: bool;
    /// What the front yields.
    type Item;
    /// What is accumulated by; decides the owning worker.
    type Key: Key;
    /// A mergeable partial result.
    type Partial: ExchangeData;
    /// The row a key has in the collection behind the barrier.
    type Row: ExchangeData;

    /// The key and partial of one item with its weight.
    fn split(&self, item: Self::Item, weight: i64) -> (Self::Key, Self::Partial);
    /// Adds `other` to `into`; commutative and associative.
    fn merge(&self, into: &mut Self::Partial, other: Self::Partial);
    /// What is left of `total` without `part`, which was merged into it; none where that cannot be
    /// said, and the rest must be merged again.
    fn take_back(&self, _total: Self::Partial, _part: &Self::Partial) -> Option<Self::Partial> {
        None
    }
    /// Nothing is left of this key: it may be forgotten.
    fn is_zero(&self, partial: &Self::Partial) -> bool;
    /// The row of the key, if it has one.
    fn row(&self, key: &Self::Key, partial: &Self::Partial) -> Option<Self::Row>;
}

/// `count`: the sum of weights per item.
pub(crate) struct Count<K>(PhantomData<fn() -> K>);
/// `distinct`: the items whose weights sum to something positive.
pub(crate) struct Distinct<K>(PhantomData<fn() -> K>);
/// `sum`: the weighted sum of a value per key.
pub(crate) struct Sum<K, V>(PhantomData<fn() -> (K, V)>);
/// `latest`: the row with the greatest order per key.
pub(crate) struct Latest<K, V, F, O>(F, PhantomData<fn() -> (K, V, O)>);
/// `distinct_by`: the least row per id.
pub(crate) struct DistinctBy<I, V, F>(F, PhantomData<fn() -> (I, V)>);
/// `fold`: a user's monoid per key.
pub(crate) struct Fold<K, M>(PhantomData<fn() -> (K, M)>);

impl<K> Default for Count<K> {
    fn default() -> Self {
        Count(PhantomData)
    }
}

impl<K> Default for Distinct<K> {
    fn default() -> Self {
        Distinct(PhantomData)
    }
}

impl<K, V> Default for Sum<K, V> {
    fn default() -> Self {
        Sum(PhantomData)
    }
}

impl<K, M> Default for Fold<K, M> {
    fn default() -> Self {
        Fold(PhantomData)
    }
}

impl<K, V, F, O> Latest<K, V, F, O> {
    pub(super) fn new(order: F) -> Self {
        Latest(order, PhantomData)
    }
}

impl<I, V, F> DistinctBy<I, V, F> {
    pub(super) fn new(id: F) -> Self {
        DistinctBy(id, PhantomData)
    }
}

impl<K: Key> Accumulate for Count<K> {
    const INVERSE: bool = true;

    type Item = K;
    type Key = K;
    type Partial = i64;
    type Row = (K, i64);

    #[inline]
    fn split(&self, item: K, weight: i64) -> (K, i64) {
        (item, weight)
    }
    #[inline]
    fn merge(&self, into: &mut i64, other: i64) {
        *into = added(*into, other);
    }
    fn take_back(&self, total: i64, part: &i64) -> Option<i64> {
        Some(total - part)
    }
    fn is_zero(&self, partial: &i64) -> bool {
        *partial == 0
    }
    fn row(&self, key: &K, partial: &i64) -> Option<(K, i64)> {
        (*partial != 0).then(|| (key.clone(), *partial))
    }
}

impl<K: Key> Accumulate for Distinct<K> {
    const INVERSE: bool = true;

    type Item = K;
    type Key = K;
    type Partial = i64;
    type Row = K;

    #[inline]
    fn split(&self, item: K, weight: i64) -> (K, i64) {
        (item, weight)
    }
    #[inline]
    fn merge(&self, into: &mut i64, other: i64) {
        *into = added(*into, other);
    }
    fn take_back(&self, total: i64, part: &i64) -> Option<i64> {
        Some(total - part)
    }
    fn is_zero(&self, partial: &i64) -> bool {
        *partial == 0
    }
    fn row(&self, key: &K, partial: &i64) -> Option<K> {
        (*partial > 0).then(|| key.clone())
    }
}

/// A value that [`Events::sum`](super::Events::sum) can add up exactly, in any order.
///
/// Floating-point numbers are not here: their sums depend on the order of addition, which would
/// make answers differ between worker counts. Use integers, [`Decimal`](crate::Decimal), or
/// [`FloatSum`](crate::folds::FloatSum).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be summed exactly",
    label = "no sum that is the same in any order",
    note = "use i32, i64, i128 or Decimal<SCALE>; floats with `FloatSum::of(number)`"
)]
pub trait Summand: ExchangeData {
    /// The sum of nothing.
    fn zero() -> Self;
    /// Adds `weight` times `value`. Panics when the sum leaves the type's range.
    fn add(&mut self, value: &Self, weight: i64);
}

macro_rules! integer_summands {
    ($($int:ty),*) => {$(
        impl Summand for $int {
            fn zero() -> Self {
                0
            }
            fn add(&mut self, value: &Self, weight: i64) {
                let next = <$int>::try_from(weight).ok()
                    .and_then(|weight| value.checked_mul(weight))
                    .and_then(|value| self.checked_add(value));
                *self = next.unwrap_or_else(|| panic!(
                    "sum overflows {}: {self} + {weight} * {value}; sum a wider type",
                    stringify!($int),
                ));
            }
        }
    )*};
}
integer_summands!(i32, i64, i128);

impl<const SCALE: u8> Summand for Decimal<SCALE> {
    fn zero() -> Self {
        Decimal::ZERO
    }
    fn add(&mut self, value: &Self, weight: i64) {
        let scaled = value.units().checked_mul(i128::from(weight)).and_then(Decimal::new);
        let next = scaled.and_then(|scaled| self.checked_add(scaled));
        *self = next.unwrap_or_else(|| {
            panic!("sum overflows Decimal<{SCALE}>: {self} + {weight} * {value}")
        });
    }
}

impl Summand for () {
    fn zero() -> Self {}
    fn add(&mut self, (): &Self, _weight: i64) {}
}

macro_rules! tuple_summands {
    ($($name:ident . $at:tt),+) => {
        impl<$($name: Summand),+> Summand for ($($name,)+) {
            fn zero() -> Self {
                ($($name::zero(),)+)
            }
            fn add(&mut self, value: &Self, weight: i64) {
                $(self.$at.add(&value.$at, weight);)+
            }
        }
    };
}
tuple_summands!(A.0);
tuple_summands!(A.0, B.1);
tuple_summands!(A.0, B.1, C.2);
tuple_summands!(A.0, B.1, C.2, D.3);

/// A running sum, with the number of events in it: a key without events has no row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Total<V> {
    pub(super) value: V,
    pub(super) events: i64,
}

impl<K: Key, V: Summand> Accumulate for Sum<K, V> {
    const INVERSE: bool = true;

    type Item = (K, V);
    type Key = K;
    type Partial = Total<V>;
    type Row = (K, V);

    #[inline]
    fn split(&self, (key, value): (K, V), weight: i64) -> (K, Total<V>) {
        if weight == 1 {
            return (key, Total { value, events: 1 });
        }
        let mut scaled = V::zero();
        scaled.add(&value, weight);
        (key, Total { value: scaled, events: weight })
    }
    #[inline]
    fn merge(&self, into: &mut Total<V>, other: Total<V>) {
        into.value.add(&other.value, 1);
        into.events = added(into.events, other.events);
    }
    fn take_back(&self, mut total: Total<V>, part: &Total<V>) -> Option<Total<V>> {
        total.value.add(&part.value, -1);
        total.events -= part.events;
        Some(total)
    }
    fn is_zero(&self, partial: &Total<V>) -> bool {
        partial.events == 0 && partial.value == V::zero()
    }
    fn row(&self, key: &K, partial: &Total<V>) -> Option<(K, V)> {
        (!self.is_zero(partial)).then(|| (key.clone(), partial.value.clone()))
    }
}

impl<K, V, F, O> Accumulate for Latest<K, V, F, O>
where
    K: Key,
    V: ExchangeData,
    O: Ord + 'static,
    F: Fn(&V) -> O + 'static,
{
    const INVERSE: bool = false;

    type Item = (K, V);
    type Key = K;
    type Partial = V;
    type Row = (K, V);

    #[inline]
    fn split(&self, item: (K, V), _weight: i64) -> (K, V) {
        item
    }
    #[inline]
    fn merge(&self, into: &mut V, other: V) {
        let order = (self.0)(&other).cmp(&(self.0)(into)).then_with(|| other.cmp(into));
        if order.is_gt() {
            *into = other;
        }
    }
    fn is_zero(&self, _partial: &V) -> bool {
        false
    }
    fn row(&self, key: &K, partial: &V) -> Option<(K, V)> {
        Some((key.clone(), partial.clone()))
    }
}

impl<I, V, F> Accumulate for DistinctBy<I, V, F>
where
    I: Key,
    V: ExchangeData,
    F: Fn(&V) -> I + 'static,
{
    const INVERSE: bool = false;

    type Item = V;
    type Key = I;
    type Partial = V;
    type Row = V;

    #[inline]
    fn split(&self, item: V, _weight: i64) -> (I, V) {
        ((self.0)(&item), item)
    }
    #[inline]
    fn merge(&self, into: &mut V, other: V) {
        if other < *into {
            *into = other;
        }
    }
    fn is_zero(&self, _partial: &V) -> bool {
        false
    }
    fn row(&self, _key: &I, partial: &V) -> Option<V> {
        Some(partial.clone())
    }
}

/// A commutative monoid for [`Events::fold`](super::Events::fold).
///
/// `merge` must be commutative and associative: the order of events, and how they are divided
/// among workers and epochs, is not defined. This is not checked at compile time.
///
/// ```
/// use diptych::Monoid;
/// use serde::{Deserialize, Serialize};
///
/// /// The greatest value seen.
/// #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct Max(i64);
///
/// impl Monoid for Max {
///     type Item = i64;
///     fn of(item: i64) -> Self {
///         Max(item)
///     }
///     fn merge(&mut self, other: Self) {
///         self.0 = self.0.max(other.0);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no monoid",
    label = "nothing to fold with",
    note = "the library has several in `diptych::folds` (Min, Max, Mean, Top, Set, ...); for one \
            of your own implement `diptych::Monoid`: `of` one item, and `merge`, in any order"
)]
pub trait Monoid: ExchangeData {
    /// What one event contributes.
    type Item;
    /// The monoid's value for one event.
    fn of(item: Self::Item) -> Self;
    /// Adds `other` to `self`.
    fn merge(&mut self, other: Self);
}

impl<K: Key, M: Monoid> Accumulate for Fold<K, M> {
    const INVERSE: bool = false;

    type Item = (K, M::Item);
    type Key = K;
    type Partial = M;
    type Row = (K, M);

    fn split(&self, (key, item): (K, M::Item), _weight: i64) -> (K, M) {
        (key, M::of(item))
    }
    fn merge(&self, into: &mut M, other: M) {
        into.merge(other);
    }
    fn is_zero(&self, _partial: &M) -> bool {
        false
    }
    fn row(&self, key: &K, partial: &M) -> Option<(K, M)> {
        Some((key.clone(), partial.clone()))
    }
}
