//! Interprets random programs over plain multisets.

use std::collections::{BTreeMap, BTreeSet};

use super::program::{Expr, GAP, Kind, Pair, Program, Shape, joined as joined_value};
use super::program::{distinct_id, latest_order, node, number, small, spanned, tied};
use super::value::add;
use super::{Answer, Fact, Rows, Value};

/// Each row with its multiplicity, never zero.
type Bag = BTreeMap<Pair, i64>;

/// The output of a front: rows in any order with their weights, and its refusals.
#[derive(Default)]
struct Yield {
    rows: Vec<(Pair, i64)>,
    refused: Vec<(u64, &'static str, String, i64)>,
}

impl Program {
    /// All views, from facts with their epochs.
    pub(crate) fn twin(&self, facts: &[(u64, &Fact)]) -> Answer {
        let mut answer = Answer::new();
        let mut bags = Vec::new();
        let (mut errors, mut beyond) = (Rows::new(), Rows::new());
        for (index, (shape, kind)) in self.barriers.iter().enumerate() {
            let mut front = Yield::default();
            for (epoch, fact) in facts {
                shape.apply(*epoch, fact, &mut front);
            }
            for (epoch, stream, reason, weight) in front.refused {
                let row = vec![Value::Rank(epoch), text(stream), text(&reason)];
                add(&mut errors, row, weight);
            }
            let name = format!("barrier_{index}");
            let (view, bag) = kind.end(&front.rows, &name, &mut beyond);
            answer.insert(name, view);
            bags.push(bag);
        }
        answer.insert("rest".into(), pairs(&self.rest.of(&bags)));
        let counted = errors.into_iter().map(|(mut row, n)| {
            row.push(Value::Int(n));
            (row, 1)
        });
        // Always there: keys are text, which may be too long.
        answer.insert("errors".into(), counted.chain(beyond).collect());
        answer
    }
}

impl Shape {
    fn apply(self, epoch: u64, fact: &Fact, out: &mut Yield) {
        match (self, fact) {
            (Shape::Straight(first, test, second), Fact::Mark(mark)) => {
                let pair = first.of((mark.key.clone(), mark.value));
                if test.of(&pair) {
                    out.rows.push((second.of(pair), 1));
                }
            }
            (Shape::Spread(split, change), Fact::Mark(mark)) => {
                let pairs = split.of((mark.key.clone(), mark.value));
                out.rows.extend(pairs.into_iter().map(|pair| (change.of(pair), 1)));
            }
            (Shape::Fallible(test), Fact::Note(note)) => match note.number {
                Some(number) => {
                    let pair = (note.name.clone(), number);
                    out.rows.extend(test.of(&pair).then_some((pair, 1)));
                }
                None => out.refused.push((epoch, "notes", "no number".into(), 1)),
            },
            (Shape::Both(test, change, _), Fact::Mark(mark)) => {
                let pair = (mark.key.clone(), mark.value);
                if test.of(&pair) {
                    out.rows.push((change.of(pair), 1));
                }
            }
            (Shape::Both(_, _, split), Fact::Note(note)) => {
                let pairs = split.of((note.name.clone(), note.number.unwrap_or(0)));
                out.rows.extend(pairs.into_iter().map(|pair| (pair, 1)));
            }
            (Shape::Signed(first, test, second), Fact::Mark(mark)) if mark.weight != 0 => {
                match test.check(first.of((mark.key.clone(), mark.value))) {
                    Ok(pair) => out.rows.push((second.of(pair), mark.weight)),
                    Err(reason) => out.refused.push((epoch, "marks", reason, mark.weight)),
                }
            }
            (Shape::Correct(split), Fact::Mark(mark)) => {
                for pair in split.of((mark.key.clone(), mark.value)) {
                    out.rows.push((pair, mark.weight + 1));
                }
            }
            _ => {}
        }
    }
}

impl Kind {
    /// The view of the barrier, and its rows as pairs; results out of range go to `beyond`.
    fn end(self, input: &[(Pair, i64)], name: &str, beyond: &mut Rows) -> (Rows, Bag) {
        let all = bag(input.iter().cloned());
        match self {
            Kind::Count => {
                let row = |((key, value), n): (&Pair, &i64)| {
                    (vec![text(key), Value::Int(*value), Value::Int(*n)], 1)
                };
                let pair = |((key, value), n): (&Pair, &i64)| {
                    ((key.clone(), small(value.wrapping_mul(7).wrapping_add(*n))), 1)
                };
                (all.iter().map(row).collect(), bag(all.iter().map(pair)))
            }
            Kind::Sum => of_pairs(&in_range(&all, name, beyond)),
            Kind::Distinct => {
                of_pairs(&bag(all.into_iter().filter(|(_, n)| *n > 0).map(|(pair, _)| (pair, 1))))
            }
            Kind::Collect => of_pairs(&all),
            Kind::KeyedJoin => of_pairs(&join(&all, &all)),
            Kind::Latest => {
                let best = |values: Vec<i64>| {
                    values.into_iter().max_by_key(|value| (latest_order(*value), *value))
                };
                of_pairs(&per_key(input, best))
            }
            Kind::DistinctBy => {
                let mut least: BTreeMap<i64, &Pair> = BTreeMap::new();
                for (pair, _) in input {
                    let kept = least.entry(distinct_id(pair)).or_insert(pair);
                    *kept = pair.min(kept);
                }
                of_pairs(&bag(least.into_values().map(|pair| (pair.clone(), 1))))
            }
            Kind::Fold => {
                let (mut view, mut pairs) = (Rows::new(), Bag::new());
                for (key, values) in grouped(input) {
                    let n = values.len() as i64;
                    let (Some(least), Some(most)) = (values.iter().min(), values.iter().max())
                    else {
                        continue;
                    };
                    let columns = [*least, *most, n].map(Value::Int);
                    view.insert([vec![text(&key)], columns.to_vec()].concat(), 1);
                    pairs.insert((key, spanned(*least, *most, n)), 1);
                }
                (view, pairs)
            }
        }
    }
}

impl Expr {
    fn of(&self, barriers: &[Bag]) -> Bag {
        let of = |expr: &Expr| expr.of(barriers);
        match self {
            Expr::Barrier(index) => barriers[*index % barriers.len()].clone(),
            Expr::Map(change, input) => {
                bag(of(input).into_iter().map(|(pair, n)| (change.of(pair), n)))
            }
            Expr::Filter(test, input) => {
                bag(of(input).into_iter().filter(|(pair, _)| test.of(pair)))
            }
            Expr::FlatMap(split, input) => bag(of(input)
                .into_iter()
                .flat_map(|(pair, n)| split.of(pair).into_iter().map(move |pair| (pair, n)))),
            Expr::Concat(one, other) => bag(of(one).into_iter().chain(of(other))),
            Expr::Minus(one, other) => {
                bag(of(one).into_iter().chain(of(other).into_iter().map(|(pair, n)| (pair, -n))))
            }
            Expr::Distinct(input) => present(&of(input)),
            Expr::Count(input) => {
                bag(of(input).into_iter().map(|((key, value), n)| ((key, small(value * 7 + n)), 1)))
            }
            Expr::Sum(input) => {
                bag(sum(&of(input)).into_iter().map(|((key, sum), n)| ((key, small(sum)), n)))
            }
            Expr::DistinctCount(input) => {
                let mut counts: BTreeMap<String, i64> = BTreeMap::new();
                for ((key, _), _) in of(input).into_iter().filter(|(_, n)| *n > 0) {
                    *counts.entry(key).or_default() += 1;
                }
                bag(counts.into_iter().map(|pair| (pair, 1)))
            }
            Expr::Greatest(input) => {
                let there: Vec<_> = of(input).into_iter().filter(|(_, n)| *n > 0).collect();
                per_key(&there, |values| values.into_iter().max())
            }
            Expr::TopK(k, greatest, input) => top(&of(input), *k, *greatest),
            Expr::Join(one, other) => join(&of(one), &of(other)),
            Expr::WithTies(k, greatest, input) => with_ties(&of(input), *k, *greatest),
            Expr::End(greatest, input) => end(&of(input), *greatest),
            Expr::Fold(input) => fold(&of(input)),
            Expr::Components(input) => components(&of(input)),
            Expr::Sessions(input) => sessions(&of(input)),
            Expr::AsOf(one, other) => as_of(&of(one), &of(other)),
            Expr::Semijoin(one, other) => {
                let keys = keys(&of(other));
                bag(of(one).into_iter().filter(|((key, _), _)| keys.contains(key)))
            }
            Expr::Antijoin(one, other) => {
                let keys = keys(&of(other));
                bag(of(one).into_iter().filter(|((key, _), _)| !keys.contains(key)))
            }
            Expr::Reach(edges, roots) => {
                let steps = steps(&of(edges), &keys(&of(roots)));
                bag(steps.into_keys().map(|node| ((node, 0), 1)))
            }
            Expr::Distance(edges, roots) => {
                bag(steps(&of(edges), &keys(&of(roots))).into_iter().map(|pair| (pair, 1)))
            }
        }
    }
}

/// Differential's `distinct`: every row whose multiplicity is not zero, once.
fn present(rows: &Bag) -> Bag {
    rows.keys().map(|pair| (pair.clone(), 1)).collect()
}

/// The keys whose rows do not cancel, as differential's `map(key).distinct()` gives them.
fn keys(rows: &Bag) -> BTreeSet<String> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for ((key, _), n) in rows {
        *sums.entry(key).or_default() += n;
    }
    sums.into_iter().filter(|(_, n)| *n != 0).map(|(key, _)| key.to_owned()).collect()
}

/// The weighted sum per key; a key without events and without a sum has no row.
fn sum(rows: &Bag) -> Bag {
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for ((key, value), n) in rows {
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + value * n, sum.1 + n);
    }
    let there = sums.into_iter().filter(|(_, sum)| *sum != (0, 0));
    there.map(|(key, (sum, _))| ((key.to_owned(), sum), 1)).collect()
}

/// The sums of numbers near the ends that are in range.
fn in_range(rows: &Bag, name: &str, beyond: &mut Rows) -> Bag {
    let mut sums: BTreeMap<&str, (i128, i64)> = BTreeMap::new();
    for ((key, value), n) in rows {
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + i128::from(*value) * i128::from(*n), sum.1 + n);
    }
    let mut bag = Bag::new();
    for (key, (sum, _)) in sums.into_iter().filter(|(_, sum)| *sum != (0, 0)) {
        if let Ok(sum) = i64::try_from(sum) {
            bag.insert((key.to_owned(), sum), 1);
            continue;
        }
        let why =
            format!("key {key:?}: the sum {sum} is out of the range of i64: use a wider type");
        let row = vec![Value::Rank(u64::MAX), text(name), text(&why), Value::Int(1)];
        add(beyond, row, 1);
    }
    bag
}

fn join(one: &Bag, other: &Bag) -> Bag {
    let mut joined = Bag::new();
    for ((key, a), m) in one {
        for ((other_key, b), n) in other {
            if key == other_key {
                *joined.entry((key.clone(), joined_value(*a, *b))).or_default() += m * n;
            }
        }
    }
    bag(joined)
}

fn top(rows: &Bag, k: usize, greatest: bool) -> Bag {
    let mut groups: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for ((key, value), n) in rows {
        for _ in 0..*n {
            groups.entry(key).or_default().push(*value);
        }
    }
    let mut ranked = Vec::new();
    for (key, mut values) in groups {
        values.sort_unstable();
        if greatest {
            values.reverse();
        }
        for (place, value) in values.into_iter().take(k).enumerate() {
            ranked.push(((key.to_owned(), small(value * 11 + place as i64 + 1)), 1));
        }
    }
    bag(ranked)
}

/// The rows before which there are less than `k` of a lesser order, ranked.
fn with_ties(rows: &Bag, k: usize, greatest: bool) -> Bag {
    let sign = if greatest { -1 } else { 1 };
    let there: Vec<_> = rows.iter().filter(|(_, n)| **n > 0).collect();
    let ranked = there.iter().map(|((key, value), n)| {
        let order = |value: i64| sign * tied(value);
        let before = there
            .iter()
            .filter(|((other, before), _)| other == key && order(*before) < order(*value));
        let rank = 1 + before.map(|(_, n)| **n).sum::<i64>();
        ((key.clone(), *value), rank, **n)
    });
    let best = ranked.filter(|(_, rank, _)| *rank <= k as i64);
    bag(best.map(|((key, value), rank, n)| ((key, small(value * 11 + rank)), n)))
}

/// The values of each key, with their multiplicities.
fn values(rows: &Bag) -> BTreeMap<&str, Vec<(i64, i64)>> {
    let mut keys: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for ((key, value), n) in rows.iter().filter(|(_, n)| **n > 0) {
        keys.entry(key).or_default().push((*value, *n));
    }
    keys
}

fn end(rows: &Bag, greatest: bool) -> Bag {
    let of_key = |values: Vec<(i64, i64)>| {
        let ordered = values.into_iter().map(|(value, _)| (latest_order(value), value));
        if greatest { ordered.max() } else { ordered.min() }
    };
    let ends = values(rows).into_iter();
    bag(ends.filter_map(|(key, values)| Some(((key.to_owned(), of_key(values)?.1), 1))))
}

fn fold(rows: &Bag) -> Bag {
    let folded = values(rows).into_iter().map(|(key, values)| {
        let (least, most) = (values[0].0, values[values.len() - 1].0);
        let n: i64 = values.iter().map(|(_, n)| n).sum();
        ((key.to_owned(), small(least * 5 + most * 3 + n)), 1)
    });
    bag(folded)
}

/// The least key of each key's connected component, passed from neighbour to neighbour.
fn components(rows: &Bag) -> Bag {
    let there: Vec<&Pair> = rows.iter().filter(|(_, n)| **n > 0).map(|(pair, _)| pair).collect();
    let mut least: BTreeMap<&str, &str> = there.iter().map(|(key, _)| (&**key, &**key)).collect();
    loop {
        let before = least.clone();
        for (key, value) in &there {
            for (other, _) in there.iter().filter(|(_, shared)| shared == value) {
                let known = least[&**key].min(least[&**other]);
                least.insert(key, known);
            }
        }
        if least == before {
            break;
        }
    }
    bag(least.into_iter().map(|(key, least)| ((key.to_owned(), number(least)), 1)))
}

fn sessions(rows: &Bag) -> Bag {
    let mut found = Bag::new();
    for (key, values) in values(rows) {
        let mut session: Option<(i64, i64)> = None;
        for (value, n) in values {
            let start = match session {
                Some((start, last)) if value - last <= GAP => start,
                _ => value,
            };
            session = Some((start, value));
            *found.entry((key.to_owned(), small(start * 7 + value))).or_default() += n;
        }
    }
    bag(found)
}

fn as_of(rows: &Bag, others: &Bag) -> Bag {
    let others = values(others);
    let mut found = Bag::new();
    for ((key, value), n) in rows.iter().filter(|(_, n)| **n > 0) {
        let of_key = others.get(&**key).into_iter().flatten();
        let latest = of_key.map(|(other, _)| *other).filter(|other| other <= value).max();
        *found.entry((key.clone(), small(value * 3 + latest.unwrap_or(-1)))).or_default() += n;
    }
    bag(found)
}

/// How many edges away from a root each reachable node is: one round per step.
fn steps(edges: &Bag, roots: &BTreeSet<String>) -> BTreeMap<String, i64> {
    let mut edge_sums: BTreeMap<(String, String), i64> = BTreeMap::new();
    for ((from, to), n) in edges {
        *edge_sums.entry((from.clone(), node(*to))).or_default() += n;
    }
    let mut found: BTreeMap<String, i64> = roots.iter().map(|root| (root.clone(), 0)).collect();
    for round in 1.. {
        let before = found.len();
        let newest = found.iter().filter(|(_, steps)| **steps == round - 1);
        let last: Vec<String> = newest.map(|(node, _)| node.clone()).collect();
        for ((from, to), n) in &edge_sums {
            if *n != 0 && last.contains(from) {
                found.entry(to.clone()).or_insert(round);
            }
        }
        if found.len() == before {
            break;
        }
    }
    found
}

fn bag(rows: impl IntoIterator<Item = (Pair, i64)>) -> Bag {
    let mut all = Bag::new();
    for (pair, n) in rows {
        *all.entry(pair).or_default() += n;
    }
    all.retain(|_, n| *n != 0);
    all
}

fn grouped(rows: &[(Pair, i64)]) -> BTreeMap<String, Vec<i64>> {
    let mut groups: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for ((key, value), _) in rows {
        groups.entry(key.clone()).or_default().push(*value);
    }
    groups
}

fn per_key(rows: &[(Pair, i64)], choose: impl Fn(Vec<i64>) -> Option<i64>) -> Bag {
    let chosen =
        grouped(rows).into_iter().filter_map(|(key, values)| Some(((key, choose(values)?), 1)));
    bag(chosen)
}

fn of_pairs(rows: &Bag) -> (Rows, Bag) {
    let small = rows.iter().map(|((key, value), n)| ((key.clone(), small(*value)), *n));
    (pairs(rows), bag(small))
}

fn pairs(rows: &Bag) -> Rows {
    rows.iter().map(|((key, value), n)| (vec![text(key), Value::Int(*value)], *n)).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
