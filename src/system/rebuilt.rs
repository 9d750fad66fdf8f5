//! The outcome of a rebuild, as the thread that looks after batch views tells it.

use std::time::Duration;

use diptych_base::error::Error;
use diptych_base::time::Epoch;

/// What became of a newer batch view.
#[derive(Debug)]
pub enum Rebuilt {
    /// It is the base of the index now.
    Swapped {
        /// The dataflow.
        dataflow: String,
        /// The new boundary.
        boundary: Epoch,
        /// How long comparing and swapping took, while readers went on.
        took: Duration,
    },
    /// It differs from what is served, which stays.
    Drift {
        /// The dataflow.
        dataflow: String,
        /// Its boundary.
        boundary: Epoch,
        /// The first rows that differ, as text: view, row, times served, times rebuilt.
        rows: Vec<String>,
    },
    /// It differed from what was served, and was accepted: it serves, and what came since.
    Accepted {
        /// The dataflow.
        dataflow: String,
        /// Its boundary.
        boundary: Epoch,
        /// The first frontier at which readers see it.
        frontier: Epoch,
        /// The first rows that differ, as text.
        rows: Vec<String>,
    },
    /// Its readers stay at an epoch, because the next one retracts what the dataflow cannot undo:
    /// it is recomputed from the log.
    Mending {
        /// The dataflow.
        dataflow: String,
        /// What is retracted, and what cannot undo it.
        because: String,
    },
    /// It was recomputed, and goes on.
    Mended {
        /// The dataflow.
        dataflow: String,
        /// The first frontier at which readers see it.
        frontier: Epoch,
        /// How long that took.
        took: Duration,
    },
    /// It could not be made or read; what is served stays.
    Failed {
        /// The dataflow.
        dataflow: String,
        /// Why.
        error: Error,
    },
}
