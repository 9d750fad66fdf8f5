//! A dataflow with every kind of accumulation behind streams and views with retention, and its
//! naive twin: filter by the horizon, then compute from scratch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use diptych::dataflow::{CollectionExt, Definition, Keep, Monoid};
use diptych::event::Timestamp;
use diptych::row::Columns;
use diptych::serving::Snapshot;
use diptych::{Dataflow, Event};
use serde::{Deserialize, Serialize};

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const DAY: i64 = 24 * 60 * MINUTE;

/// A measurement.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) at: Option<Timestamp>,
    pub(crate) key: String,
    pub(crate) value: i64,
    pub(crate) weight: i64,
}

/// An event of another stream.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Remark {
    pub(crate) at: Timestamp,
    pub(crate) key: String,
}

/// A fold to the greatest value, which has no inverse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Greatest(i64);

impl Monoid for Greatest {
    type Item = i64;
    fn of(item: i64) -> Self {
        Greatest(item)
    }
    fn merge(&mut self, other: Self) {
        self.0 = self.0.max(other.0);
    }
}

fn every_kind(df: &mut Dataflow) {
    let keep = Keep::minutes(10).step(Duration::from_mins(3));
    let readings = df.events::<Reading>("readings").retain(|r| r.at, keep);
    let remarks = df.events::<Remark>("remarks");
    let brief = remarks.clone().retain(|r| r.at, Keep::minutes(4));
    let signed = readings.clone().weighted(|r| r.weight);

    let counts = signed.clone().map(|r| r.key.to_owned()).count("counts");
    let top = counts.clone().top_k(2, |(key, n)| ((), (Reverse(n), key)));
    df.view("counts", counts);
    df.view("top", top.map(|(((), rank), (Reverse(n), key))| (rank, (key, n))));
    let sums = signed.clone().map(|r| (r.key.to_owned(), r.value)).sum("sums");
    df.view("sums", sums);
    let distinct = signed.clone().map(|r| r.value).distinct("distinct");
    df.view("distinct", distinct.map(|value| (value, ())));
    let moment = |at: Option<Timestamp>| at.map(Timestamp::micros);
    let latest = readings
        .clone()
        .map(move |r| (r.key.to_owned(), (moment(r.at), r.value)))
        .latest("latest", |(at, _)| *at);
    df.view("latest", latest);
    let by_id = readings.clone().map(|r| (r.value, r.key.to_owned()));
    df.view("by_id", by_id.distinct_by("by_id", |(value, _)| value % 3));
    let greatest =
        readings.clone().map(|r| (r.key.to_owned(), r.value)).fold::<Greatest, _>("greatest");
    df.view("greatest", greatest.map(|(key, greatest)| (key, greatest.0)));
    let rows = signed.clone().map(|r| (r.key.to_owned(), r.value)).collect("rows");
    df.view("rows", rows);
    let joined = signed
        .map(|r| (r.key.to_owned(), r.value))
        .keyed("values")
        .join(brief.clone().map(|r| (r.key.to_owned(), ())).keyed("remarked"));
    df.view("joined", joined.map(|(key, (value, ()))| (key, value)));
    let keys = readings.clone().map(|r| r.key.to_owned());
    let all = keys.clone().concat(remarks.clone().map(|r| r.key.to_owned())).count("some_kept");
    df.view("some_kept", all);
    let both = keys.concat(brief.map(|r| r.key.to_owned())).count("both_brief");
    df.view("both_brief", both);
    let good = readings
        .clone()
        .try_map(|r| if r.value == 3 { Err("three") } else { Ok(r.key.to_owned()) });
    df.view("good", good.count("good"));

    // Views that keep their rows for some time, over all events and over those that are kept.
    let every = df.events::<Reading>("readings");
    let newest = every.newest(|r| r.at);
    let minutes = every
        .clone()
        .weighted(|r| r.weight)
        .map(|r| (r.at.map(Timestamp::minute), r.key.to_owned()))
        .count("minutes");
    df.view("minutes", minutes)
        .retain(&newest, |(minute, _), _| *minute, Keep::minutes(5))
        .columns(&["minute", "key", "n"]);
    let last = every
        .map(move |r| (r.value, (moment(r.at), r.key.to_owned())))
        .latest("last", |(at, _)| Reverse(*at));
    df.view("first", last).retain(
        &newest,
        |_, (at, _)| at.map(Timestamp::from_micros),
        Keep::minutes(6).step(Duration::from_secs(7)),
    );
    let minutes = readings.map(|r| (r.at.map(Timestamp::minute), r.value)).count("kept_minutes");
    df.view("kept_minutes", minutes).retain(
        &newest,
        |(minute, _), _| *minute,
        Keep::minutes(2).step(Duration::from_mins(1)),
    );
}

pub(crate) fn definition() -> Definition {
    Definition::new("every_kind", every_kind)
}

/// All views: rows as text, with their multiplicities.
pub(crate) type Answers = BTreeMap<&'static str, BTreeMap<String, i64>>;

/// An epoch: its clock, and its events.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) clock: i64,
    pub(crate) readings: Vec<Reading>,
    pub(crate) remarks: Vec<Remark>,
}

/// The newest time that an event claims with `at` in an epoch of this clock.
fn claim(at: i64, clock: i64) -> Option<i128> {
    let (at, clock) = (i128::from(at), i128::from(clock));
    (at <= clock + i128::from(DAY)).then(|| at.min(clock))
}

/// The horizon: the first moment that is kept; none when all is.
fn horizon(newest: Option<i128>, keep: i64, step: i64) -> Option<i128> {
    let (keep, step) = (i128::from(keep), i128::from(step));
    newest.map(|newest| (newest - keep).div_euclid(step) * step)
}

fn stays(at: Option<i64>, horizon: Option<i128>, step: i64) -> bool {
    let Some(at) = at else { return true };
    let step = i128::from(step);
    // The step it lies in begins at or behind the horizon.
    horizon.is_none_or(|horizon| i128::from(at).div_euclid(step) * step >= horizon)
}

/// Rows with multiplicities, without those that cancel.
#[derive(Default)]
struct Rows(BTreeMap<String, i64>);

impl Rows {
    fn add(&mut self, row: impl Debug, times: i64) {
        *self.0.entry(format!("{row:?}")).or_default() += times;
    }
    fn of<T: Debug>(rows: impl IntoIterator<Item = T>) -> Self {
        let mut all = Rows::default();
        rows.into_iter().for_each(|row| all.add(row, 1));
        all
    }
    fn done(mut self) -> BTreeMap<String, i64> {
        self.0.retain(|_, times| *times != 0);
        self.0
    }
}

fn us(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::micros)
}

fn counted<K: Ord + Clone + Debug>(items: impl Iterator<Item = (K, i64)>) -> Vec<(K, i64)> {
    let mut counts: BTreeMap<K, i64> = BTreeMap::new();
    items.for_each(|(item, weight)| *counts.entry(item).or_default() += weight);
    counts.into_iter().filter(|(_, n)| *n != 0).collect()
}

/// The expected rows of all views after these epochs.
pub(crate) fn twin(epochs: &[Epoch]) -> Answers {
    let numbered: Vec<(usize, &Epoch)> = epochs.iter().enumerate().collect();
    let every: Vec<(usize, &Reading)> =
        numbered.iter().flat_map(|(e, epoch)| epoch.readings.iter().map(|r| (*e, r))).collect();
    let remarks: Vec<&Remark> = epochs.iter().flat_map(|epoch| &epoch.remarks).collect();
    let clock = |epoch: usize| epochs[epoch].clock;
    let newest = every.iter().filter_map(|(e, r)| claim(us(r.at)?, clock(*e))).max();
    let said = epochs.iter().flat_map(|epoch| epoch.remarks.iter().map(|r| (epoch.clock, r)));
    let newest_remark = said.filter_map(|(clock, r)| claim(r.at.micros(), clock)).max();
    let first = horizon(newest, 10 * MINUTE, 180 * SECOND);
    let kept: Vec<(usize, &Reading)> =
        every.iter().filter(|(_, r)| stays(us(r.at), first, 180 * SECOND)).copied().collect();
    let first = horizon(newest_remark, 4 * MINUTE, SECOND);
    let brief: Vec<&Remark> =
        remarks.iter().filter(|r| stays(us(Some(r.at)), first, SECOND)).copied().collect();
    let mut answers = accumulated(&kept, &remarks, &brief);
    answers.extend(aged(&every, &kept, newest));
    answers
}

fn accumulated(kept: &[(usize, &Reading)], remarks: &[&Remark], brief: &[&Remark]) -> Answers {
    let kept = || kept.iter().copied();
    let counts = counted(kept().map(|(_, r)| (r.key.clone(), r.weight)));
    let mut ranked: Vec<_> = counts.iter().map(|(key, n)| (Reverse(*n), key.clone())).collect();
    ranked.sort();
    let top = ranked.into_iter().take(2).zip(1_u64..);
    let top = Rows::of(top.map(|((Reverse(n), key), rank)| (rank, (key, n))));
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let (mut latest, mut greatest) = (BTreeMap::new(), BTreeMap::new());
    let (mut by_id, mut rows, mut joined) = (BTreeMap::new(), Rows::default(), Rows::default());
    for (_, r) in kept() {
        if r.weight != 0 {
            let (sum, events) = sums.entry(r.key.clone()).or_default();
            *sum += r.weight * r.value;
            *events += r.weight;
        }
        let row = (us(r.at), r.value);
        let there = latest.entry(r.key.clone()).or_insert(row);
        *there = row.max(*there);
        let most = greatest.entry(r.key.clone()).or_insert(r.value);
        *most = r.value.max(*most);
        let row = (r.value, r.key.clone());
        let least = by_id.entry(r.value % 3).or_insert_with(|| row.clone());
        *least = row.min(least.clone());
        rows.add((&r.key, r.value), r.weight);
        let with = brief.iter().filter(|remark| remark.key == r.key).count();
        joined.add((&r.key, r.value), r.weight * with as i64);
    }
    let sums = sums.into_iter().filter(|(_, sum)| *sum != (0, 0)).map(|(key, (s, _))| (key, s));
    let distinct = counted(kept().map(|(_, r)| (r.value, r.weight)));
    let distinct = distinct.into_iter().filter(|(_, n)| *n > 0).map(|(value, _)| (value, ()));
    let keys = || kept().map(|(_, r)| (r.key.clone(), 1));
    let some_kept = counted(keys().chain(remarks.iter().map(|r| (r.key.clone(), 1))));
    let both_brief = counted(keys().chain(brief.iter().map(|r| (r.key.clone(), 1))));
    let good = counted(kept().filter(|(_, r)| r.value != 3).map(|(_, r)| (r.key.clone(), 1)));
    let bad = kept().filter(|(_, r)| r.value == 3);
    let bad = counted(bad.map(|(e, _)| ((e as u64, "readings".to_owned(), "three".to_owned()), 1)));
    BTreeMap::from([
        ("top", top.done()),
        ("counts", Rows::of(counts).done()),
        ("sums", Rows::of(sums).done()),
        ("distinct", Rows::of(distinct).done()),
        ("latest", Rows::of(latest).done()),
        ("by_id", Rows::of(by_id.into_values()).done()),
        ("greatest", Rows::of(greatest).done()),
        ("rows", rows.done()),
        ("joined", joined.done()),
        ("some_kept", Rows::of(some_kept).done()),
        ("both_brief", Rows::of(both_brief).done()),
        ("good", Rows::of(good).done()),
        ("errors", Rows::of(bad).done()),
    ])
}

/// The views with a retention of their own.
fn aged(every: &[(usize, &Reading)], kept: &[(usize, &Reading)], newest: Option<i128>) -> Answers {
    let minute = |r: &Reading| r.at.map(Timestamp::minute);
    let minutes = counted(every.iter().map(|(_, r)| ((minute(r), r.key.clone()), r.weight)));
    let first = horizon(newest, 5 * MINUTE, SECOND);
    let minutes = minutes.into_iter().filter(|((minute, _), _)| stays(us(*minute), first, SECOND));
    let values: BTreeSet<i64> = every.iter().map(|(_, r)| r.value).collect();
    let firsts = values.into_iter().filter_map(|value| {
        let same = every.iter().filter(|(_, r)| r.value == value);
        let rows = same.map(|(_, r)| (Reverse(us(r.at)), (us(r.at), r.key.clone())));
        rows.max().map(|(_, row)| (value, row))
    });
    let first = horizon(newest, 6 * MINUTE, 7 * SECOND);
    let firsts = firsts.filter(|(_, (at, _))| stays(*at, first, 7 * SECOND));
    let kept_minutes = counted(kept.iter().map(|(_, r)| ((minute(r), r.value), 1)));
    let first = horizon(newest, 2 * MINUTE, MINUTE);
    let kept_minutes =
        kept_minutes.into_iter().filter(|((minute, _), _)| stays(us(*minute), first, MINUTE));
    BTreeMap::from([
        ("minutes", Rows::of(minutes).done()),
        ("first", Rows::of(firsts).done()),
        ("kept_minutes", Rows::of(kept_minutes).done()),
    ])
}

fn view<K: Columns + Debug, V: Columns + Debug>(
    snapshot: &Snapshot,
    name: &str,
) -> diptych::Result<BTreeMap<String, i64>> {
    let mut all = Rows::default();
    for (row, times) in snapshot.rows::<K, V>(name)? {
        all.add(row, times as i64);
    }
    Ok(all.done())
}

/// The rows of all views of a snapshot.
pub(crate) fn answers(of: &Snapshot) -> diptych::Result<Answers> {
    Ok(BTreeMap::from([
        ("top", view::<u64, (String, i64)>(of, "top")?),
        ("counts", view::<String, i64>(of, "counts")?),
        ("sums", view::<String, i64>(of, "sums")?),
        ("distinct", view::<i64, ()>(of, "distinct")?),
        ("latest", view::<String, (Option<i64>, i64)>(of, "latest")?),
        ("by_id", view::<i64, String>(of, "by_id")?),
        ("greatest", view::<String, i64>(of, "greatest")?),
        ("rows", view::<String, i64>(of, "rows")?),
        ("joined", view::<String, i64>(of, "joined")?),
        ("some_kept", view::<String, i64>(of, "some_kept")?),
        ("both_brief", view::<String, i64>(of, "both_brief")?),
        ("good", view::<String, i64>(of, "good")?),
        ("errors", view::<(u64, String, String), i64>(of, "errors")?),
        ("minutes", view::<(Option<Timestamp>, String), i64>(of, "minutes")?),
        ("first", view::<i64, (Option<i64>, String)>(of, "first")?),
        ("kept_minutes", view::<(Option<Timestamp>, i64), i64>(of, "kept_minutes")?),
    ]))
}
