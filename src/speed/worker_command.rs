//! Commands of the feeder to the workers of its own process.

use std::sync::Arc;

use super::dump::Dump;
use diptych_log::SealedEpoch;

/// A command from the driver to a worker of its own process.
pub(super) enum WorkerCommand {
    /// The next epoch, to be read by all workers together.
    Epoch(Arc<SealedEpoch>),
    /// Write every dataflow's accumulations, when all epochs before are published; all workers get
    /// this command at the same place in the order of epochs.
    Dump(Arc<Dump>),
    /// No more epochs: leave.
    Stop,
}
