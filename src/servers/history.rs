//! What the index has let go: answered from the log, at the cost of a computation.

use std::time::Duration;

use crate::dataflow::Graph;
use crate::error::Result;
use crate::serving::Index;
use crate::time::Epoch;

/// What became of a batch view that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebuild {
    /// It is what was served, and is the base of the index now.
    Swapped {
        /// Its boundary.
        boundary: Epoch,
        /// How long comparing and swapping took, while readers went on.
        took: Duration,
    },
    /// It differs from what is served, which stays.
    Drift {
        /// Its boundary.
        boundary: Epoch,
        /// The first rows that differ, as text.
        rows: Vec<String>,
    },
}

/// Recomputes a served dataflow from its log; implemented by the composition root.
pub trait History: Send + Sync {
    /// All views of `dataflow` at the frontier `upper`, from the newest batch view below it, or
    /// from the events alone when `from_scratch`. Costs a restore and a replay, or a batch run.
    ///
    /// # Errors
    /// When the log cannot be read, or the dataflow fails.
    fn at(&self, dataflow: &str, upper: Epoch, from_scratch: bool) -> Result<Index>;

    /// An index of `dataflow` in which every epoch of `[from, upper)` can be told apart.
    ///
    /// # Errors
    /// As [`History::at`].
    fn between(&self, dataflow: &str, from: Epoch, upper: Epoch) -> Result<Index>;

    /// Makes a batch view of `dataflow` from all events, by workers of its own, and puts it in the
    /// place of what is served below its boundary. Costs a batch run, and waits for its turn.
    ///
    /// # Errors
    /// When too many wait already, nothing is complete yet, there is a batch view at that epoch, or
    /// the dataflow fails.
    fn rebuild(&self, dataflow: &str) -> Result<Rebuild>;

    /// The operators of `dataflow`, and what they have done in this process.
    ///
    /// # Errors
    /// When it was never installed here.
    fn graph(&self, dataflow: &str) -> Result<Graph>;

    /// Why a dataflow stopped; none while it runs.
    fn failure(&self, dataflow: &str) -> Option<crate::error::Error>;
}
