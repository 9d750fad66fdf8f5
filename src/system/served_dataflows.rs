//! The handle of served dataflows: their indexes, their state, and how to stop them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::rebuild_queue::RebuildQueue;
use super::version_registry::Current;
use super::warm_start_cutover::FirstCutover;
use super::writer_slot::WriterSlot;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::WORKERS_GRACE;
use diptych_base::time::Epoch;
use diptych_dataflow::{Description, StateSize};
use diptych_engine::{Cluster, Progress};
use diptych_log::{Reader, Writer};
use diptych_serving::{Index, Serving};
use diptych_speed::{LaneStatus, SpeedLayer};

/// Dataflows that are kept live. Dropping it stops them.
pub struct Served {
    pub(super) entries: Vec<StartedDataflow>,
    pub(super) live: SpeedLayer,
    pub(super) reader: Arc<Reader>,
    pub(super) cluster: Cluster,
    /// The queue of rebuild requests.
    pub(super) queue: Arc<RebuildQueue>,
    /// The writer that is given later, or may be released.
    pub(super) late: Option<WriterSlot>,
    /// The registry of the serving versions: those from the start, or deployed since.
    pub(super) current: Arc<Current>,
    /// Move readers over from what answered first.
    pub(super) first_cutovers: Vec<FirstCutover>,
}

/// A dataflow in its version from the start.
pub(super) struct StartedDataflow {
    pub(super) description: Description,
    pub(super) index: Index,
    /// The boundary, at which the speed layer began.
    pub(super) boundary: Epoch,
    pub(super) status: Arc<LaneStatus>,
    pub(super) progress: Arc<Progress>,
    pub(super) passed_over: Vec<Error>,
}

impl Served {
    /// The names of the dataflows, those deployed since the start included.
    pub fn dataflows(&self) -> impl Iterator<Item = String> {
        self.current.names().into_iter()
    }

    /// The index that answers for a dataflow now. It does not follow a deployment; see
    /// [`Served::serving`].
    ///
    /// # Errors
    /// When it is not served.
    pub fn index(&self, dataflow: &str) -> Result<Index> {
        self.current.get(dataflow).map(|running| Index::clone(&running.index()))
    }

    /// The handle of readers of a dataflow, which follows deployments.
    ///
    /// # Errors
    /// When it is not served.
    pub fn serving(&self, dataflow: &str) -> Result<Arc<Serving>> {
        self.current.get(dataflow).map(|running| running.serving)
    }

    /// The description of the serving version of a dataflow.
    ///
    /// # Errors
    /// When it is not served.
    pub fn description(&self, dataflow: &str) -> Result<Description> {
        self.current.get(dataflow).map(|running| running.description)
    }

    /// The progress of feeding history in place, at the start.
    ///
    /// # Errors
    /// When the dataflow was not served from the start.
    pub fn progress(&self, dataflow: &str) -> Result<&Arc<Progress>> {
        let found = self.entries.iter().find(|entry| entry.description.name == dataflow);
        found.map(|entry| &entry.progress).ok_or_else(|| {
            let message = format!("dataflow {dataflow:?} was not served from the start");
            Error::new(Kind::Missing, message).remedy("it restored a batch view")
        })
    }

    /// The error of a dataflow that stopped; none while it runs, or when it is not served.
    pub fn failure(&self, dataflow: &str) -> Option<Error> {
        self.current.find(dataflow).and_then(|running| running.status.error())
    }

    /// The number of late events since the start: older than the retention of a dataflow
    /// ([`Events::retain`](diptych_dataflow::Events::retain)) when they came, so that they changed
    /// nothing. Counts the rows that the workers of this process read; 0 when the dataflow is not
    /// served.
    pub fn late_events(&self, dataflow: &str) -> u64 {
        self.current.find(dataflow).map_or(0, |running| running.status.late())
    }

    /// The size of a dataflow's accumulations in this process; nothing when it is not served.
    pub fn state_size(&self, dataflow: &str) -> StateSize {
        self.current.find(dataflow).map(|running| running.status.state_size()).unwrap_or_default()
    }

    /// The reason why a dataflow is held at an epoch until it has been recomputed; none while it is
    /// not held, or not served.
    pub fn rebuilding(&self, dataflow: &str) -> Option<String> {
        self.current.find(dataflow).and_then(|running| running.status.held()).map(|h| h.to_string())
    }

    /// Batch views that were damaged and passed over at the start, as errors that name the file.
    pub fn passed_over(&self) -> impl Iterator<Item = &Error> {
        self.entries.iter().flat_map(|entry| &entry.passed_over)
    }

    /// Checks that feeding goes on.
    ///
    /// # Errors
    /// When feeding has ended because the log could not be read.
    pub fn check(&self) -> Result<()> {
        self.live.check()?;
        self.current.check()
    }

    /// The reader of the log.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Waits until readers of a dataflow see `epoch`.
    ///
    /// # Errors
    /// When the dataflow, or the reading of the log, fails first; or when the restored dataflow
    /// differs from its batch view.
    pub fn wait_beyond(&self, dataflow: &str, epoch: Epoch) -> Result<()> {
        self.wait_beyond_unless(dataflow, epoch, &AtomicBool::new(false))
    }

    /// As [`Served::wait_beyond`]; when `stop` becomes true the dataflow is given up.
    pub(super) fn wait_beyond_unless(
        &self,
        dataflow: &str,
        epoch: Epoch,
        stop: &AtomicBool,
    ) -> Result<()> {
        let patience = Duration::from_millis(20);
        loop {
            // Looked up each time, because another version may serve by now.
            let running = self.current.get(dataflow)?;
            let index = running.index();
            if index.wait_beyond(epoch, patience) > epoch && index.wait_checked(patience)? {
                return Ok(());
            }
            if stop.load(Ordering::Acquire) {
                // Its workers drop it at once: it may be far from its boundary.
                running.status.fail(&Error::new(Kind::Cancelled, "it was given up"));
            }
            if let Some(error) = running.status.error() {
                return Err(error);
            }
            self.check()?;
            if let Some(held) = running.status.held().filter(|held| epoch >= held.epoch)
                && !self.queue.is_attended()
            {
                let remedy = "start again: it is recomputed; or call System::rebuild_under_readers";
                return Err(Error::new(Kind::Conflict, held.to_string()).remedy(remedy));
            }
        }
    }

    /// Gives up the dataflows that have not reached the boundary at which they start: their workers
    /// drop them, and no batch view of them is written. Does nothing when other processes compute a
    /// part of them, which would wait.
    pub fn give_up_starting(&self) {
        if self.cluster.processes() > 1 {
            return;
        }
        for entry in self.entries.iter().filter(|entry| !is_settled(entry)) {
            entry.status.fail(&Error::new(Kind::Cancelled, "it was given up"));
        }
    }

    /// Gives the writer: from now on epochs come from it, as soon as they are durable.
    pub fn give_writer(&self, writer: &Arc<Writer>) {
        self.late.iter().for_each(|late| late.give(writer));
        self.current.each_deployed(|served| served.give_writer(writer));
    }

    /// Releases the writer, which is about to close. Events that other processes then append are
    /// read from the directory.
    pub fn release_writer(&self) {
        self.late.iter().for_each(WriterSlot::release);
        self.current.each_deployed(Served::release_writer);
    }

    /// Waits until process 0 ends the computation; for the other processes.
    ///
    /// # Errors
    /// When a worker fails.
    pub fn wait(self) -> Result<()> {
        self.live.wait()
    }

    /// Stops feeding and lets the workers leave. The indexes go on answering at their frontier. A
    /// worker that is in a user's function for longer than [`WORKERS_GRACE`] is left there, and
    /// ends with it or with the process.
    ///
    /// # Errors
    /// When the log could not be read on the way.
    pub fn stop(self) -> Result<()> {
        self.stop_by(Instant::now() + WORKERS_GRACE)
    }

    /// As [`Served::stop`]; workers that are in an epoch at `deadline` are left there.
    pub(super) fn stop_by(self, deadline: Instant) -> Result<()> {
        drop(self.first_cutovers);
        let deployed = self.current.take();
        let deployed = deployed.into_iter().map(|one| one.stop_by(deadline));
        let deployed = deployed.fold(Ok(()), Result::and);
        self.live.stop(deadline).and(deployed)
    }
}

/// Has the dataflow reached its boundary, or failed, or is it held?
pub(super) fn is_settled(entry: &StartedDataflow) -> bool {
    entry.status.stands()
        || (entry.index.frontier() >= entry.boundary
            && entry.index.base_checked().is_ok_and(|checked| checked))
}
