//! The core number of each node of a graph, while ties are added and removed.
//!
//! The k-core is the rest of a graph when nodes with fewer than k ties are removed, repeatedly,
//! until there are none. A node's core number is the greatest k whose core it is in. This dataflow
//! finds all k at once without removing nodes: begin with the number of ties, and give each node
//! the greatest h such that h of its neighbours have h or more, until nothing changes.
//!
//! After Lü, Zhou, Zhang and Stanley, "The H-index of a network node" (2016).

use differential_dataflow::operators::{CountTotal, Iterate};
use diptych::prelude::*;

use super::plausible::one;

mod draw;
pub use draw::draw;

/// A tie between two nodes begins (`diff` 1) or ends (-1); either event may come first.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Tie {
    /// One of the nodes.
    pub a: i64,
    /// The other one; a node's tie with itself does not count.
    pub b: i64,
    /// Added to the tie's multiplicity. A tie is there while that is positive.
    pub diff: i64,
}

/// `core_numbers`: (node) -> core, and `cores`: (k) -> the number of nodes in the k-core.
#[inline]
pub fn k_core(df: &mut Dataflow) {
    let ties = df
        .events::<Tie>("ties")
        .filter(|t| t.a != t.b)
        .check(|t| one(t.diff))
        .weighted(|t| t.diff)
        .map(|t| (t.a.min(t.b), t.a.max(t.b)))
        .distinct("ties")
        .flat_map(|(a, b)| [(a, b), (b, a)]);
    let degrees = ties.clone().map(|(node, _)| node).count_total();
    // Arranged once, outside: the rounds share it.
    let ties = ties.arrange_by_key();
    let numbers = degrees.map(|(node, n)| (node, n as i64)).iterate(|scope, numbers| {
        ties.enter(scope)
            .join_core(numbers.arrange_by_key(), |_, neighbour, n| Some((*neighbour, *n)))
            .reduce(|_, numbers, out| out.push((h_index(numbers), 1)))
    });
    let cores = numbers.clone().flat_map(|(_, n)| 1..=n).count_total();

    df.view("core_numbers", numbers).columns(&["node", "core"]);
    df.view("cores", cores.map(|(k, nodes)| (k, nodes as i64))).columns(&["k", "nodes"]);
}

/// The greatest h such that h of the numbers, with multiplicity, are h or more.
fn h_index(numbers: &[(&i64, isize)]) -> i64 {
    let mut as_great = 0;
    let from_the_greatest = numbers.iter().rev().map(|(n, times)| {
        as_great += *times as i64;
        as_great.min(**n)
    });
    from_the_greatest.max().unwrap_or(0)
}
