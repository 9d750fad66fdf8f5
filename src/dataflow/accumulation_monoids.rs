//! Accumulations: the commutative monoid over weighted events that a barrier keeps per key.
//!
//! An [`Accumulate`] splits a front's item into a key and a partial result, merges partials in any
//! order, and makes the output row of a key. The batch layer's combiner, the owner's live state
//! and the accumulation files all hold the same `(key, partial)` pairs.

use std::borrow::Cow;
use std::hash::Hash;
use std::marker::PhantomData;

use differential_dataflow::ExchangeData;

use super::summand::{Summand, Total};

/// A key or value that can be hashed, exchanged between workers and written to disk.
///
/// Keys that are equal must be written alike by `Serialize`: the worker that owns a key, and its
/// place in files, are decided by its bytes. Derived implementations are. This is not checked.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key or a row behind a barrier",
    note = "rows have an order and a hash, and are owned: derive Clone, Debug, PartialEq, Eq, \
            PartialOrd, Ord, Hash, Serialize and Deserialize; instead of f64 use `Float::new(f)` \
            or a Decimal, instead of &str `.to_owned()`"
)]
pub trait Key: ExchangeData + Hash {}
impl<K: ExchangeData + Hash> Key for K {}

/// A row, or a part of one, that is not a key: ordered, exchanged and written to disk.
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
    /// Does an item of weight -1 undo one of weight 1?
    const INVERSE: bool;
    /// May a partial be out of the range of a row?
    const BOUNDED: bool;
    /// The items that the front yields.
    type Item;
    /// The key of the accumulation; decides the owning worker.
    type Key: Key;
    /// A mergeable partial result.
    type Partial: ExchangeData;
    /// The row a key has in the collection behind the barrier.
    type Row: ExchangeData;
    /// The form of a partial in accumulation files, unless it is [out of
    /// range](Accumulate::stored).
    type Stored: ExchangeData;

    /// Operator and types as text, for the plan's fingerprint and for accumulation files.
    fn signature() -> String {
        on_disk(std::any::type_name::<(Self, Self::Row)>())
    }
    /// The key and partial of one item with its weight.
    fn split(&self, item: Self::Item, weight: i128) -> (Self::Key, Self::Partial);
    /// Adds `other` to `into`; commutative and associative.
    fn merge(&self, into: &mut Self::Partial, other: Self::Partial);
    /// The rest of `total` without `part`, which was merged into it; none where the accumulation
    /// has no inverse, and the rest must be merged again.
    fn take_back(&self, _total: Self::Partial, _part: &Self::Partial) -> Option<Self::Partial> {
        None
    }
    /// Is nothing left of the key, so that it may be dropped?
    fn is_zero(&self, partial: &Self::Partial) -> bool;
    /// The row of the key, if it has one. The row depends on the partial alone, which is the same
    /// in any order of merging. An error tells why the partial has no row.
    fn row(&self, key: &Self::Key, partial: &Self::Partial) -> Made<Self::Row>;
    /// The form of the partial in files; none when the partial is out of the range of that form,
    /// and is written as it is.
    fn stored<'a>(&self, partial: &'a Self::Partial) -> Option<Cow<'a, Self::Stored>>;
    /// The partial of a stored form.
    fn restored(&self, stored: Self::Stored) -> Self::Partial;
}

/// A row, no row, or the reason why the partial is out of a row's range.
pub(crate) type Made<R> = Result<Option<R>, String>;

/// A number of events, or a sum of their weights.
pub trait Tally: ExchangeData {
    /// May the number be out of the range of an `i64`?
    const BOUNDED: bool;
    /// The number for one event with this weight.
    fn of(weight: i128) -> Self;
    /// Adds another number.
    fn merge(&mut self, other: &Self);
    /// Subtracts a part that was added before.
    fn take(&mut self, part: &Self);
    /// Is it zero?
    fn is_nothing(&self) -> bool;
    /// Is it more than zero?
    fn is_positive(&self) -> bool;
    /// The number, or, where it is out of the range of an `i64`, the reason for an error row.
    fn number(&self) -> Result<i64, String>;
}

/// The tally where each event counts once: an `i64` holds the number of all events.
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

/// The tally for weights given by the user, whose sum may be out of the range of an `i64`.
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

/// Gives the signature that accumulation files have for a type name: the names there, `Sum` for
/// `SumAccumulation` and so on, are older than those here.
fn on_disk(type_name: &str) -> String {
    let (name, types) = type_name.split_once('<').unwrap_or((type_name, ""));
    match name.strip_suffix("Accumulation") {
        Some(name) => format!("{name}<{types}"),
        None => type_name.to_owned(),
    }
}

/// `count`: the sum of weights per item.
pub(crate) struct CountAccumulation<K>(PhantomData<fn() -> K>);
/// `distinct`: the items whose weights sum to something positive.
pub(crate) struct DistinctAccumulation<K>(PhantomData<fn() -> K>);
/// [`CountAccumulation`] or [`DistinctAccumulation`], with its weights summed in a `T`. The
/// signature is the same for every
/// `T`, so the accumulations are, too.
pub(crate) struct Tallied<A, T>(PhantomData<fn() -> (A, T)>);
/// `sum`: the weighted sum of a value per key.
pub(crate) struct SumAccumulation<K, V>(PhantomData<fn() -> (K, V)>);
/// `latest`: the row with the greatest order per key.
pub(crate) struct LatestAccumulation<K, V, F, O>(F, PhantomData<fn() -> (K, V, O)>);
/// `distinct_by`: the least row per id.
pub(crate) struct DistinctByAccumulation<I, V, F>(F, PhantomData<fn() -> (I, V)>);
/// `fold`: a user's monoid per key.
pub(crate) struct FoldAccumulation<K, M>(PhantomData<fn() -> (K, M)>);

impl<A, T> Default for Tallied<A, T> {
    fn default() -> Self {
        Tallied(PhantomData)
    }
}

impl<K, V> Default for SumAccumulation<K, V> {
    fn default() -> Self {
        SumAccumulation(PhantomData)
    }
}

impl<K, M> Default for FoldAccumulation<K, M> {
    fn default() -> Self {
        FoldAccumulation(PhantomData)
    }
}

impl<K, V, F, O> LatestAccumulation<K, V, F, O> {
    pub(super) fn new(order: F) -> Self {
        LatestAccumulation(order, PhantomData)
    }
}

impl<I, V, F> DistinctByAccumulation<I, V, F> {
    pub(super) fn new(id: F) -> Self {
        DistinctByAccumulation(id, PhantomData)
    }
}

impl<K: Key, T: Tally> Accumulate for Tallied<CountAccumulation<K>, T> {
    const INVERSE: bool = true;
    const BOUNDED: bool = T::BOUNDED;

    type Item = K;
    type Key = K;
    type Partial = T;
    type Row = (K, i64);
    type Stored = i64;

    fn signature() -> String {
        on_disk(std::any::type_name::<(CountAccumulation<K>, (K, i64))>())
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

impl<K: Key, T: Tally> Accumulate for Tallied<DistinctAccumulation<K>, T> {
    const INVERSE: bool = true;
    const BOUNDED: bool = false;

    type Item = K;
    type Key = K;
    type Partial = T;
    type Row = K;
    type Stored = i64;

    fn signature() -> String {
        on_disk(std::any::type_name::<(DistinctAccumulation<K>, K)>())
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

impl<K: Key, V: Summand> Accumulate for SumAccumulation<K, V> {
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

impl<K, V, F, O> Accumulate for LatestAccumulation<K, V, F, O>
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

impl<I, V, F> Accumulate for DistinctByAccumulation<I, V, F>
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
/// use diptych::prelude::*;
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
            of your own implement `Monoid`: `of` one item, and `merge`, in any order"
)]
pub trait Monoid: ExchangeData {
    /// May [`Monoid::refused`] give a reason?
    const BOUNDED: bool = false;

    /// The contribution of one event.
    type Item;
    /// The monoid's value for one event.
    fn of(item: Self::Item) -> Self;
    /// Adds `other` to `self`. It must not fail because of an intermediate result: a sum that
    /// leaves a range may come back, and in another order never leaves it.
    fn merge(&mut self, other: Self);

    /// The reason why this value has no row, if there is one. The key then has a row in the view
    /// `errors`, for as long as the reason holds.
    fn refused(&self) -> Option<String> {
        None
    }
}

impl<K: Key, M: Monoid> Accumulate for FoldAccumulation<K, M> {
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
