//! The port through which servers ask for what costs a computation, and change what is served.
//!
//! Servers know a dataflow by its name only; [`Control`] does the rest: it recomputes what the
//! index has let go, rebuilds and deploys, and tells how a dataflow does. [`System::control`]
//! implements it over a data directory; tests of servers have implementations of their own.
//!
//! [`System::control`]: super::System::control

mod deployed;
mod recompute;
mod stream;
mod turn;

pub use deployed::Deployed;
pub(super) use recompute::Parts;
pub use recompute::{Controlled, ControlledDataflow};
pub use stream::Stream;
pub use turn::{Turn, Turns};

use std::time::Duration;

use diptych_base::error::{Error, Result};
use diptych_base::io::Space;
#[cfg(doc)]
use diptych_base::limits::REPLAYED_CHANGES_BYTES_MAX;
use diptych_base::time::Epoch;
use diptych_dataflow::Graph;
use diptych_serving::Index;

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
    /// It differed, and serves now, with what came since.
    Accepted {
        /// Its boundary.
        boundary: Epoch,
        /// The first frontier at which readers see it.
        frontier: Epoch,
        /// The first rows that differ, as text.
        rows: Vec<String>,
    },
}

/// What servers ask of the dataflows that are served, by name.
pub trait Control: Send + Sync {
    /// All views of `dataflow` at the frontier `upper`, from the newest batch view below it, or
    /// from the events alone when `from_scratch`. Costs a restore and a replay, or a batch run.
    ///
    /// # Errors
    /// When the log cannot be read, or the dataflow fails.
    fn at(&self, dataflow: &str, upper: Epoch, from_scratch: bool) -> Result<Index>;

    /// An index of `dataflow` in which every epoch of `[from, upper)` can be told apart; when their
    /// changes take more than [`REPLAYED_CHANGES_BYTES_MAX`], the last of them.
    ///
    /// # Errors
    /// As [`Control::at`].
    fn between(&self, dataflow: &str, from: Epoch, upper: Epoch) -> Result<Index>;

    /// Makes a batch view of `dataflow` from all events, by workers of its own, and puts it in the
    /// place of what is served below its boundary; when it differs, only if `accept`. Costs a
    /// batch run, and waits for its turn.
    ///
    /// # Errors
    /// When too many wait already, nothing is complete yet, there is a batch view at that epoch, or
    /// the dataflow fails.
    fn rebuild(&self, dataflow: &str, accept: bool) -> Result<Rebuild>;

    /// The operators of `dataflow`, and what they have done in this process.
    ///
    /// # Errors
    /// When it was never installed here.
    fn graph(&self, dataflow: &str) -> Result<Graph>;

    /// Why a dataflow stopped; none while it runs.
    fn failure(&self, dataflow: &str) -> Option<Error>;

    /// The turn to deploy, or to keep others from it.
    ///
    /// # Errors
    /// When somebody has it.
    fn turn(&self) -> Result<Turn>;

    /// Events of `dataflow`, since this process began to serve it, that were older than what it
    /// keeps when they came; of the rows that this process's workers read.
    fn late_events(&self, _dataflow: &str) -> u64 {
        0
    }

    /// Why readers of a dataflow stay at an epoch until it has been recomputed; none while it goes
    /// on.
    fn rebuilding(&self, dataflow: &str) -> Option<String> {
        let _ = dataflow;
        None
    }

    /// Why the last attempt to leave a batch view of a dataflow has failed; none when there was
    /// none, or it has not.
    fn checkpoint_failure(&self, dataflow: &str) -> Option<Error> {
        let _ = dataflow;
        None
    }

    /// The room on the disk with the data; none where that is not known.
    ///
    /// # Errors
    /// What the system reports.
    fn space(&self) -> Result<Option<Space>> {
        Ok(None)
    }

    /// Computes another version of `dataflow` beside the one that serves, compares them, and has
    /// it serve if that is `wanted`. Without a `version`, the one that alone does not serve.
    ///
    /// # Errors
    /// When there is no such version, it does not fit, cannot be computed or does not catch up;
    /// what serves stays as it is.
    fn deploy(
        &self,
        dataflow: &str,
        version: Option<&str>,
        wanted: Wanted,
        turn: &Turn,
    ) -> Result<Deployed>;
}

/// What is wanted of another version.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Compare, and leave all as it is.
    pub diff_only: bool,
    /// Keys of each view whose rows are given where they differ.
    pub samples: usize,
    /// Views may have other columns than they had.
    pub other_columns: bool,
}
