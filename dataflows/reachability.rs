//! Which nodes can be reached from a root? Recursion over a graph whose edges come and go.

use diptych::{Dataflow, EdgesExt, Event};

/// An edge appears (`diff` 1) or disappears (-1), possibly in the wrong order.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Edge {
    /// Where it starts.
    pub src: i64,
    /// Where it ends.
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
