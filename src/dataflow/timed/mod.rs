//! Event time behind the barrier: sessions, joins by time, funnels, running sums.
//!
//! All of these are functions of contents: rows carry their times as data, and no clock and no
//! order of arrival is read. So a late row changes old answers, in the next epoch, in both layers.
//! Times are [`Timestamp`]s, or values of any other order where no span is measured.
//!
//! The rows of a key are kept in order by its owner, and a change costs the rows that it concerns,
//! which the documentation of each operator names.

mod asof_join;
mod funnel;
mod interval_join;
mod running_sum;
mod sessions;
mod window;

use std::hash::Hash;
use std::time::Duration;

use differential_dataflow::ExchangeData;

pub use window::{Window, Windows};

use super::Summand;
use super::collection_ext::PairsExt;
use super::vec_collection::Collection;
use diptych_event::Timestamp;

/// Operators on the rows of a key in the order of their times.
pub trait TimedExt<'s, K, V>: Sized {
    /// `((key, start), (at, value))`: each row with the start of its session.
    ///
    /// Two rows of a key that are at most `gap` apart are in one session. A session that grows at
    /// its end keeps its start, so its other rows stay as they are; a late row may join two
    /// sessions.
    ///
    /// A change costs itself and the rows whose session it gives another start: those after it
    /// when it comes first in a session, joins two, or divides one. State: every row, sorted by the
    /// owner of the key.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use dataflows::InvoiceLine;
    /// use diptych::prelude::*;
    ///
    /// /// How many lines each visit of a customer has; half an hour of silence ends one.
    /// fn visits(df: &mut Dataflow) {
    ///     let lines = df
    ///         .events::<InvoiceLine>("invoice_lines")
    ///         .map(|l| (l.customer.to_owned(), (l.at, l.product.to_owned())))
    ///         .collect("lines");
    ///     let visits = lines.sessions(Duration::from_secs(1800));
    ///     df.view("visits", visits.map(|(visit, _)| (visit, 1_i64)).sum_values());
    /// }
    /// # diptych::dataflow::Definition::new("visits", visits).describe().unwrap();
    /// ```
    ///
    /// # Panics
    /// When `gap` is longer than 292,000 years.
    #[track_caller]
    fn sessions(self, gap: Duration) -> Collection<'s, ((K, Timestamp), (Timestamp, V))>;

    /// `(key, (at, value, found))`: each row with the latest row of `other` that is not after it,
    /// under the same key; the greatest of those at one time. None where there is no such row.
    ///
    /// A row costs one search; a row of `other` costs the rows between its time and that of the
    /// next of `other`, which find it, or another row when it is removed. State: the rows of both
    /// sides, sorted by the owner of the key.
    ///
    /// ```
    /// use dataflows::{Customer, Order};
    /// use diptych::prelude::*;
    ///
    /// /// Revenue by the country where the customer lived *then*.
    /// fn revenue(df: &mut Dataflow) {
    ///     let orders = df.events::<Order>("orders");
    ///     let orders = orders.map(|o| (o.customer, (o.at, o.amount))).collect("orders");
    ///     let lived = df.events::<Customer>("customers");
    ///     let lived = lived.map(|c| (c.id, (c.at, c.country.to_owned()))).collect("lived");
    ///     let revenue = orders.asof_join(lived);
    ///     let revenue = revenue.map(|(_, (_, amount, country))| (country, amount));
    ///     df.view("revenue", revenue.sum_values());
    /// }
    /// # diptych::dataflow::Definition::new("revenue", revenue).describe().unwrap();
    /// ```
    fn asof_join<W>(
        self,
        other: Collection<'s, (K, (Timestamp, W))>,
    ) -> Collection<'s, (K, (Timestamp, V, Option<W>))>
    where
        W: ExchangeData + Hash;

    /// `(key, ((at, value), (at, value)))`: each row with every row of `other` under the same key
    /// that is at most `before` earlier and at most `after` later. A change costs the rows of three
    /// such spans, not those of the key.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # #[derive(Event, Clone)]
    /// # struct Click {
    /// #     at: Timestamp,
    /// #     user: i64,
    /// #     step: i64,
    /// # }
    /// # let click = |second, step| Click { at: Timestamp::from_seconds(second), user: 1, step };
    /// fn bought(df: &mut Dataflow) {
    ///     let clicks = df.events::<Click>("clicks");
    ///     let seen = clicks.clone().filter(|c| c.step == 0).map(|c| (c.user, (c.at, c.step)));
    ///     let bought = clicks.filter(|c| c.step == 1).map(|c| (c.user, (c.at, c.step)));
    ///     // What was seen in the minute before.
    ///     let minute = Duration::from_secs(60);
    ///     let (bought, seen) = (bought.collect("bought"), seen.collect("seen"));
    ///     let pairs = bought.interval_join(seen, minute, Duration::ZERO);
    ///     df.view("bought", pairs.map(|(user, ((at, _), (seen, _)))| (user, (at, seen))));
    /// }
    /// # let mut live = Live::start(("bought", bought))?;
    /// live.feed("clicks", &[click(10, 0), click(100, 0), click(130, 1)])?;
    /// let at = Timestamp::from_seconds;
    /// assert_eq!(live.rows::<i64, (Timestamp, Timestamp)>("bought")?, [(1, (at(130), at(100)))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    ///
    /// # Panics
    /// When both spans together are zero, or longer than 292,000 years.
    #[expect(clippy::type_complexity, reason = "a pair of rows is a pair of rows")]
    #[track_caller]
    fn interval_join<W>(
        self,
        other: Collection<'s, (K, (Timestamp, W))>,
        before: Duration,
        after: Duration,
    ) -> Collection<'s, (K, ((Timestamp, V), (Timestamp, W)))>
    where
        W: ExchangeData + Hash;

    /// `(key, (start, reached))`: the number of funnel steps that each session of a key has
    /// reached.
    ///
    /// `step` gives the step of a row (0 is the first; none for rows that are not a step). A step
    /// counts once all before it have been taken, in the order of their times; rows at one time are
    /// taken in the order of their values. Sessions without the first step have reached 0.
    ///
    /// A change costs the rows of its session, not those of the key. State: every row twice.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # #[derive(Event, Clone)]
    /// # struct Click {
    /// #     at: Timestamp,
    /// #     user: i64,
    /// #     step: i64,
    /// # }
    /// # let click = |second, step| Click { at: Timestamp::from_seconds(second), user: 1, step };
    /// fn funnel(df: &mut Dataflow) {
    ///     let clicks = df.events::<Click>("clicks").map(|c| (c.user, (c.at, c.step)));
    ///     let clicks = clicks.collect("clicks");
    ///     let reached = clicks.funnel(Duration::from_secs(60), |step| Some(*step as u64));
    ///     df.view("funnel", reached);
    /// }
    /// # let mut live = Live::start(("funnel", funnel))?;
    /// live.feed("clicks", &[click(10, 0), click(50, 2), click(30, 1)])?;
    /// let start = Timestamp::from_seconds(10);
    /// assert_eq!(live.rows::<i64, (Timestamp, u64)>("funnel")?, [(1, (start, 3))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    ///
    /// # Panics
    /// As [`TimedExt::sessions`].
    #[track_caller]
    fn funnel<F>(self, gap: Duration, step: F) -> Collection<'s, (K, (Timestamp, u64))>
    where
        F: Fn(&V) -> Option<u64> + 'static;
}

impl<'s, K, V> TimedExt<'s, K, V> for Collection<'s, (K, (Timestamp, V))>
where
    K: ExchangeData + Hash,
    V: ExchangeData + Hash,
{
    fn sessions(self, gap: Duration) -> Collection<'s, ((K, Timestamp), (Timestamp, V))> {
        sessions::sessions(self, micros(gap))
    }

    fn asof_join<W>(
        self,
        other: Collection<'s, (K, (Timestamp, W))>,
    ) -> Collection<'s, (K, (Timestamp, V, Option<W>))>
    where
        W: ExchangeData + Hash,
    {
        asof_join::asof_join(self, other)
    }

    fn interval_join<W>(
        self,
        other: Collection<'s, (K, (Timestamp, W))>,
        before: Duration,
        after: Duration,
    ) -> Collection<'s, (K, ((Timestamp, V), (Timestamp, W)))>
    where
        W: ExchangeData + Hash,
    {
        interval_join::interval_join(self, other, micros(before), micros(after))
    }

    fn funnel<F>(self, gap: Duration, step: F) -> Collection<'s, (K, (Timestamp, u64))>
    where
        F: Fn(&V) -> Option<u64> + 'static,
    {
        funnel::funnel(self, micros(gap), step)
    }
}

/// Operators on the values of a key in an order.
pub trait OrderedExt<'s, K, O, V>: Sized {
    /// `(key, (order, value, running))`: each row with the sum of all values of the key up to it,
    /// itself included; rows of one order are all included in each of them.
    ///
    /// A change costs the rows from its order on, whose sums change: a row that comes last costs
    /// itself. State: every row, sorted by the owner of the key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn so_far(df: &mut Dataflow) {
    ///     let received = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| (t.to_account, (t.ts, t.amount)))
    ///         .collect("received");
    ///     df.view("so_far", received.running_sum());
    /// }
    /// # let mut live = Live::start(("so_far", so_far))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// let rows = live.rows::<i64, (i64, i64, i64)>("so_far")?;
    /// assert_eq!(rows, [(2, (1, 50, 50)), (2, (2, 20, 70))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn running_sum(self) -> Collection<'s, (K, (O, V, V))>;
}

impl<'s, K, O, V> OrderedExt<'s, K, O, V> for Collection<'s, (K, (O, V))>
where
    K: ExchangeData + Hash,
    O: ExchangeData + Hash,
    V: Summand + Hash,
{
    fn running_sum(self) -> Collection<'s, (K, (O, V, V))> {
        running_sum::running_sum(self)
    }
}

/// Operators on sums of panes, such as a count for each minute.
pub trait PanesExt<'s, K, V>: Sized {
    /// `((window, key), sum)`: the sums of all panes in each of `windows`.
    ///
    /// A pane is named by its start, and lies in the windows that contain its start: the windows'
    /// step should be a multiple of the panes' width. Each event is then counted once, in its pane,
    /// and a window costs one row for each pane and key, for any number of events.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use dataflows::Tweet;
    /// use diptych::prelude::*;
    ///
    /// /// Tweets of the last hour, every five minutes.
    /// fn rates(df: &mut Dataflow) {
    ///     let minutes = |n: u64| Duration::from_secs(60 * n);
    ///     let panes = Windows::tumbling(minutes(5));
    ///     let counts = df
    ///         .events::<Tweet>("tweets")
    ///         .map(move |t| (panes.at(t.publish_date).start, t.language.to_owned()))
    ///         .count("panes")
    ///         .map(|((pane, language), n)| ((pane, language), n));
    ///     df.view("rates", counts.slide(Windows::hopping(minutes(60), minutes(5))));
    /// }
    /// # diptych::dataflow::Definition::new("rates", rates).describe().unwrap();
    /// ```
    fn slide(self, windows: Windows) -> Collection<'s, ((Window, K), V)>;
}

impl<'s, K, V> PanesExt<'s, K, V> for Collection<'s, ((Timestamp, K), V)>
where
    K: ExchangeData + Hash,
    V: Summand,
{
    fn slide(self, windows: Windows) -> Collection<'s, ((Window, K), V)> {
        self.flat_map(move |((pane, key), value)| {
            windows.of(pane).map(move |window| ((window, key.clone()), value.clone()))
        })
        .sum_values()
    }
}

/// A span in microseconds. Panics at the caller's line when the span is too long.
#[track_caller]
fn micros(span: Duration) -> i64 {
    let Ok(micros) = i64::try_from(span.as_micros()) else {
        panic!("a span of {span:?} is longer than all of time: write a shorter one");
    };
    micros
}
