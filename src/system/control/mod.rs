//! The control port: through it servers request computations, and change the served versions.
//!
//! Servers know a dataflow by its name only; [`Control`] does the rest: it recomputes epochs that
//! the index has let go, rebuilds and deploys, and gives the state of a dataflow.
//! [`System::control`] implements it over a data directory; tests of servers have implementations
//! of their own.
//!
//! [`System::control`]: super::System::control

mod data_dir_control;
mod deploy_outcome;
mod deployment_lock;
mod event_stream_schema;

pub(super) use data_dir_control::Parts;
pub use data_dir_control::{Controlled, ControlledDataflow};
pub use deploy_outcome::Deployed;
pub use deployment_lock::{Turn, Turns};
pub use event_stream_schema::Stream;

use std::time::Duration;

use diptych_base::error::{Error, Result};
use diptych_base::io::Space;
#[cfg(doc)]
use diptych_base::limits::REPLAYED_CHANGES_BYTES_MAX;
use diptych_base::time::Epoch;
use diptych_dataflow::{Graph, StateSize};
use diptych_serving::Index;

/// The outcome of a requested rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebuild {
    /// The batch view equals the served views, and is the base of the index now.
    Swapped {
        /// Its boundary.
        boundary: Epoch,
        /// The time that comparing and swapping took, while readers went on.
        took: Duration,
    },
    /// The batch view differs from the served views, which stay.
    Drift {
        /// Its boundary.
        boundary: Epoch,
        /// The first rows that differ, as text.
        rows: Vec<String>,
    },
    /// The batch view differed and was accepted: it serves now, with all epochs since.
    Accepted {
        /// Its boundary.
        boundary: Epoch,
        /// The first frontier at which readers see it.
        frontier: Epoch,
        /// The first rows that differ, as text.
        rows: Vec<String>,
    },
}

/// The operations on served dataflows that servers request, by name.
pub trait Control: Send + Sync {
    /// All views of `dataflow` at the frontier `upper`, from the newest batch view below it, or
    /// from the events alone when `from_scratch`. Costs a restore and a replay, or a batch run.
    ///
    /// # Errors
    /// When the log cannot be read, or the dataflow fails.
    fn at(&self, dataflow: &str, upper: Epoch, from_scratch: bool) -> Result<Index>;

    /// An index of `dataflow` in which every epoch of `[from, upper)` can be told apart; when their
    /// changes take more than [`REPLAYED_CHANGES_BYTES_MAX`], only the last epochs can.
    ///
    /// # Errors
    /// As [`Control::at`].
    fn between(&self, dataflow: &str, from: Epoch, upper: Epoch) -> Result<Index>;

    /// Makes a batch view of `dataflow` from all events, by workers of its own, and replaces the
    /// served views below its boundary by it; when it differs, only if `accept`. Costs a batch run,
    /// and waits for its turn.
    ///
    /// # Errors
    /// When too many requests wait already, no epoch is complete yet, there is a batch view at that
    /// epoch, or the dataflow fails.
    fn rebuild(&self, dataflow: &str, accept: bool) -> Result<Rebuild>;

    /// The operators of `dataflow`, and their figures in this process.
    ///
    /// # Errors
    /// When it was never installed here.
    fn graph(&self, dataflow: &str) -> Result<Graph>;

    /// The error of a dataflow that stopped; none while it runs.
    fn failure(&self, dataflow: &str) -> Option<Error>;

    /// Takes the turn to deploy, or to exclude deployments.
    ///
    /// # Errors
    /// When the turn is taken.
    fn turn(&self) -> Result<Turn>;

    /// The number of late events of `dataflow` since this process began to serve it: older than its
    /// retention when they came, among the rows that this process's workers read.
    fn late_events(&self, _dataflow: &str) -> u64 {
        0
    }

    /// The size of the accumulations of `dataflow` in this process; nothing where it is not known.
    fn state_size(&self, _dataflow: &str) -> StateSize {
        StateSize::default()
    }

    /// The reason why a dataflow is held at an epoch until it has been recomputed; none while it is
    /// not held.
    fn rebuilding(&self, dataflow: &str) -> Option<String> {
        let _ = dataflow;
        None
    }

    /// The error of the last checkpoint of a dataflow; none when there was none, or it succeeded.
    fn checkpoint_failure(&self, dataflow: &str) -> Option<Error> {
        let _ = dataflow;
        None
    }

    /// The space on the disk with the data; none where it is not known.
    ///
    /// # Errors
    /// What the system reports.
    fn space(&self) -> Result<Option<Space>> {
        Ok(None)
    }

    /// Computes another version of `dataflow` beside the one that serves, compares them, and cuts
    /// over unless `wanted` asks for the comparison only. Without a `version`, the only one that
    /// does not serve.
    ///
    /// # Errors
    /// When there is no such version, it does not fit, cannot be computed or does not catch up; the
    /// serving version then stays.
    fn deploy(
        &self,
        dataflow: &str,
        version: Option<&str>,
        wanted: DeployRequest,
        turn: &Turn,
    ) -> Result<Deployed>;
}

/// The options of a requested deployment.
#[derive(Clone, Copy, Debug)]
pub struct DeployRequest {
    /// Compare, and leave the old version serving.
    pub diff_only: bool,
    /// The number of keys of each view whose rows are given where they differ.
    pub samples: usize,
    /// Allows views with other columns than before.
    pub other_columns: bool,
}
