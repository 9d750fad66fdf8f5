//! The outcome of a rebuild, as the thread that keeps batch views reports it.

use std::time::Duration;

use diptych_base::error::Error;
use diptych_base::time::Epoch;

/// The outcome of a newer batch view or of a recompute.
#[derive(Debug)]
pub enum Rebuilt {
    /// The batch view is the base of the index now.
    Swapped {
        /// The dataflow.
        dataflow: String,
        /// The new boundary.
        boundary: Epoch,
        /// The time that comparing and swapping took, while readers went on.
        took: Duration,
    },
    /// The batch view differs from the served views, which stay.
    Drift {
        /// The dataflow.
        dataflow: String,
        /// Its boundary.
        boundary: Epoch,
        /// The first rows that differ, as text: view, row, multiplicity served, multiplicity
        /// rebuilt.
        rows: Vec<String>,
    },
    /// The batch view differed from the served views, and was accepted: it serves, with all epochs
    /// since.
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
    /// The dataflow is held at an epoch, because the next one retracts events that it cannot undo:
    /// it is being recomputed from the log.
    Recovering {
        /// The dataflow.
        dataflow: String,
        /// The retraction, and the accumulation that cannot undo it.
        because: String,
    },
    /// The held dataflow was recomputed, and goes on.
    Recovered {
        /// The dataflow.
        dataflow: String,
        /// The first frontier at which readers see it.
        frontier: Epoch,
        /// The time that recomputing took.
        took: Duration,
    },
    /// The batch view could not be made or read; the served views stay.
    Failed {
        /// The dataflow.
        dataflow: String,
        /// The error.
        error: Error,
    },
}
