//! Every operator of `src/dataflow` against the most obvious equivalent, at every epoch.
//!
//! Facts come in random epochs; deletions may come before what they delete. The twins see the list
//! of facts so far, and know no epochs, no workers and no increments.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use diptych::dataflow::{CollectionExt, Definition, EdgesExt, Monoid, PairsExt};
use diptych::row::Columns;
use diptych::serving::{Read, Snapshot};
use diptych::sources::append;
use diptych::system::{Boundary, Cluster, ServeOptions};
use diptych::time::Epoch;
use diptych::{Dataflow, Event, System};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Clone, Debug)]
struct Fact {
    group: i64,
    item: i64,
    n: i64,
    /// The number of copies that come, or go; operators without signs read each fact once.
    weight: i64,
}

/// The whole fact, which few accumulations keep.
#[derive(
    Event, Columns, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
struct Whole {
    group: i64,
    item: i64,
    n: i64,
    weight: i64,
}

/// The number of values, their sum, and the greatest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Statistics(i64, i64, i64);

impl Monoid for Statistics {
    type Item = i64;
    fn of(n: i64) -> Self {
        Statistics(1, n, n)
    }
    fn merge(&mut self, other: Self) {
        *self = Statistics(self.0 + other.0, self.1 + other.1, self.2.max(other.2));
    }
}

/// Ranks asked for; 40 is more than any group has, and more than the buckets of the last level.
const RANKS: [usize; 4] = [0, 1, 3, 40];

/// Items of which all pairs are made.
const FEW: i64 = 10;

fn top_view(k: usize) -> String {
    format!("top_{k}")
}

fn operators(df: &mut Dataflow) {
    let facts = df.events::<Fact>("facts");
    let plain = facts.clone().map(|f| (f.group, (f.item, f.n)));
    let signed = facts.weighted(|f| f.weight).map(|f| (f.group, (f.item, f.n)));

    let latest = plain.clone().latest("latest", |(item, _)| *item);
    df.view("latest", latest);
    let once = plain.clone().distinct_by("distinct_by", |(_, (item, _))| *item);
    df.view("distinct_by", once.map(|(group, (item, n))| (item, (group, n))));
    let folded = plain.clone().map(|(group, (_, n))| (group, n)).fold::<Statistics, i64>("fold");
    df.view("fold", folded.map(|(group, Statistics(count, sum, max))| (group, (count, sum, max))));
    let plain = plain.map(|(group, (item, _))| (group, item)).collect("plain");
    df.view("distinct_count", plain.distinct_count());
    ends(df);
    graphs(df);

    df.view("count", signed.clone().count("count"));
    df.view("distinct", signed.clone().distinct("distinct"));
    df.view("sum", signed.clone().map(|(group, (_, n))| (group, n)).sum("sum"));
    let rows = signed.collect("collect");
    df.view("sum_values", rows.clone().map(|(group, (_, n))| (group, n)).sum_values());
    let links = rows.clone().map(|(group, (item, n))| (item, (group, n)));
    df.view("components", links.components());
    for k in RANKS {
        let top = rows.clone().top_k(k, |(group, (item, n))| (group, (Reverse(n), item)));
        df.view(&top_view(k), top.map(|(place, (Reverse(n), item))| (place, (n, item))));
    }
    let ties = rows.clone().top_k_with_ties(2, |(group, (item, n))| (group, Reverse(n), item));
    df.view("ties", ties.map(|(place, (Reverse(n), item))| (place, (n, item))));
    df.view("max_by", rows.clone().max_by(|(_, n)| *n));
    df.view("min_by", rows.clone().min_by(|(_, n)| *n));
    df.view("collect", rows);
    keyed(df);
    checked(df);
}

/// The ends of an order, for facts that only come.
fn ends(df: &mut Dataflow) {
    let plain = df.events::<Fact>("facts").map(|f| (f.group, (f.item, f.n)));
    df.view("max_by_front", plain.clone().max_by("max_by_front", |(_, n)| *n));
    df.view("min_by_front", plain.min_by("min_by_front", |(_, n)| *n));
}

/// Reachability from the groups, by edges from item to number; with the operator and with a
/// hand-written loop.
fn graphs(df: &mut Dataflow) {
    let signed = df.events::<Fact>("facts").weighted(|f| f.weight);
    let (edges, roots) = (signed.clone().map(|f| (f.item, f.n)), signed.map(|f| f.group));
    let reached = edges.clone().collect("edges").reach(roots.clone().collect("roots"));
    df.view("reach", reached.map(|node| (node, ())));
    let grown =
        roots.distinct("roots_there").grow(edges.distinct("edges_there"), |nodes, edges| {
            nodes.map(|node| (node, ())).join_map(edges, |_, (), to| *to)
        });
    df.view("grow", grown.map(|node| (node, ())));
}

/// Rows as they are, with rows without a weight refused; behind two barriers, reported once.
fn checked(df: &mut Dataflow) {
    let weighs = |weight| if weight == 0 { Err("it weighs nothing") } else { Ok(()) };
    let facts = df.events::<Whole>("facts").check(move |f| weighs(f.weight));
    df.view("owned", facts.clone().owned().count("owned"));
    df.view("checked", facts.weighted(|f| f.weight).owned().map(|f| f.group).count("checked"));
}

/// Uses of an arrangement by key: the product of each side with itself, its values beside their
/// group's size, and its rows. Of few items: the square of a wide group is large.
fn keyed(df: &mut Dataflow) {
    let signed = df.events::<Fact>("facts").filter(|f| f.item < FEW).weighted(|f| f.weight);
    let keyed = signed.clone().map(|f| (f.group, f.item)).keyed("keyed");
    df.view("join", keyed.clone().join(keyed.clone()));
    let sizes = signed.map(|f| f.group).count("sizes");
    df.view("join_collection", keyed.clone().join_collection(sizes));
    df.view("arranged", keyed.clone().arranged().as_collection(|group, item| (*item, *group)));
    df.view("collection", keyed.collection());
}

/// The rows of a view that has each row once.
fn view<K: Columns + Debug, V: Columns + Debug>(snapshot: &Snapshot, name: &str) -> Vec<(K, V)> {
    let once = |(row, times): ((K, V), isize)| {
        assert_eq!(times, 1, "multiplicity of {row:?} in {name}");
        row
    };
    snapshot.rows::<K, V>(name).unwrap().into_iter().map(once).collect()
}

type Row = (i64, (i64, i64));

/// The multiplicity of each row: the sum of its weights, when that is not zero.
fn multiset(facts: &[Fact]) -> BTreeMap<Row, i64> {
    let mut rows = BTreeMap::new();
    for f in facts {
        *rows.entry((f.group, (f.item, f.n))).or_insert(0) += f.weight;
    }
    rows.retain(|_, weight| *weight != 0);
    rows
}

/// The values of each group, in the order of the facts.
fn groups<V>(facts: &[Fact], value: impl Fn(&Fact) -> V) -> BTreeMap<i64, Vec<V>> {
    let mut groups = BTreeMap::<_, Vec<V>>::new();
    for f in facts {
        groups.entry(f.group).or_default().push(value(f));
    }
    groups
}

fn top(facts: &[Fact], k: usize) -> Vec<((i64, u64), (i64, i64))> {
    let mut sorted = Vec::new();
    for ((group, (item, n)), weight) in multiset(facts) {
        sorted.extend((0..weight).map(|_| (group, Reverse(n), item)));
    }
    sorted.sort();
    let mut ranked = Vec::new();
    for group in sorted.iter().map(|row| row.0).collect::<BTreeSet<_>>() {
        let of_group = sorted.iter().filter(|row| row.0 == group).take(k).zip(1..);
        ranked.extend(of_group.map(|((_, Reverse(n), item), rank)| ((group, rank), (*n, *item))));
    }
    ranked
}

/// Checks the operators without signs.
fn check_plain(snapshot: &Snapshot, facts: &[Fact]) {
    let latest: Vec<Row> = groups(facts, |f| (f.item, f.n))
        .into_iter()
        .map(|(group, rows)| (group, rows.into_iter().max().unwrap()))
        .collect();
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "latest"), latest, "latest");

    let mut least = BTreeMap::<i64, Row>::new();
    for f in facts {
        let row = (f.group, (f.item, f.n));
        least.entry(f.item).and_modify(|known| *known = row.min(*known)).or_insert(row);
    }
    let least: Vec<_> =
        least.into_iter().map(|(item, (group, (_, n)))| (item, (group, n))).collect();
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "distinct_by"), least, "distinct_by");

    let folded: Vec<_> = groups(facts, |f| f.n)
        .into_iter()
        .map(|(group, n)| (group, (n.len() as i64, n.iter().sum(), *n.iter().max().unwrap())))
        .collect();
    assert_eq!(view::<i64, (i64, i64, i64)>(snapshot, "fold"), folded, "fold");

    let plain: Vec<Row> = facts.iter().map(|f| (f.group, (f.item, f.n))).collect();
    let (least, greatest) = ends_of(&plain);
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "max_by_front"), greatest, "max_by_front");
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "min_by_front"), least, "min_by_front");

    let items: Vec<_> = groups(facts, |f| f.item)
        .into_iter()
        .map(|(group, items)| (group, items.into_iter().collect::<BTreeSet<_>>().len() as i64))
        .collect();
    assert_eq!(view::<i64, i64>(snapshot, "distinct_count"), items, "distinct_count");
}

/// The row with the least number of each group, and the one with the greatest; among equals the
/// least and the greatest row.
fn ends_of(rows: &[Row]) -> (Vec<Row>, Vec<Row>) {
    let mut sorted: Vec<(i64, i64, i64)> =
        rows.iter().map(|(group, (item, n))| (*group, *n, *item)).collect();
    sorted.sort_unstable();
    let (mut least, mut greatest) = (BTreeMap::new(), BTreeMap::new());
    for (group, n, item) in sorted {
        least.entry(group).or_insert((item, n));
        greatest.insert(group, (item, n));
    }
    (least.into_iter().collect(), greatest.into_iter().collect())
}

/// The nodes that the groups lead to, step by step until nothing is new.
fn reached(facts: &[Fact]) -> Vec<(i64, ())> {
    let (mut edges, mut roots) = (BTreeMap::new(), BTreeMap::new());
    for f in facts {
        *edges.entry((f.item, f.n)).or_insert(0) += f.weight;
        *roots.entry(f.group).or_insert(0) += f.weight;
    }
    let mut nodes: BTreeSet<i64> =
        roots.into_iter().filter(|(_, times)| *times > 0).map(|(node, _)| node).collect();
    loop {
        let there = edges.iter().filter(|(_, times)| **times > 0).map(|(edge, _)| edge);
        let next: Vec<i64> =
            there.filter(|(from, _)| nodes.contains(from)).map(|(_, to)| *to).collect();
        let known = nodes.len();
        nodes.extend(next);
        if nodes.len() == known {
            return nodes.into_iter().map(|node| (node, ())).collect();
        }
    }
}

/// Each row with its rank by greater numbers in its group, if that is two at most.
fn ties(facts: &[Fact]) -> Vec<(((i64, u64), (i64, i64)), isize)> {
    let rows = multiset(facts);
    let there: Vec<_> = rows.iter().filter(|(_, times)| **times > 0).collect();
    let ranked = there.iter().map(|((group, (item, n)), times)| {
        let above = there.iter().filter(|((other, (_, more)), _)| other == group && more > n);
        let rank = 1 + above.map(|(_, times)| **times).sum::<i64>() as u64;
        (((*group, rank), (*n, *item)), **times as isize)
    });
    let mut ranked: Vec<_> = ranked.filter(|(((_, rank), _), _)| *rank <= 2).collect();
    ranked.sort_unstable();
    ranked
}

/// Checks the operators that obey signs.
fn check_signed(snapshot: &Snapshot, facts: &[Fact]) {
    let rows = multiset(facts);
    let counts: Vec<(Row, i64)> = rows.iter().map(|(row, weight)| (*row, *weight)).collect();
    assert_eq!(view::<Row, i64>(snapshot, "count"), counts, "count");

    let there: Vec<Row> = counts.iter().filter(|(_, n)| *n > 0).map(|(row, _)| *row).collect();
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "distinct"), there, "distinct");

    let all: Vec<(Row, isize)> = counts.iter().map(|(row, n)| (*row, *n as isize)).collect();
    let collected = snapshot.rows::<i64, (i64, i64)>("collect").unwrap();
    assert_eq!(collected, all, "collect");

    let sums: Vec<_> = groups(facts, |f| (f.n * f.weight, f.weight))
        .into_iter()
        .map(|(group, parts)| {
            (group, parts.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1)))
        })
        // A key is gone when nothing is left of it: neither facts nor a sum.
        .filter(|(_, left)| *left != (0, 0))
        .map(|(group, (sum, _))| (group, sum))
        .collect();
    assert_eq!(view::<i64, i64>(snapshot, "sum"), sums, "sum");
    assert_eq!(view::<i64, i64>(snapshot, "sum_values"), sums, "sum_values");

    assert_eq!(view::<i64, i64>(snapshot, "components"), components(&there), "components");
    for name in ["reach", "grow"] {
        assert_eq!(view::<i64, ()>(snapshot, name), reached(facts), "{name}");
    }
    let (least, greatest) = ends_of(&there);
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "max_by"), greatest, "max_by");
    assert_eq!(view::<i64, (i64, i64)>(snapshot, "min_by"), least, "min_by");
    let found = snapshot.rows::<(i64, u64), (i64, i64)>("ties").unwrap();
    assert_eq!(found, ties(facts), "ties");
    check_keyed(snapshot, facts);
    for k in RANKS {
        let found = view::<(i64, u64), (i64, i64)>(snapshot, &top_view(k));
        assert_eq!(found, top(facts, k), "the top {k}");
    }
}

/// Each item with the least item of its component, passed along links until nothing changes.
fn components(rows: &[Row]) -> Vec<(i64, i64)> {
    let mut least: BTreeMap<i64, i64> = rows.iter().map(|(_, (item, _))| (*item, *item)).collect();
    loop {
        let before = least.clone();
        for (group, (item, n)) in rows {
            for (_, (other, _)) in rows.iter().filter(|row| (row.0, row.1.1) == (*group, *n)) {
                let known = least[item].min(least[other]);
                least.insert(*item, known);
            }
        }
        if least == before {
            return least.into_iter().collect();
        }
    }
}

fn check_keyed(snapshot: &Snapshot, facts: &[Fact]) {
    let mut rows = BTreeMap::<(i64, i64), i64>::new();
    let mut sizes = BTreeMap::<i64, i64>::new();
    for f in facts.iter().filter(|f| f.item < FEW) {
        *rows.entry((f.group, f.item)).or_default() += f.weight;
        *sizes.entry(f.group).or_default() += f.weight;
    }
    let (mut join, mut sized) = (BTreeMap::new(), BTreeMap::new());
    for ((group, item), times) in &rows {
        for ((_, other), more) in rows.iter().filter(|((other, _), _)| other == group) {
            join.insert((*group, (*item, *other)), times * more);
        }
        if sizes[group] != 0 {
            sized.insert((*group, (*item, sizes[group])), *times);
        }
    }
    let there = |rows: BTreeMap<Row, i64>| -> Vec<(Row, isize)> {
        rows.into_iter().filter(|(_, n)| *n != 0).map(|(row, n)| (row, n as isize)).collect()
    };
    assert_eq!(snapshot.rows::<i64, (i64, i64)>("join").unwrap(), there(join), "join");
    let found = snapshot.rows::<i64, (i64, i64)>("join_collection").unwrap();
    assert_eq!(found, there(sized), "join_collection");
    let pairs = || rows.iter().filter(|(_, n)| **n != 0);
    let mut swapped: Vec<_> = pairs().map(|((g, item), n)| ((*item, *g), *n as isize)).collect();
    swapped.sort_unstable();
    assert_eq!(snapshot.rows::<i64, i64>("arranged").unwrap(), swapped, "arranged");
    let plain: Vec<_> = pairs().map(|(row, n)| (*row, *n as isize)).collect();
    assert_eq!(snapshot.rows::<i64, i64>("collection").unwrap(), plain, "collection");
}

fn check_checked(snapshot: &Snapshot, facts: &[Fact]) {
    let (mut owned, mut checked) = (BTreeMap::new(), BTreeMap::new());
    for Fact { group, item, n, weight } in facts.iter().filter(|f| f.weight != 0).cloned() {
        *owned.entry(Whole { group, item, n, weight }).or_insert(0_i64) += 1;
        *checked.entry(group).or_insert(0_i64) += weight;
    }
    checked.retain(|_, n| *n != 0);
    assert_eq!(view(snapshot, "owned"), owned.into_iter().collect::<Vec<_>>(), "owned");
    assert_eq!(view(snapshot, "checked"), checked.into_iter().collect::<Vec<_>>(), "checked");
    let refused = facts.iter().filter(|f| f.weight == 0).count() as i64;
    let errors = view::<(Epoch, String, String), i64>(snapshot, "errors");
    assert_eq!(errors.iter().map(|(_, n)| n).sum::<i64>(), refused, "errors");
    assert!(errors.iter().all(|((_, stream, reason), _)| {
        (stream.as_str(), reason.as_str()) == ("facts", "it weighs nothing")
    }));
}

fn facts() -> impl Strategy<Value = Vec<Vec<Fact>>> {
    let fact = (0i64..3, 0i64..4, -2i64..3, prop::sample::select(&[1i64, 1, 1, 2, -1, -1, -2, 0]))
        .prop_map(|(group, item, n, weight)| Fact { group, item, n, weight });
    prop::collection::vec(prop::collection::vec(fact, 0..12), 1..6)
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
    let served = system.serve(&[Definition::new("operators", operators)], options).unwrap();
    served.wait_beyond("operators", upper - 1).unwrap();
    let index = served.index("operators").unwrap();
    for at in boundary.saturating_sub(1)..upper {
        let snapshot = index.snapshot(Read::AsOf(at)).unwrap();
        let facts = epochs[..=at as usize].concat();
        check_plain(&snapshot, &facts);
        check_signed(&snapshot, &facts);
        check_checked(&snapshot, &facts);
    }
    served.stop().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn operators_mean_what_their_twins_mean(
        epochs in facts(),
        boundary in 0u64..6,
        workers in 1usize..4,
    ) {
        check(&epochs, boundary, workers);
    }
}

#[test]
fn a_deletion_may_come_before_what_it_deletes() {
    let fact = |weight| Fact { group: 1, item: 2, n: 3, weight };
    // Below zero, back to nothing, twice there, once there.
    let epochs = [vec![fact(-1)], vec![fact(1)], vec![fact(2)], vec![fact(-1), fact(0)]];
    for workers in 1..4 {
        check(&epochs, 0, workers);
        check(&epochs, 2, workers);
    }
}

#[test]
fn ties_are_broken_by_the_whole_value() {
    // One group, one order, many values: arrival order must not be read.
    let fact = |n| Fact { group: 1, item: 7, n, weight: 1 };
    let up: Vec<_> = (0..50).map(fact).collect();
    let down: Vec<_> = (0..50).rev().map(fact).collect();
    for workers in 1..4 {
        check(&[up.clone(), vec![fact(49), fact(-1)]], 0, workers);
        check(&[down.clone(), vec![fact(0)]], 1, workers);
    }
}

#[test]
fn ranks_hold_in_wide_groups() {
    let fact = |i: i64, weight| Fact { group: i % 2, item: i, n: i * 7919 % 1009, weight };
    let arrive: Vec<_> = (0..3000).map(|i| fact(i, 1)).collect();
    // The greatest of them leave, so that others rise.
    let leave: Vec<_> = (0..3000).filter(|i| i * 7919 % 1009 > 900).map(|i| fact(i, -1)).collect();
    for workers in [1, 3] {
        check(&[arrive.clone(), leave.clone(), arrive[..10].to_vec()], 1, workers);
    }
}
