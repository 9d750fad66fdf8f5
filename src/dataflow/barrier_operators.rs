//! The barriers that end a recipe: from [`Events`] to a [`Collection`].

use super::accumulation_barrier::HashBarrier;
use super::accumulation_monoids::{
    Accumulate, CountAccumulation, DistinctAccumulation, DistinctByAccumulation, FoldAccumulation,
    Key, LatestAccumulation,
};
use super::accumulation_monoids::{Monoid, SumAccumulation, Tallied, Tally, Value};
use super::arranged_barrier::{ArrangedBarrier, Keyed};
use super::events::Events;
use super::linear_operators::Front;
use super::out_of_range_errors::Refusals;
use super::retained_barrier::RetainedBarrier;
use super::split_out_of_range::in_range;
use super::summand::Summand;
use super::vec_collection::Collection;
use super::weight::{OnlyAdds, Sign};
use diptych_base::limits;

impl<'s, P: Front> Events<'s, P> {
    pub(super) fn accumulate<A>(self, name: &str, accumulate: A) -> Collection<'s, A::Row>
    where
        A: Accumulate,
        P: for<'a> Front<Item<'a> = A::Item>,
    {
        let claims = self.front.clone();
        let scope = self.sketch.scope();
        assert_eq!(P::RETAINED, !self.kept.is_empty(), "retention of {name:?} and of its type");
        if P::RETAINED {
            let retentions = self.sketch.retentions(&self.kept);
            let (barrier, rows) =
                RetainedBarrier::install(scope, name, accumulate, self.front, retentions);
            self.sketch.add_barrier(&claims, Box::new(barrier));
            return rows;
        }
        let (barrier, rows) = HashBarrier::install(scope, name, accumulate, self.front);
        self.sketch.add_barrier(&claims, Box::new(barrier));
        rows
    }

    /// Counts each item: `(item, n)`, for items whose weights do not sum to zero.
    ///
    /// State: one entry per distinct item. `name` is unique within the dataflow and names the
    /// accumulation on disk; so it is for every barrier.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn received(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| t.to_account);
    ///     df.view("received", received.count("received"));
    /// }
    /// # let mut live = Live::start(("received", received))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("received")?, [(2, 2)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn count<K: Key>(self, name: &str) -> Collection<'s, (K, i64)>
    where
        P: for<'a> Front<Item<'a> = K>,
    {
        self.accumulate(name, Tallied::<CountAccumulation<K>, <P::Sign as Sign>::Tally>::default())
    }

    /// The items whose weights have a positive sum, once each. The state keeps counts, so
    /// deletions work. State: one entry per distinct item.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn accounts(df: &mut Dataflow) {
    ///     let accounts = df.events::<Transfer>("transfers").map(|t| t.to_account);
    ///     df.view("accounts", accounts.distinct("accounts").map(|account| (account, ())));
    /// }
    /// # let mut live = Live::start(("accounts", accounts))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, ()>("accounts")?, [(2, ())]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn distinct<K: Key>(self, name: &str) -> Collection<'s, K>
    where
        P: for<'a> Front<Item<'a> = K>,
    {
        self.accumulate(
            name,
            Tallied::<DistinctAccumulation<K>, <P::Sign as Sign>::Tally>::default(),
        )
    }

    /// The exact sum of values per key. State: one entry per key that has events.
    ///
    /// A key whose sum is out of the range of its type has no row, but one in the view `errors` for
    /// as long as it is out of range. Intermediate sums do not matter.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn received(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     df.view("received", received.sum("received"));
    /// }
    /// # let mut live = Live::start(("received", received))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("received")?, [(2, 70)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn sum<K: Key, V: Summand>(self, name: &str) -> Collection<'s, (K, V)>
    where
        P: for<'a> Front<Item<'a> = (K, V)>,
    {
        self.accumulate(name, SumAccumulation::default())
    }

    /// The value with the greatest `order` per key; among equals the greatest value. Put a field
    /// that breaks ties (a sequence, a source) into the order: arrival order is never read.
    /// State: one value per key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn latest(df: &mut Dataflow) {
    ///     let received = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| (t.to_account, (t.ts, t.amount)));
    ///     df.view("latest", received.latest("latest", |(ts, _)| *ts));
    /// }
    /// # let mut live = Live::start(("latest", latest))?;
    /// live.feed("transfers", &[transfer(3, 2, 20, 2)])?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1)])?; // late
    /// assert_eq!(live.rows::<i64, (i64, i64)>("latest")?, [(2, (2, 20))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn latest<K, V, O, F>(self, name: &str, order: F) -> Collection<'s, (K, V)>
    where
        K: Key,
        V: Value,
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static,
        P: for<'a> Front<Item<'a> = (K, V)>,
        P::Sign: OnlyAdds,
    {
        self.accumulate(name, LatestAccumulation::new(order))
    }

    /// One row per id: the least, where rows of one id differ. State: one row per id, for ever.
    ///
    /// Behind [`Events::retain`] ids expire, with these promises in both layers:
    /// - an id has one row, the least of its copies that are kept;
    /// - when that copy expires, the least of those that are still kept takes its place;
    /// - when no copy is kept the id has no row; if it comes again within the retention, it is new;
    /// - a copy that is too old when it comes changes nothing.
    ///
    /// State is then one row per id and [step](super::Keep::step), while it is kept.
    ///
    /// ```
    /// use diptych::testing::Live;
    /// use diptych::prelude::*;
    ///
    /// #[derive(Event, Clone)]
    /// struct Payment {
    ///     id: i64,
    ///     at: Timestamp,
    ///     cents: i64,
    /// }
    ///
    /// /// Payments of the last week, each id once.
    /// fn payments(df: &mut Dataflow) {
    ///     let week = df.events::<Payment>("payments").retain(|p| p.at, Keep::days(7));
    ///     let once = week.map(|p| (p.id, p.cents)).distinct_by("once", |(id, _)| *id);
    ///     df.view("payments", once);
    /// }
    ///
    /// # fn main() -> diptych::Result<()> {
    /// let payment = |id, at: &str| -> diptych::Result<Payment> {
    ///     Ok(Payment { id, at: at.parse()?, cents: 500 })
    /// };
    /// let mut live = Live::start(("payments", payments))?;
    /// live.feed("payments", &[payment(1, "2024-03-01 10:00")?, payment(1, "2024-03-02 10:00")?])?;
    /// assert_eq!(live.rows::<i64, i64>("payments")?, [(1, 500)]);
    /// live.feed("payments", &[payment(2, "2024-03-09 09:00")?])?; // the first copy of 1 goes
    /// assert_eq!(live.rows::<i64, i64>("payments")?, [(1, 500), (2, 500)]);
    /// live.feed("payments", &[payment(3, "2024-03-12 09:00")?])?; // and now the second
    /// assert_eq!(live.rows::<i64, i64>("payments")?, [(2, 500), (3, 500)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn distinct_by<I, V, F>(self, name: &str, id: F) -> Collection<'s, V>
    where
        I: Key,
        V: Value,
        F: Fn(&V) -> I + 'static,
        P: for<'a> Front<Item<'a> = V>,
        P::Sign: OnlyAdds,
    {
        self.accumulate(name, DistinctByAccumulation::new(id))
    }

    /// A commutative [`Monoid`] per key. State: one monoid value per key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::folds::Max;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn greatest(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     let greatest = received.fold::<Max<i64>, i64>("greatest");
    ///     df.view("greatest", greatest.map(|(account, max)| (account, max.get())));
    /// }
    /// # let mut live = Live::start(("greatest", greatest))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("greatest")?, [(2, 50)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn fold<M, K>(self, name: &str) -> Collection<'s, (K, M)>
    where
        K: Key,
        M: Monoid,
        P: for<'a> Front<Item<'a> = (K, M::Item)>,
        P::Sign: OnlyAdds,
    {
        self.accumulate(name, FoldAccumulation::<K, M>::default())
    }

    /// All rows, with their multiplicities (negative ones too). State: every distinct row.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn received(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     df.view("received", received.collect("received"));
    /// }
    /// # let mut live = Live::start(("received", received))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("received")?, [(2, 20), (2, 50)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn collect<D: Key>(self, name: &str) -> Collection<'s, D>
    where
        P: for<'a> Front<Item<'a> = D>,
    {
        self.map(|row| (row, ())).keyed(name).arranged.as_collection(|row, ()| row.clone())
    }

    /// All rows, arranged by key; a join reuses the arrangement. State: every distinct row.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn through(df: &mut Dataflow) {
    ///     let transfers = df.events::<Transfer>("transfers");
    ///     let received = transfers.clone().map(|t| (t.to_account, t.id)).keyed("received");
    ///     let sent = transfers.map(|t| (t.from_account, t.id)).keyed("sent");
    ///     df.view("through", received.join(sent));
    /// }
    /// # let mut live = Live::start(("through", through))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 10), transfer(2, 3, 20, 11)])?;
    /// assert_eq!(live.rows::<i64, (i64, i64)>("through")?, [(2, (10, 11))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn keyed<K: Key, V: Key>(self, name: &str) -> Keyed<'s, K, V>
    where
        P: for<'a> Front<Item<'a> = (K, V)>,
    {
        if P::RETAINED || <P::Sign as Sign>::Tally::BOUNDED {
            return self.counted(name);
        }
        let claims = self.front.clone();
        let (barrier, arranged) = ArrangedBarrier::install(self.sketch.scope(), name, self.front);
        self.sketch.add_barrier(&claims, Box::new(barrier));
        Keyed { arranged }
    }

    /// Arranges rows behind a barrier that counts them: the counts expire and may be out of range,
    /// and the arrangement follows them.
    fn counted<K: Key, V: Key>(self, name: &str) -> Keyed<'s, K, V>
    where
        P: for<'a> Front<Item<'a> = (K, V)>,
    {
        let count = Tallied::<CountAccumulation<(K, V)>, <P::Sign as Sign>::Tally>::default();
        let counts = if P::RETAINED {
            self.accumulate(name, count)
        } else {
            let claims = self.front.clone();
            let scope = self.sketch.scope();
            let (barrier, counts) = HashBarrier::install(scope, name, count, self.front);
            let types = ArrangedBarrier::<K, V, P>::types();
            self.sketch.add_barrier(&claims, Box::new(barrier.with_types(types)));
            counts
        };
        let rows = if <P::Sign as Sign>::Tally::BOUNDED {
            in_range(counts, Refusals::of(name), |(row, copies)| match copies.unsigned_abs() {
                ..=limits::COPIES_MAX => Ok((row, copies)),
                _ => Err((row, format!("{copies} copies of a row: weigh less, or `sum` instead"))),
            })
        } else {
            counts
        };
        let rows = rows.explode(|(row, copies)| Some((row, copies as isize)));
        Keyed { arranged: rows.arrange_by_key_named(&format!("Arrange: {name}")) }
    }
}
