//! `max_by` and `min_by` on events: barriers that keep one value per key.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::marker::PhantomData;

use differential_dataflow::ExchangeData;

use super::accumulation_monoids::{Accumulate, Key, Made, Value};
use super::events::Events;
use super::linear_operators::Front;
use super::vec_collection::Collection;
use super::weight::OnlyAdds;

/// `min_by`: the value with the least order per key.
pub(super) struct Least<K, V, F, O>(F, PhantomData<fn() -> (K, V, O)>);

impl<K, V, F, O> Accumulate for Least<K, V, F, O>
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
        if order == Ordering::Less {
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

impl<'s, P: Front> Events<'s, P> {
    /// The value with the greatest `order` per key; among equals the greatest value. The same as
    /// [`Events::latest`], for orders that are not times. State: one value per key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// /// The largest transfer to each account, and who sent it.
    /// fn largest(df: &mut Dataflow) {
    ///     let received = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| (t.to_account, (t.from_account, t.amount)));
    ///     df.view("largest", received.max_by("largest", |(_, amount)| *amount));
    /// }
    /// # let mut live = Live::start(("largest", largest))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, (i64, i64)>("largest")?, [(2, (1, 50))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn max_by<K, V, O, F>(self, name: &str, order: F) -> Collection<'s, (K, V)>
    where
        K: Key,
        V: Value,
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static,
        P: for<'a> Front<Item<'a> = (K, V)>,
        P::Sign: OnlyAdds,
    {
        self.latest(name, order)
    }

    /// The value with the least `order` per key; among equals the least value. State: one value
    /// per key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// /// The smallest transfer to each account, and who sent it.
    /// fn smallest(df: &mut Dataflow) {
    ///     let received = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| (t.to_account, (t.from_account, t.amount)));
    ///     df.view("smallest", received.min_by("smallest", |(_, amount)| *amount));
    /// }
    /// # let mut live = Live::start(("smallest", smallest))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, (i64, i64)>("smallest")?, [(2, (3, 20))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn min_by<K, V, O, F>(self, name: &str, order: F) -> Collection<'s, (K, V)>
    where
        K: Key,
        V: Value,
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static,
        P: for<'a> Front<Item<'a> = (K, V)>,
        P::Sign: OnlyAdds,
    {
        self.accumulate(name, Least(order, PhantomData))
    }
}
