//! The differential rest: collections at time [`Epoch`], and sugar over differential's operators.
//!
//! A [`Collection`] is differential's own, so its whole API applies (join, reduce, iterate,
//! arrangements). The law covers functions of *contents*: an operator that reads times, or goes
//! through `.inner`, is outside it.

use std::fmt::Display;
use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::accumulation_monoids::{Key, Monoid, Value};
use super::out_of_range_errors::Refusals;
use super::split_out_of_range::in_range;
use super::summand::{Summand, Total};
use super::top_k::OrderEnd;
use super::vec_collection::{Collection, Inside};

/// Sugar on [`Collection`].
pub trait CollectionExt<'s, D: ExchangeData>: Sized {
    /// The `k` least rows of each group, ranked from 1.
    ///
    /// `split` gives the group and the row to rank; rows are ordered by their `Ord`, least first,
    /// so put [`std::cmp::Reverse`] around what should be greatest. A row of multiplicity `m`
    /// takes `m` ranks; rows of negative multiplicity take none.
    ///
    /// A change costs `O(log n)` in a group of `n` rows, and a group that changed costs `O(k)` once
    /// per epoch. State: every row of every group, kept sorted by the owner of the group.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// use std::cmp::Reverse;
    ///
    /// fn top(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     let sums = received.sum("received");
    ///     let top = sums.top_k(1, |(account, sum)| ((), (Reverse(sum), account)));
    ///     df.view("top", top.map(|((_, rank), (Reverse(sum), account))| (rank, (account, sum))));
    /// }
    /// # let mut live = Live::start(("top", top))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(1, 3, 20, 2)])?;
    /// assert_eq!(live.rows::<u64, (i64, i64)>("top")?, [(1, (2, 50))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn top_k<G, R, F>(self, k: usize, split: F) -> Collection<'s, ((G, u64), R)>
    where
        G: Key,
        R: Value,
        F: Fn(D) -> (G, R) + 'static;

    /// The rows of each group whose rank is `k` at most, ranked from 1; rows of one order have one
    /// rank, so there may be more than `k`. Ranks are those of SQL's `rank()`: behind two rows of
    /// rank 1 comes rank 3.
    ///
    /// `split` gives the group, what its rows are ranked by, least first, and the rest of the row,
    /// which stays out of the ranking. A row of multiplicity `m` counts `m` times, and is there `m`
    /// times; rows of negative multiplicity are not.
    ///
    /// A change costs `O(log n)` in a group of `n` rows, and a group that changed costs its top
    /// once per epoch. State: every row of every group, kept sorted by the owner of the group.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// use std::cmp::Reverse;
    ///
    /// /// The account that received most, or all that did.
    /// fn best(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     let sums = received.sum("received");
    ///     let best = sums.top_k_with_ties(1, |(account, sum)| ((), Reverse(sum), account));
    ///     df.view("best", best.map(|(_, (Reverse(sum), account))| (account, sum)));
    /// }
    /// # let mut live = Live::start(("best", best))?;
    /// let transfers = [transfer(1, 2, 50, 1), transfer(1, 3, 50, 2), transfer(1, 4, 20, 3)];
    /// live.feed("transfers", &transfers)?;
    /// assert_eq!(live.rows::<i64, i64>("best")?, [(2, 50), (3, 50)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn top_k_with_ties<G, O, R, F>(self, k: usize, split: F) -> Collection<'s, ((G, u64), (O, R))>
    where
        G: Key,
        O: Value,
        R: Value,
        F: Fn(D) -> (G, O, R) + 'static;

    /// The result of `logic` for each row. Where `logic` gives an error, the view `errors` has a
    /// row with `name`, the input row and the error, for as long as the input row is there.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn doubled(df: &mut Dataflow) {
    ///     let received = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount));
    ///     let doubled = received.sum("received").try_map("doubled", |(account, sum)| {
    ///         let doubled = sum.checked_mul(2).ok_or("too much to double")?;
    ///         Ok::<_, &str>((account, doubled))
    ///     });
    ///     df.view("doubled", doubled);
    /// }
    /// # let mut live = Live::start(("doubled", doubled))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(1, 3, i64::MAX, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("doubled")?, [(2, 100)]);
    /// let ((_epoch, name, reason), _n) = &live.rows::<(u64, String, String), i64>("errors")?[0];
    /// assert_eq!(name, "doubled");
    /// assert_eq!(reason, "key (3, 9223372036854775807): too much to double");
    /// live.feed("transfers", &[transfer(1, 3, -7, 3), transfer(1, 3, 10 - i64::MAX, 4)])?;
    /// assert_eq!(live.rows::<i64, i64>("doubled")?, [(2, 100), (3, 6)]);
    /// assert_eq!(live.rows::<(u64, String, String), i64>("errors")?, []);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn try_map<T, E, F>(self, name: &str, logic: F) -> Collection<'s, T>
    where
        T: Clone + 'static,
        E: Display,
        F: Fn(D) -> Result<T, E> + 'static;

    /// The closure of these rows under `logic`: `logic` is applied to the rows so far, with `with`
    /// beside them, and its results are added, until nothing is new. Each row is there once.
    ///
    /// This is differential's `iterate` for collections that only grow from round to round. The
    /// result shrinks again when the rows, or `with`, do: exactly the rows that depended on the
    /// removed ones go.
    ///
    /// A change costs the rows it adds and removes, in as many rounds as that takes; the inputs of
    /// joins in `logic` are arranged inside, round by round. Where `logic` only follows edges,
    /// [`EdgesExt::reach`](super::EdgesExt::reach) is cheaper.
    ///
    /// ```
    /// use dataflows::Edge;
    /// use diptych::prelude::*;
    ///
    /// /// Each way of one or more edges, as where it starts and where it ends.
    /// fn ways(df: &mut Dataflow) {
    ///     let edges = df.events::<Edge>("edges").weighted(|e| e.diff).map(|e| (e.src, e.dst));
    ///     let edges = edges.distinct("edges");
    ///     let ways = edges.clone().grow(edges, |ways, edges| {
    ///         ways.map(|(src, dst)| (dst, src)).join_map(edges, |_, src, dst| (*src, *dst))
    ///     });
    ///     df.view("ways", ways);
    /// }
    /// # diptych::dataflow::Definition::new("ways", ways).describe().unwrap();
    /// ```
    fn grow<E, F>(self, with: Collection<'s, E>, logic: F) -> Collection<'s, D>
    where
        D: Hash,
        E: ExchangeData,
        for<'i> F: FnOnce(Inside<'i, D>, Inside<'i, E>) -> Inside<'i, D>;
}

/// Sugar on collections of `(key, value)`.
pub trait PairsExt<'s, K, V>: Sized {
    /// The connected component of each key, `(key, least)`: keys that share a value are connected,
    /// and `least` is the least key of the component. Pairs of negative multiplicity connect
    /// nothing; when a pair goes, keys that only it connected fall apart.
    ///
    /// A change costs the keys whose component it changes, in as many rounds as the path to them is
    /// long; where the least key of a component changes, all of its keys. State: each pair three
    /// times (by value, as edges from key to key, and as labels sent along them), and each key with
    /// its component, sorted by the owner of the component.
    ///
    /// ```
    /// use dataflows::Edge;
    /// use diptych::prelude::*;
    ///
    /// /// The components of an undirected graph: both ends of an edge share the edge.
    /// fn components(df: &mut Dataflow) {
    ///     let edges = df.events::<Edge>("edges").weighted(|e| e.diff).map(|e| (e.src, e.dst));
    ///     let edges = edges.distinct("edges");
    ///     let ends = edges.flat_map(|(src, dst)| [(src, (src, dst)), (dst, (src, dst))]);
    ///     df.view("components", ends.components()).columns(&["node", "least"]);
    /// }
    /// # diptych::dataflow::Definition::new("components", components).describe().unwrap();
    /// ```
    fn components(self) -> Collection<'s, (K, K)>
    where
        V: Hash;

    /// The number of distinct values of each key; values of negative multiplicity do not count.
    /// A change costs one value. State: every value of every key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn senders(df: &mut Dataflow) {
    ///     let pairs = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.from_account));
    ///     df.view("senders", pairs.collect("pairs").distinct_count());
    /// }
    /// # let mut live = Live::start(("senders", senders))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(3, 2, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("senders")?, [(2, 2)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn distinct_count(self) -> Collection<'s, (K, i64)>
    where
        V: Hash;

    /// The left join `(key, (value, found))`: each row with every row of `other` under its key, or
    /// with `None` where there is none. A change costs the rows that it is paired with. State: the
    /// rows of both sides, these twice.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn answered(df: &mut Dataflow) {
    ///     let transfers = df.events::<Transfer>("transfers");
    ///     let received = transfers.clone().map(|t| (t.to_account, t.amount)).collect("received");
    ///     let sent = transfers.map(|t| (t.from_account, t.amount)).collect("sent");
    ///     df.view("answered", received.left_join(sent));
    /// }
    /// # let mut live = Live::start(("answered", answered))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(2, 3, 20, 2)])?;
    /// let rows = live.rows::<i64, (i64, Option<i64>)>("answered")?;
    /// assert_eq!(rows, [(2, (50, Some(20))), (3, (20, None))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn left_join<W>(self, other: Collection<'s, (K, W)>) -> Collection<'s, (K, (V, Option<W>))>
    where
        V: Hash,
        W: ExchangeData + Hash;

    /// The exact sum of values per key, kept incrementally: a change costs one key, not its rows.
    ///
    /// A key whose sum is out of the range of its type has no row, but one in the view `errors` for
    /// as long as it is out of range.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// fn sent(df: &mut Dataflow) {
    ///     let pairs = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| ((t.from_account, t.to_account), t.amount))
    ///         .sum("pairs");
    ///     df.view("pairs", pairs.clone());
    ///     df.view("sent", pairs.map(|((from, _to), amount)| (from, amount)).sum_values());
    /// }
    /// # let mut live = Live::start(("sent", sent))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(1, 3, 20, 2)])?;
    /// assert_eq!(live.rows::<i64, i64>("sent")?, [(1, 70)]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn sum_values(self) -> Collection<'s, (K, V)>
    where
        V: Summand;

    /// A commutative [`Monoid`] of the values of each key, where values may also be removed; in
    /// front of a barrier, where they may not, [`Events::fold`](super::Events::fold) does this.
    /// Values of negative multiplicity do not count.
    ///
    /// A change in a key of `n` values merges about 128 of them again, and `n / 128` parts. State:
    /// every value, sorted by the owner of the key. Sums alone are cheaper with
    /// [`PairsExt::sum_values`].
    ///
    /// ```
    /// use dataflows::IdentifiedTweet;
    /// use diptych::folds::{Count, Max};
    /// use diptych::prelude::*;
    ///
    /// /// Tweets per hour and the longest of them, copies left out.
    /// fn hours(df: &mut Dataflow) {
    ///     let hours = df
    ///         .events::<IdentifiedTweet>("tweets_with_id")
    ///         .map(|t| (t.id, t.publish_date.hour(), t.content.len() as u64))
    ///         .distinct_by("tweets", |(id, ..)| *id)
    ///         .map(|(_, hour, length)| (hour, ((), length)))
    ///         .fold_values::<(Count, Max<u64>)>()
    ///         .map(|(hour, (n, longest))| (hour, (n.get(), longest.get())));
    ///     df.view("hours", hours).columns(&["hour", "n", "longest"]);
    /// }
    /// # diptych::dataflow::Definition::new("hours", hours).describe().unwrap();
    /// ```
    fn fold_values<M>(self) -> Collection<'s, (K, M)>
    where
        M: Monoid<Item = V>;

    /// The value with the greatest `order` per key, where values may also be removed; among equals
    /// the greatest value. Where values are only added,
    /// [`Events::max_by`](super::Events::max_by) keeps one value per key.
    ///
    /// A change costs `O(log n)` in a key of `n` values. State: every value, sorted by the owner of
    /// the key.
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// /// To whom each account has sent most, all in all.
    /// fn most(df: &mut Dataflow) {
    ///     let pairs = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| ((t.from_account, t.to_account), t.amount))
    ///         .sum("pairs");
    ///     let sent = pairs.map(|((from, to), amount)| (from, (to, amount)));
    ///     df.view("most", sent.max_by(|(_, amount)| *amount));
    /// }
    /// # let mut live = Live::start(("most", most))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(1, 3, 70, 2)])?;
    /// live.feed("transfers", &[transfer(1, 3, -30, 3)])?; // 40 in all
    /// assert_eq!(live.rows::<i64, (i64, i64)>("most")?, [(1, (2, 50))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn max_by<O, F>(self, order: F) -> Collection<'s, (K, V)>
    where
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static;

    /// The value with the least `order` per key, where values may also be removed; among equals the
    /// least value. The cost is that of [`PairsExt::max_by`].
    ///
    /// ```
    /// # use dataflows::Transfer;
    /// # use diptych::prelude::*;
    /// # use diptych::testing::Live;
    /// # let transfer = |from_account, to_account, amount, ts| {
    /// #     Transfer { id: ts, from_account, to_account, amount, ts }
    /// # };
    /// /// To whom each account has sent least, all in all.
    /// fn least(df: &mut Dataflow) {
    ///     let pairs = df
    ///         .events::<Transfer>("transfers")
    ///         .map(|t| ((t.from_account, t.to_account), t.amount))
    ///         .sum("pairs");
    ///     let sent = pairs.map(|((from, to), amount)| (from, (to, amount)));
    ///     df.view("least", sent.min_by(|(_, amount)| *amount));
    /// }
    /// # let mut live = Live::start(("least", least))?;
    /// live.feed("transfers", &[transfer(1, 2, 50, 1), transfer(1, 3, 70, 2)])?;
    /// live.feed("transfers", &[transfer(1, 3, -30, 3)])?; // 40 in all
    /// assert_eq!(live.rows::<i64, (i64, i64)>("least")?, [(1, (3, 40))]);
    /// # Ok::<(), diptych::Error>(())
    /// ```
    fn min_by<O, F>(self, order: F) -> Collection<'s, (K, V)>
    where
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static;
}

impl<'s, D: ExchangeData> CollectionExt<'s, D> for Collection<'s, D> {
    fn top_k<G, R, F>(self, k: usize, split: F) -> Collection<'s, ((G, u64), R)>
    where
        G: Key,
        R: Value,
        F: Fn(D) -> (G, R) + 'static,
    {
        super::top_k::top_k(self.map(split), k)
    }
    fn top_k_with_ties<G, O, R, F>(self, k: usize, split: F) -> Collection<'s, ((G, u64), (O, R))>
    where
        G: Key,
        O: Value,
        R: Value,
        F: Fn(D) -> (G, O, R) + 'static,
    {
        let rows = self.map(move |row| {
            let (group, order, row) = split(row);
            (group, (order, row))
        });
        super::top_k::top_k_with_ties(rows, k)
    }
    fn try_map<T, E, F>(self, name: &str, logic: F) -> Collection<'s, T>
    where
        T: Clone + 'static,
        E: Display,
        F: Fn(D) -> Result<T, E> + 'static,
    {
        in_range(self, Refusals::of(name), move |row: D| {
            logic(row.clone()).map_err(|reason| (row, reason.to_string()))
        })
    }
    fn grow<E, F>(self, with: Collection<'s, E>, logic: F) -> Collection<'s, D>
    where
        D: Hash,
        E: ExchangeData,
        for<'i> F: FnOnce(Inside<'i, D>, Inside<'i, E>) -> Inside<'i, D>,
    {
        use differential_dataflow::operators::Iterate;
        let start = self.clone();
        self.iterate(|scope, grown| {
            let with = with.enter(scope);
            let start = start.enter(scope);
            // `distinct` consolidates: without it, rows that cancel would circulate for ever.
            logic(grown, with).concat(start).distinct()
        })
    }
}

impl<'s, K, V> PairsExt<'s, K, V> for Collection<'s, (K, V)>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
{
    fn components(self) -> Collection<'s, (K, K)>
    where
        V: Hash,
    {
        super::graph_algorithms::components(self)
    }
    fn distinct_count(self) -> Collection<'s, (K, i64)>
    where
        V: Hash,
    {
        use differential_dataflow::operators::{CountTotal, ThresholdTotal};
        // Not `distinct_total`: for it, a row of negative multiplicity is there.
        let there = self.threshold_total(|_, copies| isize::from(*copies > 0));
        let keys = there.map(|(key, _)| key);
        keys.count_total().map(|(key, n)| (key, n as i64))
    }
    fn left_join<W>(self, other: Collection<'s, (K, W)>) -> Collection<'s, (K, (V, Option<W>))>
    where
        V: Hash,
        W: ExchangeData + Hash,
    {
        use differential_dataflow::operators::ThresholdTotal;
        let known = other.clone().map(|(key, _)| key);
        let known = known.threshold_total(|_, copies| isize::from(*copies > 0));
        let alone = self.clone().antijoin(known).map(|(key, value)| (key, (value, None)));
        let found = self.join(other).map(|(key, (value, found))| (key, (value, Some(found))));
        found.concat(alone)
    }
    fn sum_values(self) -> Collection<'s, (K, V)>
    where
        V: Summand,
    {
        use differential_dataflow::operators::CountTotal;
        let totals = self.explode(|(key, value)| Some((key, Total::In(value, 1)))).count_total();
        let refusals = Refusals::of_operator("sum_values");
        in_range(totals, refusals, |(key, total): (K, Total<V>)| match total.value() {
            Ok(value) => Ok((key, value)),
            Err(reason) => Err((key, reason)),
        })
    }
    fn fold_values<M>(self) -> Collection<'s, (K, M)>
    where
        M: Monoid<Item = V>,
    {
        let folded = super::fold_values::fold_values(self);
        if !M::BOUNDED {
            return folded;
        }
        let refusals = Refusals::of_operator("fold_values");
        in_range(folded, refusals, |(key, all): (K, M)| match all.refused() {
            Some(reason) => Err((key, reason)),
            None => Ok((key, all)),
        })
    }
    fn max_by<O, F>(self, order: F) -> Collection<'s, (K, V)>
    where
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static,
    {
        super::top_k::at_end(self, OrderEnd::Greatest, order)
    }
    fn min_by<O, F>(self, order: F) -> Collection<'s, (K, V)>
    where
        O: Ord + 'static,
        F: Fn(&V) -> O + 'static,
    {
        super::top_k::at_end(self, OrderEnd::Least, order)
    }
}
