//! The nodes that can be reached from a root: recursion over a graph with changing edges.

use diptych::prelude::*;

/// An edge appears (`diff` 1) or disappears (-1), possibly in the wrong order.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Edge {
    /// The node where the edge starts.
    pub src: i64,
    /// The node where the edge ends.
    pub dst: i64,
    /// Added to the edge's multiplicity.
    pub diff: i64,
}

/// A node to start from.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Root {
    /// The node.
    pub node: i64,
}

/// `reached`: (node), along edges of positive multiplicity.
pub fn reachability(df: &mut Dataflow) {
    let edges =
        df.events::<Edge>("edges").weighted(|e| e.diff).map(|e| (e.src, e.dst)).distinct("edges");
    let roots = df.events::<Root>("roots").map(|r| r.node).distinct("roots");
    df.view("reached", edges.reach(roots).map(|node| (node, ()))).columns(&["node"]);
}
