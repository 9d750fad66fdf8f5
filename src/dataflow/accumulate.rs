//! What a barrier keeps per key: commutative monoids over weighted events.
//!
//! An [`Accumulate`] splits a front's item into a key and a partial result, merges partials in any
//! order, and says which output row a key has. The batch layer's combiner, the owner's live state
//! and the accumulation files all hold the same `(key, partial)` pairs.

use std::borrow::Cow;
use std::hash::Hash;
use std::marker::PhantomData;

use differential_dataflow::ExchangeData;

use super::summand::{Summand, Total};

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

/// One kind of accumulation.
pub(crate) trait Accumulate: Sized + 'static {
    /// Whether an item of weight -1 undoes one of weight 1.
    const INVERSE: bool;
    /// Whether a partial may be out of the range of a row.
    const BOUNDED: bool;
    /// What the front yields.
    type Item;
    /// What is accumulated by; decides the owning worker.
    type Key: Key;
    /// A mergeable partial result.
    type Partial: ExchangeData;
    /// The row a key has in the collection behind the barrier.
    type Row: ExchangeData;
    /// A partial as accumulation files have it, unless it is [out of range](Accumulate::stored).
    type Stored: ExchangeData;

    /// Operator and types, for the plan's fingerprint and for accumulation files.
    fn signature() -> String {
        std::any::type_name::<(Self, Self::Row)>().to_owned()
    }
    /// The key and partial of one item with its weight.
    fn split(&self, item: Self::Item, weight: i128) -> (Self::Key, Self::Partial);
    /// Adds `other` to `into`; commutative and associative.
    fn merge(&self, into: &mut Self::Partial, other: Self::Partial);
    /// What is left of `total` without `part`, which was merged into it; none where that cannot be
    /// said, and the rest must be merged again.
    fn take_back(&self, _total: Self::Partial, _part: &Self::Partial) -> Option<Self::Partial> {
        None
    }
    /// Nothing is left of this key: it may be forgotten.
    fn is_zero(&self, partial: &Self::Partial) -> bool;
    /// The row of the key, if it has one. It is decided by the partial alone, which is the same
    /// however it was merged: where no row can say it, why.
    fn row(&self, key: &Self::Key, partial: &Self::Partial) -> Made<Self::Row>;
    /// The partial as files have it; none when it is out of the range of that form, and is written
    /// as it is.
    fn stored<'a>(&self, partial: &'a Self::Partial) -> Option<Cow<'a, Self::Stored>>;
    /// The partial that was stored.
    fn restored(&self, stored: Self::Stored) -> Self::Partial;
}

/// A row, none, or why what it should say cannot be said.
pub(crate) type Made<R> = Result<Option<R>, String>;

/// A number of events, or a sum of their weights.
pub trait Tally: ExchangeData {
    /// Whether it may be out of the range of an `i64`.
    const BOUNDED: bool;
    /// Of one event with this weight.
    fn of(weight: i128) -> Self;
    /// Adds another.
    fn merge(&mut self, other: &Self);
    /// Takes a part away again.
    fn take(&mut self, part: &Self);
    /// Is it zero?
    fn is_nothing(&self) -> bool;
    /// Is it more than zero?
    fn is_positive(&self) -> bool;
    /// The number, or what it is where an `i64` does not hold it.
    fn number(&self) -> Result<i64, String>;
}

/// Where each event counts once, an `i64` is enough for all that will ever be.
impl Tally for i64 {
    const BOUNDED: bool = false;

    #[inline]
    fn of(weight: i128) -> i64 {
        weight as i64
    }
    #[inline]
    fn merge(&mut self, other: &i64) {
        *self += other;
    }
    fn take(&mut self, part: &i64) {
        *self -= part;
    }
    fn is_nothing(&self) -> bool {
        *self == 0
    }
    fn is_positive(&self) -> bool {
        *self > 0
    }
    fn number(&self) -> Result<i64, String> {
        Ok(*self)
    }
}

/// Weights are what a user says.
impl Tally for Total<()> {
    const BOUNDED: bool = true;

    #[inline]
    fn of(weight: i128) -> Self {
        Total::of((), weight)
    }
    #[inline]
    fn merge(&mut self, other: &Self) {
        Total::merge(self, other);
    }
    fn take(&mut self, part: &Self) {
        self.combine(part, -1);
    }
    fn is_nothing(&self) -> bool {
        Total::is_nothing(self)
    }
    fn is_positive(&self) -> bool {
        Total::is_positive(self)
    }
    fn number(&self) -> Result<i64, String> {
        self.count()
    }
}

/// `count`: the sum of weights per item.
pub(crate) struct Count<K>(PhantomData<fn() -> K>);
/// `distinct`: the items whose weights sum to something positive.
pub(crate) struct Distinct<K>(PhantomData<fn() -> K>);
/// One of both, with its weights summed in a `T`. Both have one name, whichever `T` it is: the
/// same accumulations.
pub(crate) struct Tallied<A, T>(PhantomData<fn() -> (A, T)>);
/// `sum`: the weighted sum of a value per key.
pub(crate) struct Sum<K, V>(PhantomData<fn() -> (K, V)>);
/// `latest`: the row with the greatest order per key.
pub(crate) struct Latest<K, V, F, O>(F, PhantomData<fn() -> (K, V, O)>);
/// `distinct_by`: the least row per id.
pub(crate) struct DistinctBy<I, V, F>(F, PhantomData<fn() -> (I, V)>);
/// `fold`: a user's monoid per key.
pub(crate) struct Fold<K, M>(PhantomData<fn() -> (K, M)>);

impl<A, T> Default for Tallied<A, T> {
    fn default() -> Self {
        Tallied(PhantomData)
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

impl<K: Key, T: Tally> Accumulate for Tallied<Count<K>, T> {
    const INVERSE: bool = true;
    const BOUNDED: bool = T::BOUNDED;

    type Item = K;
    type Key = K;
    type Partial = T;
    type Row = (K, i64);
    type Stored = i64;

    fn signature() -> String {
        std::any::type_name::<(Count<K>, (K, i64))>().to_owned()
    }
    #[inline]
    fn split(&self, item: K, weight: i128) -> (K, T) {
        (item, T::of(weight))
    }
    #[inline]
    fn merge(&self, into: &mut T, other: T) {
        into.merge(&other);
    }
    fn take_back(&self, mut total: T, part: &T) -> Option<T> {
        total.take(part);
        Some(total)
    }
    fn is_zero(&self, partial: &T) -> bool {
        partial.is_nothing()
    }
    fn row(&self, key: &K, partial: &T) -> Made<(K, i64)> {
        let number = partial.number()?;
        Ok((number != 0).then(|| (key.clone(), number)))
    }
    fn stored<'a>(&self, partial: &'a T) -> Option<Cow<'a, i64>> {
        partial.number().ok().map(Cow::Owned)
    }
    fn restored(&self, stored: i64) -> T {
        T::of(stored.into())
    }
}

impl<K: Key, T: Tally> Accumulate for Tallied<Distinct<K>, T> {
    const INVERSE: bool = true;
    const BOUNDED: bool = false;

    type Item = K;
    type Key = K;
    type Partial = T;
    type Row = K;
    type Stored = i64;

    fn signature() -> String {
        std::any::type_name::<(Distinct<K>, K)>().to_owned()
    }
    #[inline]
    fn split(&self, item: K, weight: i128) -> (K, T) {
        (item, T::of(weight))
    }
    #[inline]
    fn merge(&self, into: &mut T, other: T) {
        into.merge(&other);
    }
    fn take_back(&self, mut total: T, part: &T) -> Option<T> {
        total.take(part);
        Some(total)
    }
    fn is_zero(&self, partial: &T) -> bool {
        partial.is_nothing()
    }
    fn row(&self, key: &K, partial: &T) -> Made<K> {
        Ok(partial.is_positive().then(|| key.clone()))
    }
    fn stored<'a>(&self, partial: &'a T) -> Option<Cow<'a, i64>> {
        partial.number().ok().map(Cow::Owned)
    }
    fn restored(&self, stored: i64) -> T {
        T::of(stored.into())
    }
}

impl<K: Key, V: Summand> Accumulate for Sum<K, V> {
    const INVERSE: bool = true;
    const BOUNDED: bool = true;

    type Item = (K, V);
    type Key = K;
    type Partial = Total<V>;
    type Row = (K, V);
    type Stored = (V, i64);

    #[inline]
    fn split(&self, (key, value): (K, V), weight: i128) -> (K, Total<V>) {
        (key, Total::of(value, weight))
    }
    #[inline]
    fn merge(&self, into: &mut Total<V>, other: Total<V>) {
        into.merge(&other);
    }
    fn take_back(&self, mut total: Total<V>, part: &Total<V>) -> Option<Total<V>> {
        total.combine(part, -1);
        Some(total)
    }
    fn is_zero(&self, partial: &Total<V>) -> bool {
        partial.is_nothing()
    }
    fn row(&self, key: &K, partial: &Total<V>) -> Made<(K, V)> {
        if partial.is_nothing() {
            return Ok(None);
        }
        partial.value().map(|value| Some((key.clone(), value)))
    }
    fn stored<'a>(&self, partial: &'a Total<V>) -> Option<Cow<'a, (V, i64)>> {
        match partial {
            Total::In(value, events) => Some(Cow::Owned((value.clone(), *events))),
            Total::Beyond(_) => None,
        }
    }
    fn restored(&self, (value, events): (V, i64)) -> Total<V> {
        Total::In(value, events)
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
    const BOUNDED: bool = false;

    type Item = (K, V);
    type Key = K;
    type Partial = V;
    type Row = (K, V);
    type Stored = V;

    #[inline]
    fn split(&self, item: (K, V), _weight: i128) -> (K, V) {
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
    fn row(&self, key: &K, partial: &V) -> Made<(K, V)> {
        Ok(Some((key.clone(), partial.clone())))
    }
    fn stored<'a>(&self, partial: &'a V) -> Option<Cow<'a, V>> {
        Some(Cow::Borrowed(partial))
    }
    fn restored(&self, stored: V) -> V {
        stored
    }
}

impl<I, V, F> Accumulate for DistinctBy<I, V, F>
where
    I: Key,
    V: ExchangeData,
    F: Fn(&V) -> I + 'static,
{
    const INVERSE: bool = false;
    const BOUNDED: bool = false;

    type Item = V;
    type Key = I;
    type Partial = V;
    type Row = V;
    type Stored = V;

    #[inline]
    fn split(&self, item: V, _weight: i128) -> (I, V) {
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
    fn row(&self, _key: &I, partial: &V) -> Made<V> {
        Ok(Some(partial.clone()))
    }
    fn stored<'a>(&self, partial: &'a V) -> Option<Cow<'a, V>> {
        Some(Cow::Borrowed(partial))
    }
    fn restored(&self, stored: V) -> V {
        stored
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
    /// Whether [`Monoid::refused`] ever says something.
    const BOUNDED: bool = false;

    /// What one event contributes.
    type Item;
    /// The monoid's value for one event.
    fn of(item: Self::Item) -> Self;
    /// Adds `other` to `self`. It must not fail because of what there is on the way: a sum that
    /// leaves a range may come back, in another order it never leaves it.
    fn merge(&mut self, other: Self);

    /// Why no row can say this, if so. The key has one in the view `errors` then, for as long as
    /// it is so.
    fn refused(&self) -> Option<String> {
        None
    }
}

impl<K: Key, M: Monoid> Accumulate for Fold<K, M> {
    const INVERSE: bool = false;
    const BOUNDED: bool = M::BOUNDED;

    type Item = (K, M::Item);
    type Key = K;
    type Partial = M;
    type Row = (K, M);
    type Stored = M;

    fn split(&self, (key, item): (K, M::Item), _weight: i128) -> (K, M) {
        (key, M::of(item))
    }
    fn merge(&self, into: &mut M, other: M) {
        into.merge(other);
    }
    fn is_zero(&self, _partial: &M) -> bool {
        false
    }
    fn row(&self, key: &K, partial: &M) -> Made<(K, M)> {
        match partial.refused() {
            Some(reason) => Err(reason),
            None => Ok(Some((key.clone(), partial.clone()))),
        }
    }
    fn stored<'a>(&self, partial: &'a M) -> Option<Cow<'a, M>> {
        partial.refused().is_none().then_some(Cow::Borrowed(partial))
    }
    fn restored(&self, stored: M) -> M {
        stored
    }
}
