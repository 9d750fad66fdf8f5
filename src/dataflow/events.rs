//! `Events`: the user's handle on a linear recipe, and the barriers that end it.

use std::fmt::Display;
use std::rc::Rc;

use super::accumulate::{Accumulate, Count, Distinct, DistinctBy, Fold, Key, Latest};
use super::accumulate::{Monoid, Sum, Summand, Value};
use super::arranged::{ArrangedBarrier, Keyed};
use super::barrier::HashBarrier;
use super::collection::Collection;
use super::front::{Concat, Filter, FlatMap, Front, Map, OnlyAdds, Or, Source, TryMap, Weighted};
use super::keep::{Keep, Moment};
use super::newest::{Newest, NewestBarrier, Seen};
use super::plan::Sketch;
use super::retained::Retained;
use super::retained_barrier::RetainedBarrier;
use crate::event::Event;

/// Events on their way to an accumulation barrier: linear operators only.
///
/// `Events` is a recipe, not a stream: cloning it costs nothing, and each barrier built from it
/// runs the whole recipe itself, fused into one loop over the record batch. Closures take the item
/// by value: right behind [`Dataflow::events`](super::Dataflow::events) that is a small `Copy` row
/// that borrows from the log's Arrow arrays (`t.text: &str`), further on what the operator before
/// returned. They give owned values; [`Events::flat_map`] pushes into a vector.
///
/// Name the type, where you must, as `Events<'s, impl Front<Item<'a> = T>>`.
#[derive(Clone)]
pub struct Events<'s, P> {
    pub(super) sketch: Sketch<'s>,
    pub(super) front: P,
    /// The retentions by which items may expire.
    pub(super) kept: Vec<u32>,
}

impl<'s, P: Front> Events<'s, P> {
    fn with<Q>(self, front: impl FnOnce(P) -> Q) -> Events<'s, Q> {
        Events { sketch: self.sketch, front: front(self.front), kept: self.kept }
    }

    /// One value for each item.
    pub fn map<T, F>(self, logic: F) -> Events<'s, Map<P, F, T>>
    where
        T: 'static,
        F: for<'a> Fn(P::Item<'a>) -> T + 'static,
    {
        self.with(|front| Map::new(front, logic))
    }

    /// Any number of values for each item: push them into the vector.
    pub fn flat_map<T, F>(self, logic: F) -> Events<'s, FlatMap<P, F, T>>
    where
        T: 'static,
        F: for<'a, 'b> Fn(P::Item<'a>, &'b mut Vec<T>) + 'static,
    {
        self.with(|front| FlatMap::new(front, logic))
    }

    /// The items for which `keep` holds.
    pub fn filter<F>(self, keep: F) -> Events<'s, Filter<P, F>>
    where
        F: for<'a, 'b> Fn(&'b P::Item<'a>) -> bool + 'static,
    {
        self.with(|front| Filter::new(front, keep))
    }

    /// One value for each item that is good. Bad ones become rows of the dataflow's `errors` view,
    /// `(epoch, stream, reason) -> n`, once, however many barriers follow.
    pub fn try_map<T, R, F>(self, logic: F) -> Events<'s, TryMap<P, F, T>>
    where
        T: 'static,
        R: Display,
        F: for<'a> Fn(P::Item<'a>) -> Result<T, R> + 'static,
    {
        self.with(|front| TryMap::new(front, logic))
    }

    /// Multiplies each item's weight: -1 deletes, 0 drops. A deletion may come before what it
    /// deletes. Accumulations without an inverse (`latest`, `distinct_by`, `fold`) do not compile
    /// behind it.
    pub fn weighted<F>(self, weight: F) -> Events<'s, Weighted<P, F>>
    where
        F: for<'a, 'b> Fn(&'b P::Item<'a>) -> i64 + 'static,
    {
        self.with(|front| Weighted::new(front, weight))
    }

    /// The items of both, which may come from different streams.
    pub fn concat<Q>(self, other: Events<'s, Q>) -> Events<'s, Concat<P, Q>>
    where
        Q: for<'a> Front<Item<'a> = P::Item<'a>>,
        P::Sign: Or<Q::Sign>,
    {
        let mut both = self.with(|front| Concat::new(front, other.front));
        both.kept.extend(other.kept);
        both.kept.sort_unstable();
        both.kept.dedup();
        both
    }

    fn accumulate<A>(self, name: &str, accumulate: A) -> Collection<'s, A::Row>
    where
        A: Accumulate,
        P: for<'a> Front<Item<'a> = A::Item>,
    {
        let (claims, scope) = (self.front.clone(), self.sketch.scope());
        if self.kept.is_empty() {
            let (barrier, rows) = HashBarrier::install(scope, name, accumulate, self.front);
            self.sketch.add_barrier(&claims, Box::new(barrier));
            return rows;
        }
        let retentions = self.sketch.retentions(&self.kept);
        let (barrier, rows) =
            RetainedBarrier::install(scope, name, accumulate, self.front, retentions);
        self.sketch.add_barrier(&claims, Box::new(barrier));
        rows
    }

    /// How often each item occurs: `(item, n)`, for items whose weights do not sum to zero.
    ///
    /// State: one entry per distinct item. `name` is unique within the dataflow and names the
    /// accumulation on disk; so it is for every barrier.
    pub fn count<K: Key>(self, name: &str) -> Collection<'s, (K, i64)>
    where
        P: for<'a> Front<Item<'a> = K>,
    {
        self.accumulate(name, Count::default())
    }

    /// The items whose weights sum to something positive, once each. Counts are what is kept, so
    /// deletions work. State: one entry per distinct item.
    pub fn distinct<K: Key>(self, name: &str) -> Collection<'s, K>
    where
        P: for<'a> Front<Item<'a> = K>,
    {
        self.accumulate(name, Distinct::default())
    }

    /// The exact sum of values per key. State: one entry per key that has events.
    ///
    /// Panics when a sum leaves the range of its type.
    pub fn sum<K: Key, V: Summand>(self, name: &str) -> Collection<'s, (K, V)>
    where
        P: for<'a> Front<Item<'a> = (K, V)>,
    {
        self.accumulate(name, Sum::default())
    }

    /// The value with the greatest `order` per key; among equals the greatest value. Put a field
    /// that breaks ties (a sequence, a source) into the order: arrival order is never read.
    /// State: one value per key.
    pub fn latest<K, V, O, F>(self, name: &str, order: F) -> Collection<'s, (K, V)>
    where
        K: Key,
        V: Value,
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static,
        P: for<'a> Front<Item<'a> = (K, V)>,
        P::Sign: OnlyAdds,
    {
        self.accumulate(name, Latest::new(order))
    }

    /// One row per id: the least, where rows of one id differ. State: one row per id, for ever.
    ///
    /// Behind [`Events::retain`] ids are forgotten, and it promises this, in both layers:
    /// - an id is one row, the least of those of its copies that are kept;
    /// - when that copy is too old, the least of those that are still kept takes its place;
    /// - when none is kept the id is gone; if it comes once more within the retention, it is new;
    /// - a copy that is too old when it comes changes nothing.
    ///
    /// State is then one row per id and [step](Keep::step), while it is kept.
    ///
    /// ```
    /// use diptych::testing::Live;
    /// use diptych::{Dataflow, Event, Keep, Timestamp};
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
        self.accumulate(name, DistinctBy::new(id))
    }

    /// A commutative [`Monoid`] per key. State: one monoid value per key.
    pub fn fold<M, K>(self, name: &str) -> Collection<'s, (K, M)>
    where
        K: Key,
        M: Monoid,
        P: for<'a> Front<Item<'a> = (K, M::Item)>,
        P::Sign: OnlyAdds,
    {
        self.accumulate(name, Fold::<K, M>::default())
    }

    /// All rows, with their multiplicities (negative ones too). State: every distinct row.
    pub fn collect<D: Key>(self, name: &str) -> Collection<'s, D>
    where
        P: for<'a> Front<Item<'a> = D>,
    {
        self.map(|row| (row, ())).keyed(name).arranged.as_collection(|row, ()| row.clone())
    }

    /// All rows, arranged by key; a join reuses the arrangement. State: every distinct row.
    pub fn keyed<K: Key, V: Key>(self, name: &str) -> Keyed<'s, K, V>
    where
        P: for<'a> Front<Item<'a> = (K, V)>,
    {
        if !self.kept.is_empty() {
            // The counts are what expires; the rows follow them.
            let rows = self.accumulate(name, Count::default());
            let rows = rows.explode(|(row, copies)| Some((row, copies as isize)));
            return Keyed { arranged: rows.arrange_by_key_named(&format!("Arrange: {name}")) };
        }
        let claims = self.front.clone();
        let (barrier, arranged) = ArrangedBarrier::install(self.sketch.scope(), name, self.front);
        self.sketch.add_barrier(&claims, Box::new(barrier));
        Keyed { arranged }
    }
}

impl<'s, E: Event> Events<'s, Source<E>> {
    /// Keeps only events that are not older than `keep` behind the newest one: at every epoch all
    /// that is built on this is as if the older ones had never been, whichever accumulation it is,
    /// in both layers, and whenever history is replayed.
    ///
    /// `time` says when an event happened. The horizon follows the newest event of the stream and
    /// never goes back; no clock moves it. But the clock of an event's epoch limits what the event
    /// may claim: one that lies ahead counts as of that clock, and one that lies more than a day
    /// ahead ([`limits::AHEAD_OF_CLOCK_MAX_US`](crate::limits::AHEAD_OF_CLOCK_MAX_US)) moves
    /// nothing, so that a single wrong date does not empty everything. Events that are older than
    /// the horizon when they come change nothing; they are counted, in `/v1/status` and `/metrics`.
    /// All of them stay in the log. An event without a time (`None`) never expires.
    ///
    /// State: that of the accumulation behind, for each step ([`Keep::step`]) that it has events
    /// in. It must stand right behind [`Dataflow::events`](super::Dataflow::events), because every
    /// event of the stream counts for the horizon, those that are filtered away too.
    ///
    /// ```
    /// use diptych::{Dataflow, Event, Keep, Timestamp};
    ///
    /// #[derive(Event, Clone, Debug)]
    /// struct Visit {
    ///     page: String,
    ///     at: Timestamp,
    /// }
    ///
    /// /// How often each page was visited in the last week.
    /// fn visits(df: &mut Dataflow) {
    ///     let visits = df.events::<Visit>("visits").retain(|v| v.at, Keep::days(7));
    ///     df.view("visits", visits.map(|v| v.page.to_owned()).count("pages"));
    /// }
    /// # let described = diptych::Definition::new("visits", visits).describe().unwrap();
    /// # assert_eq!(described.retained, ["stream visits: 7 days in steps of 1 hour"]);
    /// ```
    pub fn retain<M, F>(self, time: F, keep: Keep) -> Events<'s, Retained<Source<E>, F>>
    where
        M: Moment,
        F: for<'a, 'b> Fn(&'b E::Row<'a>) -> M + 'static,
    {
        let time = Rc::new(time);
        let (newest, seen) = self.watch(Rc::clone(&time), Some(keep));
        let of = self.sketch.add_retention(&newest, keep);
        let Events { sketch, front, .. } = self;
        Events { sketch, front: Retained::new(front, time, of, keep, seen), kept: vec![of] }
    }

    /// How late it is by the events of this stream, for views that
    /// [keep](super::View::retain) rows for some time. As for [`Events::retain`], the clock of an
    /// event's epoch limits what the event may claim.
    ///
    /// State: one number.
    pub fn newest<M, F>(&self, time: F) -> Newest<'s>
    where
        M: Moment,
        F: for<'a, 'b> Fn(&'b E::Row<'a>) -> M + 'static,
    {
        self.watch(Rc::new(time), None).0
    }

    fn watch<M, F>(&self, time: Rc<F>, keep: Option<Keep>) -> (Newest<'s>, Seen)
    where
        M: Moment,
        F: for<'a, 'b> Fn(&'b E::Row<'a>) -> M + 'static,
    {
        let (sketch, front) = (&self.sketch, self.front.clone());
        let stream = front.stream().to_owned();
        let name = sketch.name_newest(&stream);
        let (barrier, seen, told) = NewestBarrier::install(sketch.scope(), name, front, time, keep);
        sketch.add_barrier(&self.front, Box::new(barrier));
        (Newest { stream, told }, seen)
    }
}
