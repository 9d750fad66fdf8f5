//! Every operator of event time, `left_join` and `fold_values`, against the most obvious
//! equivalent, at every epoch: history at once, then epoch by epoch.
//!
//! Facts come out of order and late, are taken back (in any order), and meet at one time.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use diptych::dataflow::{Definition, OrderedExt, PairsExt, PanesExt, TimedExt, Windows};
use diptych::event::{Decimal, Timestamp};
use diptych::folds::{Count, Max, Min, Variance};
use diptych::row::Columns;
use diptych::serving::{Read, Snapshot};
use diptych::sources::append;
use diptych::system::{Boundary, Cluster, ServeOptions};
use diptych::time::Epoch;
use diptych::{Dataflow, Event, System};
use proptest::prelude::*;

/// An event on one of two sides.
#[derive(Event, Clone, Debug)]
struct Fact {
    side: i64,
    key: i64,
    at: Timestamp,
    n: i64,
    /// The number of copies that come, or go.
    weight: i64,
}

const GAP: i64 = 5;
const BEFORE: i64 = 3;
const AFTER: i64 = 4;
const WIDTH: i64 = 12;
const STEP: i64 = 4;

fn micros(span: i64) -> Duration {
    Duration::from_micros(span.unsigned_abs())
}

/// Steps of the funnel: 0, then 1, then 2; a value of -1 is none.
fn step(n: i64) -> Option<u64> {
    u64::try_from(n).ok()
}

fn timed(df: &mut Dataflow) {
    let facts = df.events::<Fact>("facts").weighted(|f| f.weight);
    let left = facts.clone().filter(|f| f.side == 0).map(|f| (f.key, (f.at, f.n))).collect("left");
    let right = facts.filter(|f| f.side == 1).map(|f| (f.key, (f.at, f.n))).collect("right");
    let sessions = left.clone().sessions(micros(GAP));
    df.view("sessions", sessions.map(|((key, start), (at, n))| ((key, start), (at, n))));
    df.view("as_of", left.clone().asof_join(right.clone()));
    df.view("near", left.clone().interval_join(right.clone(), micros(BEFORE), micros(AFTER)));
    df.view("funnel", left.clone().funnel(micros(GAP), |n| step(*n)));
    df.view("running", left.clone().running_sum());
    df.view(
        "joined",
        left.clone().map(|(key, (_, n))| (key, n)).left_join(right.map(|(key, (_, n))| (key, n))),
    );
    let numbers = left.clone().map(|(key, (_, n))| (key, ((), n, n, n)));
    let folded = numbers.fold_values::<(Count, Min<i64>, Max<i64>, Variance<i64>)>();
    let folded = folded.map(|(key, (n, min, max, spread))| {
        (key, ((n.get(), min.get(), max.get()), spread.decimal::<3>()))
    });
    df.view("folded", folded);
    let panes = Windows::tumbling(micros(STEP));
    let counts = left.map(move |(key, (at, n))| ((panes.at(at).start, key), n)).sum_values();
    df.view("windows", counts.slide(Windows::hopping(micros(WIDTH), micros(STEP))));
}

type Row = (i64, i64);

/// The rows of a side by key, in order, each with its multiplicity.
fn rows(facts: &[Fact], side: i64) -> BTreeMap<i64, BTreeMap<Row, i64>> {
    let mut keys = BTreeMap::<i64, BTreeMap<Row, i64>>::new();
    for f in facts.iter().filter(|f| f.side == side) {
        *keys.entry(f.key).or_default().entry((f.at.micros(), f.n)).or_default() += f.weight;
    }
    for rows in keys.values_mut() {
        rows.retain(|_, times| *times != 0);
    }
    keys.retain(|_, rows| !rows.is_empty());
    keys
}

/// The rows with a positive multiplicity.
fn there(rows: &BTreeMap<Row, i64>) -> Vec<(Row, i64)> {
    rows.iter().filter(|(_, times)| **times > 0).map(|(row, times)| (*row, *times)).collect()
}

/// The start of the session of the row at `at`: step by step to earlier rows.
fn start(rows: &[(Row, i64)], mut at: i64) -> i64 {
    while let Some(((earlier, _), _)) =
        rows.iter().rev().find(|((other, _), _)| *other < at && at - other <= GAP)
    {
        at = *earlier;
    }
    at
}

type Found<K, V> = BTreeMap<(K, V), i64>;

fn add<K: Ord, V: Ord>(found: &mut Found<K, V>, row: (K, V), times: i64) {
    let entry = found.entry(row);
    *entry.or_default() += times;
}

fn same<K, V>(snapshot: &Snapshot, name: &str, mut expected: Found<K, V>)
where
    K: Columns + Ord + Debug,
    V: Columns + Ord + Debug,
{
    expected.retain(|_, times| *times != 0);
    let rows = snapshot.rows::<K, V>(name).unwrap();
    let found: Found<K, V> = rows.into_iter().map(|(row, times)| (row, times as i64)).collect();
    assert_eq!(found, expected, "{name} at {:?}", snapshot.epoch());
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn check_sessions(snapshot: &Snapshot, left: &BTreeMap<i64, BTreeMap<Row, i64>>) {
    let (mut sessions, mut funnel) = (Found::new(), Found::new());
    for (key, all) in left {
        let rows = there(all);
        for ((time, n), times) in &rows {
            add(&mut sessions, ((*key, at(start(&rows, *time))), (at(*time), *n)), *times);
        }
        let starts: BTreeSet<_> = rows.iter().map(|((time, _), _)| start(&rows, *time)).collect();
        for begin in starts {
            let mut reached = 0;
            for ((_, n), _) in rows.iter().filter(|((time, _), _)| start(&rows, *time) == begin) {
                reached += u64::from(step(*n) == Some(reached));
            }
            add(&mut funnel, (*key, (at(begin), reached)), 1);
        }
    }
    same::<(i64, Timestamp), (Timestamp, i64)>(snapshot, "sessions", sessions);
    same::<i64, (Timestamp, u64)>(snapshot, "funnel", funnel);
}

fn check_joins(
    snapshot: &Snapshot,
    left: &BTreeMap<i64, BTreeMap<Row, i64>>,
    right: &BTreeMap<i64, BTreeMap<Row, i64>>,
) {
    let (mut as_of, mut near, mut joined) = (Found::new(), Found::new(), Found::new());
    let none = BTreeMap::new();
    for (key, rows) in left {
        let others = right.get(key).unwrap_or(&none);
        for ((time, n), times) in there(rows) {
            let latest = there(others).into_iter().rev().find(|((other, _), _)| *other <= time);
            add(&mut as_of, (*key, (at(time), n, latest.map(|((_, n), _)| n))), times);
        }
        // A join multiplies, also what is there a negative number of times.
        let mut values = BTreeMap::<i64, i64>::new();
        for ((time, n), times) in rows {
            for ((other, m), more) in others {
                if (-BEFORE..=AFTER).contains(&(other - time)) {
                    let pair = ((at(*time), *n), (at(*other), *m));
                    add(&mut near, (*key, pair), times * more);
                }
            }
            *values.entry(*n).or_default() += times;
        }
        let copies: i64 = others.values().sum();
        for (n, times) in values {
            for ((_, m), more) in others {
                add(&mut joined, (*key, (n, Some(*m))), times * more);
            }
            if copies <= 0 {
                add(&mut joined, (*key, (n, None)), times);
            }
        }
    }
    same::<i64, (Timestamp, i64, Option<i64>)>(snapshot, "as_of", as_of);
    same::<i64, ((Timestamp, i64), (Timestamp, i64))>(snapshot, "near", near);
    same::<i64, (i64, Option<i64>)>(snapshot, "joined", joined);
}

/// Checks folds: values that are not there (any more) do not count; those that are count each time.
fn check_folded(snapshot: &Snapshot, left: &BTreeMap<i64, BTreeMap<Row, i64>>) {
    let mut folded = Found::new();
    for (key, rows) in left {
        let mut values = BTreeMap::<i64, i64>::new();
        rows.iter().for_each(|((_, n), times)| *values.entry(*n).or_default() += times);
        values.retain(|_, times| *times > 0);
        let (Some(min), Some(max)) = (values.keys().min(), values.keys().max()) else { continue };
        let count: i64 = values.values().sum();
        let mean = values.iter().map(|(n, times)| n * times).sum::<i64>() as f64 / count as f64;
        let each = values.iter().map(|(n, times)| (*n as f64 - mean).powi(2) * *times as f64);
        let thousandths = (each.sum::<f64>() / count as f64 * 1000.0).round();
        let spread = Decimal::<3>::new(thousandths as i128).unwrap();
        add(&mut folded, (*key, ((count, *min, *max), spread)), 1);
    }
    same::<i64, ((i64, i64, i64), Decimal<3>)>(snapshot, "folded", folded);
}

fn check_sums(snapshot: &Snapshot, left: &BTreeMap<i64, BTreeMap<Row, i64>>) {
    let mut running = Found::new();
    let mut sums = BTreeMap::<(i64, i64, i64), (i64, i64)>::new();
    for (key, rows) in left {
        for ((time, n), times) in rows {
            let so_far = rows.iter().filter(|((other, _), _)| other <= time);
            let sum: i64 = so_far.map(|((_, n), times)| n * times).sum();
            add(&mut running, (*key, (at(*time), *n, sum)), *times);
            for start in (-400..400).map(|n| n * STEP) {
                if (start..start + WIDTH).contains(time) {
                    let sum = sums.entry((start, start + WIDTH, *key)).or_default();
                    *sum = (sum.0 + n * times, sum.1 + times);
                }
            }
        }
    }
    same::<i64, (Timestamp, i64, i64)>(snapshot, "running", running);
    let windows = snapshot.rows::<((Timestamp, Timestamp), i64), i64>("windows").unwrap();
    let found: Vec<_> = windows
        .into_iter()
        .map(|((((start, end), key), sum), _)| ((start.micros(), end.micros(), key), sum))
        .filter(|(_, sum)| *sum != 0)
        .collect();
    // Whether a window without a sum has a row depends on its panes: not compared.
    let sums = sums.into_iter().map(|(window, (sum, _))| (window, sum));
    assert_eq!(found, sums.filter(|(_, sum)| *sum != 0).collect::<Vec<_>>(), "windows");
}

/// History up to `boundary` at once, the rest epoch by epoch; every epoch is compared.
fn check(epochs: &[Vec<Fact>], boundary: Epoch, workers: usize) {
    let system = System::in_memory();
    let writer = system.writer().unwrap();
    for epoch in epochs {
        append(&writer, "facts", epoch).unwrap();
    }
    let upper = epochs.len() as Epoch;
    let boundary = boundary.min(upper);
    let options = ServeOptions::default()
        .cluster(Cluster::local(workers))
        .boundary(Boundary::InPlace(boundary))
        .until(upper);
    let served = system.serve(&[Definition::new("timed", timed)], options).unwrap();
    served.wait_beyond("timed", upper - 1).unwrap();
    let index = served.index("timed").unwrap();
    for at in boundary.saturating_sub(1)..upper {
        let snapshot = index.snapshot(Read::AsOf(at)).unwrap();
        let facts = epochs[..=at as usize].concat();
        let (left, right) = (rows(&facts, 0), rows(&facts, 1));
        check_sessions(&snapshot, &left);
        check_joins(&snapshot, &left, &right);
        check_sums(&snapshot, &left);
        check_folded(&snapshot, &left);
    }
    served.stop().unwrap();
}

fn facts() -> impl Strategy<Value = Vec<Vec<Fact>>> {
    let weight = prop::sample::select(&[1_i64, 1, 1, 1, 2, -1]);
    let fact = (0_i64..2, 0_i64..3, -15_i64..40, -1_i64..3, weight)
        .prop_map(|(side, key, micros, n, weight)| Fact { side, key, at: at(micros), n, weight });
    prop::collection::vec(prop::collection::vec(fact, 0..10), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn operators_mean_what_their_twins_mean(
        epochs in facts(),
        boundary in 0_u64..6,
        workers in 1_usize..4,
    ) {
        check(&epochs, boundary, workers);
    }
}

#[test]
fn a_late_row_makes_one_session_of_two() {
    let fact = |micros| Fact { side: 0, key: 1, at: at(micros), n: 0, weight: 1 };
    let epochs = [vec![fact(0), fact(10)], vec![fact(5)], vec![Fact { weight: -1, ..fact(5) }]];
    for boundary in 0..3 {
        check(&epochs, boundary, 2);
    }
}

/// The line that a panic names is the one with the span in it.
#[test]
fn a_span_that_cannot_be_is_named_where_it_is_written() {
    let (tell, told) = std::sync::mpsc::channel();
    let (this, others) = (std::thread::current().id(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == this {
            tell.send(panic.location().unwrap().file().to_owned()).unwrap();
        } else {
            others(panic);
        }
    }));
    for (width, step) in [(Duration::ZERO, Duration::ZERO), (Duration::MAX, micros(1))] {
        std::panic::catch_unwind(|| Windows::hopping(width, step)).unwrap_err();
        assert_eq!(told.recv().unwrap(), file!());
    }
}
