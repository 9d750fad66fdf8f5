//! Builds random programs with the library's operators, as users would write them.

use std::cmp::Reverse;
use std::time::Duration;

use differential_dataflow::operators::{CountTotal, Iterate};
use diptych::Dataflow;
use diptych::dataflow::{Collection, CollectionExt, Events, Front, PairsExt, Plain};
use diptych::dataflow::{EdgesExt, TimedExt};
use diptych::event::Timestamp;

use super::facts::{Mark, Note};
use super::program::{Expr, Kind, Pair, Program, Shape, Span};
use super::program::{GAP, distinct_id, joined, latest_order, node, number, small, spanned, tied};

impl Program {
    /// Builds the program, with one view for each barrier and one for the rest.
    pub(crate) fn draw(&self, df: &mut Dataflow<'_>) {
        let barriers: Vec<_> = self
            .barriers
            .iter()
            .enumerate()
            .map(|(index, (shape, kind))| shape.draw(df, &format!("barrier_{index}"), *kind))
            .collect();
        let rest = self.rest.draw(&barriers);
        df.view("rest", rest);
    }
}

impl Shape {
    fn draw<'s>(self, df: &mut Dataflow<'s>, name: &str, kind: Kind) -> Collection<'s, Pair> {
        let marks = df.events::<Mark>("marks");
        let pairs = marks.clone().map(|m| (m.key.to_owned(), m.value));
        match self {
            Shape::Straight(first, test, second) => {
                let front = pairs.map(move |pair| first.of(pair)).filter(move |pair| test.of(pair));
                unsigned(df, name, front.map(move |pair| second.of(pair)), kind)
            }
            Shape::Spread(split, change) => {
                let front = pairs.flat_map(move |pair, out| out.extend(split.of(pair)));
                unsigned(df, name, front.map(move |pair| change.of(pair)), kind)
            }
            Shape::Fallible(test) => {
                let notes = df.events::<Note>("notes").try_map(|note| match note.number {
                    Some(number) => Ok((note.name.to_owned(), number)),
                    None => Err("no number"),
                });
                unsigned(df, name, notes.filter(move |pair| test.of(pair)), kind)
            }
            Shape::Both(test, change, split) => {
                let notes = df.events::<Note>("notes").flat_map(move |note, out| {
                    out.extend(split.of((note.name.to_owned(), note.number.unwrap_or(0))));
                });
                let marks = pairs.filter(move |pair| test.of(pair));
                unsigned(df, name, marks.map(move |pair| change.of(pair)).concat(notes), kind)
            }
            Shape::Signed(first, test, second) => {
                let front = marks
                    .weighted(|m| m.weight)
                    .map(move |m| first.of((m.key.to_owned(), m.value)))
                    .try_map(move |pair| test.check(pair));
                signed(df, name, front.map(move |pair| second.of(pair)), kind)
            }
            Shape::Correct(split) => {
                let weighted = marks.weighted(|m| m.weight);
                let front = weighted.map(|m| (m.key.to_owned(), m.value)).concat(pairs);
                let front = front.flat_map(move |pair, out| out.extend(split.of(pair)));
                signed(df, name, front, kind)
            }
        }
    }
}

/// Ends a front that allows only barriers with an inverse.
fn signed<'s, P>(
    df: &mut Dataflow<'s>,
    name: &str,
    front: Events<'s, P>,
    kind: Kind,
) -> Collection<'s, Pair>
where
    P: for<'a> Front<Item<'a> = Pair>,
{
    let rows = match kind {
        Kind::Count => {
            let counts = front.count(name);
            df.view(name, counts.clone());
            return counts
                .map(|((key, value), n)| (key, small(value.wrapping_mul(7).wrapping_add(n))));
        }
        Kind::Sum => front.sum(name),
        Kind::Distinct => front.distinct(name),
        Kind::Collect => front.collect(name),
        Kind::KeyedJoin => {
            let keyed = front.keyed(name);
            keyed.clone().join(keyed).map(|(key, (a, b))| (key, joined(a, b)))
        }
        Kind::Latest | Kind::DistinctBy | Kind::Fold => {
            panic!("{kind:?} does not compile behind a signed front")
        }
    };
    df.view(name, rows.clone());
    rows.map(|(key, value)| (key, small(value)))
}

/// Ends a front by any barrier.
fn unsigned<'s, P>(
    df: &mut Dataflow<'s>,
    name: &str,
    front: Events<'s, P>,
    kind: Kind,
) -> Collection<'s, Pair>
where
    P: for<'a> Front<Item<'a> = Pair, Sign = Plain>,
{
    let rows = match kind {
        Kind::Latest => front.latest(name, |value| latest_order(*value)),
        Kind::DistinctBy => front.distinct_by(name, distinct_id),
        Kind::Fold => {
            let spans = front.fold::<Span, _>(name);
            let spans = spans.map(|(key, span)| (key, (span.0, span.1, span.2)));
            df.view(name, spans.clone());
            return spans.map(|(key, (least, most, n))| (key, spanned(least, most, n)));
        }
        _ => return signed(df, name, front, kind),
    };
    df.view(name, rows.clone());
    rows.map(|(key, value)| (key, small(value)))
}

impl Expr {
    fn draw<'s>(&self, barriers: &[Collection<'s, Pair>]) -> Collection<'s, Pair> {
        let of = |expr: &Expr| expr.draw(barriers);
        match self {
            Expr::Barrier(index) => barriers[*index % barriers.len()].clone(),
            Expr::Map(change, input) => {
                let change = *change;
                of(input).map(move |pair| change.of(pair))
            }
            Expr::Filter(test, input) => {
                let test = *test;
                of(input).filter(move |pair| test.of(pair))
            }
            Expr::FlatMap(split, input) => {
                let split = *split;
                of(input).flat_map(move |pair| split.of(pair))
            }
            Expr::Concat(one, other) => of(one).concat(of(other)),
            Expr::Minus(one, other) => of(one).concat(of(other).negate()),
            Expr::Distinct(input) => of(input).distinct(),
            Expr::Count(input) => {
                of(input).count_total().map(|((key, value), n)| (key, small(value * 7 + n as i64)))
            }
            Expr::Sum(input) => of(input).sum_values().map(|(key, sum)| (key, small(sum))),
            Expr::DistinctCount(input) => of(input).distinct_count(),
            Expr::Greatest(input) => of(input).reduce(|_, input, output| {
                let there = input.iter().filter(|(_, times)| *times > 0);
                output.extend(there.map(|(value, _)| (**value, 1)).max());
            }),
            Expr::TopK(k, greatest, input) => top(of(input), *k, *greatest),
            Expr::WithTies(k, greatest, input) => with_ties(of(input), *k, *greatest),
            Expr::End(true, input) => of(input).max_by(|value| latest_order(*value)),
            Expr::End(false, input) => of(input).min_by(|value| latest_order(*value)),
            Expr::Fold(input) => {
                let spans = of(input).fold_values::<Span>();
                spans.map(|(key, Span(least, most, n))| (key, small(least * 5 + most * 3 + n)))
            }
            Expr::Components(input) => {
                of(input).components().map(|(key, least)| (key, number(&least)))
            }
            Expr::Sessions(input) => {
                let sessions = timed(of(input)).sessions(Duration::from_micros(GAP as u64));
                let start = |start: Timestamp, value| small(start.micros() * 7 + value);
                sessions.map(move |((key, at), (_, value))| (key, start(at, value)))
            }
            Expr::AsOf(one, other) => {
                let found = timed(of(one)).asof_join(timed(of(other)));
                let both = |value, found: Option<i64>| small(value * 3 + found.unwrap_or(-1));
                found.map(move |(key, (_, value, found))| (key, both(value, found)))
            }
            Expr::Join(one, other) => {
                of(one).join(of(other)).map(|(key, (a, b))| (key, joined(a, b)))
            }
            Expr::Semijoin(one, other) => of(one).semijoin(keys(of(other))),
            Expr::Antijoin(one, other) => of(one).antijoin(keys(of(other))),
            Expr::Reach(edges, roots) => reach(of(edges), keys(of(roots))),
            Expr::Distance(edges, roots) => distance(of(edges), keys(of(roots))),
        }
    }
}

fn keys(rows: Collection<'_, Pair>) -> Collection<'_, String> {
    rows.map(|(key, _)| key).distinct()
}

fn top(rows: Collection<'_, Pair>, k: usize, greatest: bool) -> Collection<'_, Pair> {
    let ranked = if greatest {
        rows.top_k(k, |(key, value)| (key, Reverse(value)))
            .map(|(place, Reverse(value))| (place, value))
    } else {
        rows.top_k(k, |(key, value)| (key, value))
    };
    ranked.map(|((key, rank), value)| (key, small(value * 11 + rank as i64)))
}

fn with_ties(rows: Collection<'_, Pair>, k: usize, greatest: bool) -> Collection<'_, Pair> {
    let sign = if greatest { -1 } else { 1 };
    let ranked = rows.top_k_with_ties(k, move |(key, value)| (key, sign * tied(value), value));
    ranked.map(|((key, rank), (_, value))| (key, small(value * 11 + rank as i64)))
}

/// Rows with their values as times, too.
fn timed(rows: Collection<'_, Pair>) -> Collection<'_, (String, (Timestamp, i64))> {
    rows.map(|(key, value)| (key, (Timestamp::from_micros(value), value)))
}

fn reach<'s>(edges: Collection<'s, Pair>, roots: Collection<'s, String>) -> Collection<'s, Pair> {
    let edges = edges.map(|(from, to)| (from, node(to))).distinct();
    edges.reach(roots).map(|node| (node, 0))
}

fn distance<'s>(
    edges: Collection<'s, Pair>,
    roots: Collection<'s, String>,
) -> Collection<'s, Pair> {
    let edges = edges.map(|(from, to)| (from, node(to))).distinct();
    let roots = roots.map(|root| (root, 0_i64));
    roots.clone().iterate(|scope, steps| {
        let (edges, roots) = (edges.enter(scope), roots.enter(scope));
        steps
            .join_map(edges, |_, steps, to| (to.clone(), steps + 1))
            .concat(roots)
            .reduce(|_, input, output| output.push((*input[0].0, 1)))
    })
}
