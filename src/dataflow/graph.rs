//! The graph of a compiled dataflow: its operators, the channels between them, and their figures.
//!
//! These are plain figures without a worker behind them: the engine fills them in, and servers show
//! them.

use std::time::Duration;

/// A compiled dataflow, with the records that have passed through it since it was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The number of workers whose figures are added up.
    pub workers: usize,
    /// Operators and scopes; a scope comes before its operators, and the first is the dataflow
    /// itself.
    pub operators: Vec<GraphOperator>,
    /// Channels between operators, in the order they were drawn.
    pub channels: Vec<GraphChannel>,
}

/// An operator, or a scope of operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphOperator {
    /// The id, unique in the process.
    pub id: usize,
    /// The name that the library of the operator gives it.
    pub name: String,
    /// The ids of the scopes around it, outermost first.
    pub scope: Vec<usize>,
    /// Records that have arrived.
    pub records_in: u64,
    /// Records that have left; a record that goes to two operators counts twice.
    pub records_out: u64,
    /// The operator's own processor time; a scope's excludes that of the operators inside.
    pub busy: Duration,
    /// Updates in the operator's arrangement; 0 for an operator without one.
    pub records_held: u64,
}

/// A channel. A port at the border of a scope is one of the scope itself, seen from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphChannel {
    /// The operator at which the channel begins, and its output.
    pub from: (usize, usize),
    /// The operator at which the channel ends, and its input.
    pub to: (usize, usize),
    /// Records that were sent.
    pub records: u64,
}
