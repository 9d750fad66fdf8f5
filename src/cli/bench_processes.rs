//! The processes of one measurement, all on this machine, coordinated through a scratch directory.
//!
//! Process 0 measures. The others write their process ids, wait until there is a history, and then
//! take part in the same two steps on it. They end when process 0 stops serving.

use std::path::Path;
use std::time::Duration;

use diptych_base::error::Result;
use diptych_base::io::{Notes, cpu_time, cpu_time_of};
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_engine::Cluster;
use diptych_system::{BatchOptions, Boundary, ServeOptions, System};

/// The note that the history is there, with the epoch at which it ends.
const HISTORY: &str = "history";
/// The note that the batch view is there, with its boundary.
const BATCH: &str = "batch";

/// The other processes, as process 0 sees them.
pub(super) struct BenchProcesses {
    notes: Notes,
    others: Vec<u64>,
}

impl BenchProcesses {
    /// Waits until the other processes have written their notes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(super) fn gather(directory: &Path, cluster: &Cluster) -> Result<BenchProcesses> {
        let notes = Notes::new(directory);
        let others = (1..cluster.processes()).map(|process| notes.wait(&member(process)));
        let others = others.collect::<Result<_>>()?;
        Ok(BenchProcesses { notes, others })
    }

    /// Lets the others begin with the batch layer over `[0, upto)`.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(super) fn history_is_there(&self, upto: Epoch) -> Result<()> {
        self.notes.leave(HISTORY, upto)
    }

    /// Lets the others begin to serve.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(super) fn batch_is_there(&self, boundary: Epoch) -> Result<()> {
        self.notes.leave(BATCH, boundary)
    }

    /// The processor time that all processes have used so far; none when one cannot be read.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        self.others.iter().try_fold(cpu_time(), |sum, other| Some(sum + cpu_time_of(*other)?))
    }
}

/// Runs one of the other processes, from its start to its end.
///
/// # Errors
/// When a layer fails, or the directory is gone.
pub(super) fn work_along(
    directory: &Path,
    definition: &Definition,
    cluster: &Cluster,
) -> Result<()> {
    let notes = Notes::new(directory);
    let system = System::open(directory);
    notes.leave(&member(cluster.process), u64::from(std::process::id()))?;
    let upto = Some(notes.wait(HISTORY)?);
    let options = BatchOptions { cluster: cluster.clone(), upto, ..BatchOptions::default() };
    system.batch(definition, &options)?;
    let boundary = Boundary::Restore(notes.wait(BATCH)?);
    let options = ServeOptions::default().cluster(cluster.clone()).boundary(boundary);
    system.serve(std::slice::from_ref(definition), options)?.wait()
}

fn member(process: usize) -> String {
    format!("process-{process}")
}
