//! [`Events`]: the user's handle on a linear recipe.

use std::fmt::Display;
use std::rc::Rc;

use super::assign_expiry::Retained;
use super::builder::Sketch;
use super::linear_operators::{
    Check, Concat, Filter, FlatMap, Front, Map, Source, TryMap, Weighted,
};
use super::newest_event_time::{Newest, NewestBarrier, NewestSeen};
use super::owned_rows::{Owned, Rows};
use super::retention::{Keep, Moment};
use super::weight::Or;
use diptych_event::Event;

/// Events in front of an accumulation barrier, with linear operators only.
///
/// `Events` is a recipe, not a stream: cloning it costs nothing, and each barrier built from it
/// runs the whole recipe itself, fused into one loop over the record batch. Closures take the item
/// by value: directly behind [`Dataflow::events`](super::Dataflow::events) that is a small `Copy`
/// row that borrows from the log's Arrow arrays (`t.text: &str`), further on the value that the
/// operator before returned. They give owned values; [`Events::flat_map`] pushes into a vector.
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

    /// Maps each item to one value.
    ///
    /// ```
    /// # use dataflows::Line;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let line = |text: &str| Line { text: text.to_owned() };
    /// fn lengths(df: &mut Dataflow) {
    ///     let lengths = df.events::<Line>("lines").map(|line| line.text.len() as i64);
    ///     df.view("lengths", lengths.count("lengths"));
    /// }
    /// # let mut live = Live::start(("lengths", lengths))?;
    /// live.feed("lines", &[line("to be"), line("or"), line("to go")])?;
    /// assert_eq!(live.rows::<i64, i64>("lengths")?, [(2, 1), (5, 2)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn map<T, F>(self, logic: F) -> Events<'s, Map<P, F, T>>
    where
        T: 'static,
        F: for<'a> Fn(P::Item<'a>) -> T + 'static,
    {
        self.with(|front| Map::new(front, logic))
    }

    /// Maps each item to any number of values, which `logic` pushes into the vector.
    ///
    /// ```
    /// # use dataflows::Line;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let line = |text: &str| Line { text: text.to_owned() };
    /// fn words(df: &mut Dataflow) {
    ///     let words = df
    ///         .events::<Line>("lines")
    ///         .flat_map(|line, out| out.extend(line.text.split(' ').map(str::to_owned)));
    ///     df.view("words", words.count("words"));
    /// }
    /// # let mut live = Live::start(("words", words))?;
    /// live.feed("lines", &[line("to be"), line("be")])?;
    /// let found = live.rows::<String, i64>("words")?;
    /// assert_eq!(found, [("be".to_owned(), 2), ("to".to_owned(), 1)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn flat_map<T, F>(self, logic: F) -> Events<'s, FlatMap<P, F, T>>
    where
        T: 'static,
        F: for<'a, 'b> Fn(P::Item<'a>, &'b mut Vec<T>) + 'static, // |row, out| out.extend(values)
    {
        self.with(|front| FlatMap::new(front, logic))
    }

    /// Keeps the items for which `keep` holds.
    ///
    /// ```
    /// # use dataflows::Edge;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let edge = |src, dst, diff| Edge { src, dst, diff };
    /// fn edges(df: &mut Dataflow) {
    ///     let edges = df.events::<Edge>("edges").filter(|edge| edge.src != edge.dst);
    ///     df.view("edges", edges.map(|edge| (edge.src, edge.dst)).count("edges"));
    /// }
    /// # let mut live = Live::start(("edges", edges))?;
    /// live.feed("edges", &[edge(1, 2, 1), edge(2, 2, 1)])?;
    /// assert_eq!(live.rows::<(i64, i64), i64>("edges")?, [((1, 2), 1)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn filter<F>(self, keep: F) -> Events<'s, Filter<P, F>>
    where
        F: for<'a, 'b> Fn(&'b P::Item<'a>) -> bool + 'static,
    {
        self.with(|front| Filter::new(front, keep))
    }

    /// Maps each item to a value or an error. Errors become rows of the dataflow's `errors` view,
    /// `(epoch, stream, reason) -> n`, once for any number of barriers that follow.
    ///
    /// ```
    /// # use dataflows::Line;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let line = |text: &str| Line { text: text.to_owned() };
    /// fn numbers(df: &mut Dataflow) {
    ///     let numbers = df.events::<Line>("lines").try_map(|line| line.text.parse::<i64>());
    ///     df.view("numbers", numbers.count("numbers"));
    /// }
    /// # let mut live = Live::start(("numbers", numbers))?;
    /// live.feed("lines", &[line("7"), line("seven")])?;
    /// assert_eq!(live.rows::<i64, i64>("numbers")?, [(7, 1)]);
    /// let ((epoch, stream, reason), n) = &live.rows::<(u64, String, String), i64>("errors")?[0];
    /// assert_eq!((*epoch, &**stream, *n), (0, "lines", 1));
    /// assert_eq!(reason, "invalid digit found in string");
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn try_map<T, R, F>(self, logic: F) -> Events<'s, TryMap<P, F, T>>
    where
        T: 'static,
        R: Display,
        F: for<'a> Fn(P::Item<'a>) -> Result<T, R> + 'static,
    {
        self.with(|front| TryMap::new(front, logic))
    }

    /// Keeps the items that pass the check; the others become rows of the dataflow's `errors` view,
    /// as with [`Events::try_map`]. Refuse items here on which a later closure would panic, such as
    /// a product that overflows: the log replays them at every restart. Sums and counts need no
    /// check.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |to_account, amount| {
    /// #     Transfer { id: 1, from_account: 0, to_account, amount, ts: 0 }
    /// # };
    /// fn received(df: &mut Dataflow) {
    ///     let transfers = df.events::<Transfer>("transfers").check(|t| match t.amount {
    ///         0..=1_000_000 => Ok(()),
    ///         amount => Err(format!("{amount} is not the amount of a transfer")),
    ///     });
    ///     df.view("received", transfers.map(|t| (t.to_account, t.amount)).sum("received"));
    /// }
    /// # let mut live = Live::start(("received", received))?;
    /// live.feed("transfers", &[transfer(1, 50), transfer(1, i64::MAX), transfer(1, 30)])?;
    /// assert_eq!(live.rows::<i64, i64>("received")?, [(1, 80)]);
    /// let ((_epoch, _stream, reason), n) = &live.rows::<(u64, String, String), i64>("errors")?[0];
    /// assert_eq!((&**reason, *n), ("9223372036854775807 is not the amount of a transfer", 1));
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn check<R, F>(self, logic: F) -> Events<'s, Check<P, F>>
    where
        R: Display,
        F: for<'a, 'b> Fn(&'b P::Item<'a>) -> Result<(), R> + 'static,
    {
        self.with(|front| Check::new(front, logic))
    }

    /// The rows as events that own their data: `map(|row| row.into_event())`, for accumulations
    /// that keep whole events.
    ///
    /// ```
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Event, Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    /// struct Payment {
    ///     id: i64,
    ///     card: String,
    /// }
    ///
    /// fn cards(df: &mut Dataflow) {
    ///     let payments = df.events::<Payment>("payments").owned();
    ///     let once = payments.distinct_by("payments", |payment| payment.id);
    ///     df.view("cards", once.map(|payment| (payment.id, payment.card)));
    /// }
    /// # let mut live = Live::start(("cards", cards))?;
    /// # let payment = |id, card: &str| Payment { id, card: card.to_owned() };
    /// live.feed("payments", &[payment(1, "visa"), payment(1, "visa")])?;
    /// assert_eq!(live.rows::<i64, String>("cards")?, [(1, "visa".to_owned())]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn owned(self) -> Events<'s, Owned<P>>
    where
        P: Rows,
    {
        self.with(Owned::new)
    }

    /// Multiplies each item's weight: -1 deletes, 0 drops. A deletion may come before the item that
    /// it deletes. Accumulations without an inverse (`latest`, `distinct_by`, `fold`) do not
    /// compile behind it.
    ///
    /// ```
    /// # use dataflows::Edge;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let edge = |src, dst, diff| Edge { src, dst, diff };
    /// fn edges(df: &mut Dataflow) {
    ///     let edges = df.events::<Edge>("edges").weighted(|edge| edge.diff);
    ///     df.view("edges", edges.map(|edge| (edge.src, edge.dst)).count("edges"));
    /// }
    /// # let mut live = Live::start(("edges", edges))?;
    /// live.feed("edges", &[edge(1, 2, -1), edge(1, 3, 1)])?;
    /// live.feed("edges", &[edge(1, 2, 1)])?;
    /// assert_eq!(live.rows::<(i64, i64), i64>("edges")?, [((1, 3), 1)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn weighted<F>(self, weight: F) -> Events<'s, Weighted<P, F>>
    where
        F: for<'a, 'b> Fn(&'b P::Item<'a>) -> i64 + 'static,
    {
        self.with(|front| Weighted::new(front, weight))
    }

    /// Concatenates the items of both recipes, which may come from different streams.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn seen(df: &mut Dataflow) {
    ///     let transfers = df.events::<Transfer>("transfers");
    ///     let sent = transfers.clone().map(|t| t.from_account);
    ///     let received = transfers.map(|t| t.to_account);
    ///     df.view("seen", sent.concat(received).count("seen"));
    /// }
    /// # let mut live = Live::start(("seen", seen))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(2, 3, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("seen")?, [(1, 1), (2, 2), (3, 1)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
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
}

impl<'s, E: Event> Events<'s, Source<E>> {
    /// Keeps only events that are not older than `keep` behind the newest one: at every epoch all
    /// results built on these are as if the older events did not exist, for every accumulation, in
    /// both layers, and whenever history is replayed.
    ///
    /// `time` gives the time of an event. The horizon follows the newest event of the stream and
    /// never goes back; no clock moves it. But the clock of an event's epoch limits the event's
    /// time: a time ahead of that clock counts as the clock, and a time more than a day ahead
    /// ([`limits::AHEAD_OF_CLOCK_MAX_US`](diptych_base::limits::AHEAD_OF_CLOCK_MAX_US)) moves
    /// nothing, so that a single wrong date does not empty everything. Events that are older than
    /// the horizon when they come change nothing; they are counted, in `/v1/status` and `/metrics`.
    /// All of them stay in the log. An event without a time (`None`) never expires.
    ///
    /// State: that of the accumulation behind, for each step ([`Keep::step`]) in which it has
    /// events. Must directly follow [`Dataflow::events`](super::Dataflow::events), because every
    /// event of the stream counts for the horizon, those that are filtered away too.
    ///
    /// ```
    /// use diptych::prelude::*;
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
    /// # let described = diptych::dataflow::Definition::new("visits", visits).describe().unwrap();
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

    /// The newest event time of this stream, for views that [keep](super::View::retain) rows for a
    /// limited time. As for [`Events::retain`], the clock of an event's epoch limits its time.
    ///
    /// State: one number.
    ///
    /// ```
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # #[derive(Event, Clone)]
    /// # struct Visit {
    /// #     at: Timestamp,
    /// # }
    /// fn hours(df: &mut Dataflow) {
    ///     let visits = df.events::<Visit>("visits");
    ///     let newest = visits.newest(|visit| visit.at);
    ///     let hours = visits.map(|visit| visit.at.hour()).count("hours");
    ///     df.view("hours", hours).retain(&newest, |hour, _n| *hour, Keep::days(1));
    /// }
    /// # let mut live = Live::start(("hours", hours))?;
    /// let visit = |at: &str| -> diptych::Result<Visit> { Ok(Visit { at: at.parse()? }) };
    /// live.feed("visits", &[visit("2024-03-01 10:30")?, visit("2024-03-02 11:30")?])?;
    /// assert_eq!(live.rows::<Timestamp, i64>("hours")?.len(), 1); // 10:00 is too old
    /// # Ok::<(), diptych::Error>(())
    /// ```
    pub fn newest<M, F>(&self, time: F) -> Newest<'s>
    where
        M: Moment,
        F: for<'a, 'b> Fn(&'b E::Row<'a>) -> M + 'static,
    {
        self.watch(Rc::new(time), None).0
    }

    fn watch<M, F>(&self, time: Rc<F>, keep: Option<Keep>) -> (Newest<'s>, NewestSeen)
    where
        M: Moment,
        F: for<'a, 'b> Fn(&'b E::Row<'a>) -> M + 'static,
    {
        let sketch = &self.sketch;
        let front = self.front.clone();
        let stream = front.stream().to_owned();
        let name = sketch.name_newest(&stream);
        let (barrier, seen, told) = NewestBarrier::install(sketch.scope(), name, front, time, keep);
        sketch.add_barrier(&self.front, Box::new(barrier));
        (Newest { stream, told }, seen)
    }
}
