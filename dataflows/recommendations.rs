//! "Who bought this also bought", following each purchase and each return.
//!
//! Item-based collaborative filtering (Linden, Smith and York, 2003). The likeness of items is the
//! cosine over their users, both / √(one · other), in thousandths, rounded down: integers, so that
//! every machine gives one order, and smaller changes have no further effect. Of each user the
//! twenty items bought last count: n items make n² pairs, and each means less.

use std::cmp::Reverse;

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

use super::plausible::number;

mod draw;
pub use draw::draw;

/// A line of an order. Of several with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purchase {
    /// The id of the line.
    pub line: i64,
    /// The user who buys.
    pub user: i64,
    /// The item.
    pub item: i64,
    /// The quantity; negative when it is returned.
    pub quantity: i64,
    /// The time of the purchase.
    pub at: Timestamp,
}

/// `together`: (item, other) -> users, likeness; `similar`: (item, rank) -> other, likeness, the
/// ten most alike; `recommended`: (user, rank) -> item, score, the five that the user does not have
/// with the greatest sums of likeness to what the user has.
#[inline]
pub fn recommendations(df: &mut Dataflow) {
    let lines = df.events::<Purchase>("purchases").check(|p| number("quantity", p.quantity));
    let lines = lines.owned().distinct_by("purchases", |p| p.line);
    let has = lines.map(|p| ((p.user, p.item), (p.at, p.quantity))).reduce(|_, lines, out| {
        let kept: i64 = lines.iter().map(|((_, n), times)| n * *times as i64).sum();
        let bought = lines.iter().rev().find(|((_, n), _)| *n > 0);
        out.extend(bought.filter(|_| kept > 0).map(|((at, _), _)| (*at, 1)));
    });
    let last = has.clone().top_k(20, |((user, item), at)| (user, (Reverse(at), item)));
    let last = last.map(|((user, _), (_, item))| (user, item));

    let users = last.clone().map(|(_, item)| (item, 1_i64)).sum_values();
    let pairs = last.clone().join_map(last.clone(), |_, one, two| ((*one, *two), 1_i64));
    let together = pairs
        .filter(|((one, two), _)| one < two)
        .sum_values()
        .map(|((one, two), both)| (one, (two, both)))
        .join_map(users.clone(), |one, (two, both), n| (*two, (*one, *both, *n)))
        .join_map(users, |two, (one, both, n), m| ((*one, *two), (*both, cosine(*both, *n, *m))))
        .flat_map(|((one, two), likeness)| [((one, two), likeness), ((two, one), likeness)]);
    let similar = together
        .clone()
        .top_k(10, |((item, other), (_, likeness))| (item, (Reverse(likeness), other)))
        .map(|(place, (Reverse(likeness), other))| (place, (other, likeness)));
    let recommended = last
        .map(|(user, item)| (item, user))
        .join(similar.clone().map(|((item, _), other)| (item, other)))
        .map(|(_, (user, (other, likeness)))| ((user, other), likeness))
        .sum_values()
        .antijoin(has.map(|(pair, _)| pair))
        .top_k(5, |((user, item), score)| (user, (Reverse(score), item)))
        .map(|(place, (Reverse(score), item))| (place, (item, score)));

    df.view("together", together).columns(&["item", "other", "users", "likeness"]);
    df.view("similar", similar).columns(&["item", "rank", "other", "likeness"]);
    df.view("recommended", recommended).columns(&["user", "rank", "item", "score"]);
}

fn cosine(both: i64, one: i64, two: i64) -> Decimal<3> {
    let square = i128::from(both).pow(2) * 1_000_000 / (i128::from(one) * i128::from(two));
    Decimal::new(square.isqrt()).expect("it is 1.000 at most")
}
