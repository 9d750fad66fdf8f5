//! A dataflow as it was compiled: its operators, the channels between them, and what each has done.
//!
//! Plain figures, without a worker behind them: whoever runs a dataflow fills them in, and whoever
//! draws it reads them.

use std::time::Duration;

/// A compiled dataflow, with what has gone through it since it was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Workers whose figures are added up.
    pub workers: usize,
    /// Scopes come before what is in them; the first is the dataflow itself.
    pub operators: Vec<GraphOperator>,
    /// Edges between operators, in the order they were drawn.
    pub channels: Vec<GraphChannel>,
}

/// An operator, or a scope of operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphOperator {
    /// Tells it from the others of its process.
    pub id: usize,
    /// What the library that made it calls it.
    pub name: String,
    /// The scopes around it, outermost first: their ids.
    pub scope: Vec<usize>,
    /// Records that have arrived.
    pub records_in: u64,
    /// Records that have left; a record that goes to two operators counts twice.
    pub records_out: u64,
    /// Processor time of its own: that of operators inside a scope is theirs.
    pub busy: Duration,
    /// Updates in the arrangement it keeps; 0 for an operator that keeps none.
    pub records_held: u64,
}

/// An edge. A port at the border of a scope is one of the scope itself, seen from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphChannel {
    /// The operator it begins at, and its output.
    pub from: (usize, usize),
    /// The operator it ends at, and its input.
    pub to: (usize, usize),
    /// Records that were sent.
    pub records: u64,
}
