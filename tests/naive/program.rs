//! Random programs: the parts of randomly composed dataflows.
//!
//! All rows between operators are [`Pair`]s, so that any operator fits behind any other. The
//! scalar functions ([`Change`], [`Test`], [`Split`]) play the user's closures, which both sides
//! call: `program_draw.rs` draws a program with the library's operators, and `program_twin.rs`
//! interprets it over plain multisets.

use diptych::dataflow::Monoid;
use serde::{Deserialize, Serialize};

/// A row between operators.
pub(crate) type Pair = (String, i64);

/// A random dataflow: barriers, and one expression over their collections.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The barriers, published as `barrier_0`, `barrier_1`, …
    pub(crate) barriers: Vec<(Shape, Kind)>,
    /// The expression, published as `rest`.
    pub(crate) rest: Expr,
}

/// A linear front.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// `marks.map.filter.map`
    Straight(Change, Test, Change),
    /// `marks.flat_map.map`
    Spread(Split, Change),
    /// `notes.try_map.filter`
    Fallible(Test),
    /// `marks.filter.map + notes.flat_map`
    Both(Test, Change, Split),
    /// `marks.weighted.map.try_map.map`
    Signed(Change, Test, Change),
    /// `(marks.weighted + marks).flat_map`
    Correct(Split),
}

/// A barrier. The last three have no inverse, so they are used behind unsigned fronts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Count,
    Sum,
    Distinct,
    Collect,
    KeyedJoin,
    Latest,
    DistinctBy,
    Fold,
}

/// An expression over the barriers.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Barrier(usize),
    Map(Change, Box<Expr>),
    Filter(Test, Box<Expr>),
    FlatMap(Split, Box<Expr>),
    Concat(Box<Expr>, Box<Expr>),
    Minus(Box<Expr>, Box<Expr>),
    Distinct(Box<Expr>),
    Count(Box<Expr>),
    Sum(Box<Expr>),
    DistinctCount(Box<Expr>),
    Greatest(Box<Expr>),
    TopK(usize, bool, Box<Expr>),
    /// As [`Expr::TopK`], with all rows of one order.
    WithTies(usize, bool, Box<Expr>),
    /// `max_by` or `min_by`.
    End(bool, Box<Expr>),
    Fold(Box<Expr>),
    /// The least key of each key's connected component.
    Components(Box<Expr>),
    /// Values are times.
    Sessions(Box<Expr>),
    AsOf(Box<Expr>, Box<Expr>),
    Join(Box<Expr>, Box<Expr>),
    Semijoin(Box<Expr>, Box<Expr>),
    Antijoin(Box<Expr>, Box<Expr>),
    /// Nodes reached from the keys of the second along the edges of the first.
    Reach(Box<Expr>, Box<Expr>),
    /// The least number of steps to each node, from the keys of the second.
    Distance(Box<Expr>, Box<Expr>),
}

/// A function from pair to pair.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Same,
    Scale(i64),
    Key(&'static str),
    Swap,
    Longer,
}

/// A predicate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Test {
    Always,
    Above(i64),
    Even,
    KeyIs(&'static str),
}

/// A function from pair to pairs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Split {
    Twice,
    UpTo(i64),
    Letters,
}

/// A value of a join.
pub(crate) fn joined(one: i64, other: i64) -> i64 {
    small(one.wrapping_mul(3).wrapping_add(other))
}

/// A value of a fold.
pub(crate) fn spanned(least: i64, most: i64, n: i64) -> i64 {
    small(least.wrapping_mul(5).wrapping_add(most.wrapping_mul(3)).wrapping_add(n))
}

/// Maps a number to a small one, so that nothing overflows in either world behind the first
/// barrier.
pub(crate) fn small(number: i64) -> i64 {
    number % 1000
}

/// The node for a number.
pub(crate) fn node(number: i64) -> String {
    ["", "a", "b", "c", "\0", "愛"][number.rem_euclid(6) as usize].to_owned()
}

impl Change {
    pub(crate) fn of(self, (key, value): Pair) -> Pair {
        match self {
            Change::Scale(by) => (key, small(value.wrapping_mul(by))),
            Change::Key(key) => (key.to_owned(), value),
            Change::Swap => (node(value), key.len() as i64),
            Change::Longer if key.len() < 20 => (format!("{key}x"), value),
            // Iteration must come to an end.
            Change::Same | Change::Longer => (key, value),
        }
    }
}

impl Test {
    pub(crate) fn of(self, (key, value): &Pair) -> bool {
        match self {
            Test::Always => true,
            Test::Above(least) => *value > least,
            Test::Even => value % 2 == 0,
            Test::KeyIs(wanted) => key == wanted,
        }
    }

    /// Checks a pair, for a fallible operator.
    pub(crate) fn check(self, pair: Pair) -> Result<Pair, String> {
        if self.of(&pair) { Ok(pair) } else { Err(format!("{} is refused", pair.1)) }
    }
}

impl Split {
    pub(crate) fn of(self, (key, value): Pair) -> Vec<Pair> {
        match self {
            Split::Twice => vec![(key.clone(), value), (key, value)],
            Split::UpTo(most) => (0..value.min(most)).map(|n| (key.clone(), n)).collect(),
            Split::Letters => key.chars().map(|c| (c.to_string(), value)).collect(),
        }
    }
}

/// A user's monoid: least, greatest and number of values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Span(pub(crate) i64, pub(crate) i64, pub(crate) i64);

impl Monoid for Span {
    type Item = i64;
    fn of(item: i64) -> Self {
        Span(item, item, 1)
    }
    fn merge(&mut self, other: Self) {
        *self = Span(self.0.min(other.0), self.1.max(other.1), self.2 + other.2);
    }
}

/// The order of `latest` in random programs: many values tie.
pub(crate) fn latest_order(value: i64) -> i64 {
    value.rem_euclid(4)
}

/// Maps a text to a number.
pub(crate) fn number(text: &str) -> i64 {
    text.chars().fold(0, |number, c| small(number * 31 + i64::from(u32::from(c))))
}

/// The greatest gap between rows of one session in random programs.
pub(crate) const GAP: i64 = 4;

/// The order of `top_k_with_ties` in random programs.
pub(crate) fn tied(value: i64) -> i64 {
    value.div_euclid(3)
}

/// The id of `distinct_by` in random programs.
pub(crate) fn distinct_id((key, value): &Pair) -> i64 {
    key.len() as i64 * 10 + value.rem_euclid(3)
}
