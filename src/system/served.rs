//! Dataflows that are kept live, and their indexes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::desk::Desk;
use crate::dataflow::Description;
use crate::engine::{Cluster, Progress};
use crate::error::{Error, Kind, Result};
use crate::log::Reader;
use crate::serving::{Index, Verified};
use crate::speed::{LaneStatus, Live};
use crate::time::Epoch;

/// Dataflows that are kept live. Dropping it stops them.
pub struct Served {
    pub(super) entries: Vec<Entry>,
    pub(super) live: Live,
    pub(super) reader: Arc<Reader>,
    pub(super) cluster: Cluster,
    /// Where rebuilds are asked for.
    pub(super) desk: Arc<Desk>,
}

pub(super) struct Entry {
    pub(super) description: Description,
    pub(super) index: Index,
    /// Where the speed layer began.
    pub(super) boundary: Epoch,
    pub(super) status: Arc<LaneStatus>,
    pub(super) progress: Arc<Progress>,
    pub(super) passed_over: Vec<Error>,
    pub(super) verified: Arc<Verified>,
}

impl Served {
    fn entry(&self, dataflow: &str) -> Result<&Entry> {
        let found = self.entries.iter().find(|entry| entry.description.name == dataflow);
        found.ok_or_else(|| {
            let known: Vec<_> = self.dataflows().collect();
            Error::new(Kind::Missing, format!("dataflow {dataflow:?} is not served"))
                .remedy(format!("served are {}", known.join(", ")))
        })
    }

    /// The names of the dataflows.
    pub fn dataflows(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.description.name.as_str())
    }

    /// The index that answers for a dataflow.
    ///
    /// # Errors
    /// When it is not served.
    pub fn index(&self, dataflow: &str) -> Result<Index> {
        self.entry(dataflow).map(|entry| entry.index.clone())
    }

    /// What a dataflow reads and publishes.
    ///
    /// # Errors
    /// When it is not served.
    pub fn description(&self, dataflow: &str) -> Result<&Description> {
        self.entry(dataflow).map(|entry| &entry.description)
    }

    /// How far history has been fed in place.
    ///
    /// # Errors
    /// When the dataflow is not served.
    pub fn progress(&self, dataflow: &str) -> Result<&Arc<Progress>> {
        self.entry(dataflow).map(|entry| &entry.progress)
    }

    /// Why a dataflow stopped; none while it runs, or when it is not served.
    pub fn failure(&self, dataflow: &str) -> Option<Error> {
        self.entry(dataflow).ok().and_then(|entry| entry.status.error())
    }

    /// Batch views that were damaged and passed over at the start, as errors that name the file.
    pub fn passed_over(&self) -> impl Iterator<Item = &Error> {
        self.entries.iter().flat_map(|entry| &entry.passed_over)
    }

    /// Whether feeding still goes on.
    ///
    /// # Errors
    /// Why it ended: the log could not be read.
    pub fn check(&self) -> Result<()> {
        self.live.check()
    }

    /// The log it reads.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Waits until readers of a dataflow see `epoch`.
    ///
    /// # Errors
    /// When the dataflow, or the reading of the log, fails first; or when what was restored
    /// is not what its batch view holds.
    pub fn wait_beyond(&self, dataflow: &str, epoch: Epoch) -> Result<()> {
        self.wait_beyond_unless(dataflow, epoch, &AtomicBool::new(false))
    }

    /// [`Served::wait_beyond`]; when `stop` becomes true the dataflow is given up.
    pub(super) fn wait_beyond_unless(
        &self,
        dataflow: &str,
        epoch: Epoch,
        stop: &AtomicBool,
    ) -> Result<()> {
        let entry = self.entry(dataflow)?;
        let check = || {
            if stop.load(Ordering::Acquire) {
                // Its workers leave it where it is: it may be far from its boundary.
                entry.status.fail(&Error::new(Kind::Stopped, "it was given up"));
            }
            entry.status.error().map_or_else(|| self.live.check(), Err)
        };
        let patience = Duration::from_millis(20);
        while entry.index.wait_beyond(epoch, patience) <= epoch {
            check()?;
        }
        while !entry.index.base_checked()? {
            check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until process 0 ends the computation; for the other processes.
    ///
    /// # Errors
    /// When a worker fails.
    pub fn wait(self) -> Result<()> {
        self.live.wait()
    }

    /// Stops feeding and lets the workers leave. The indexes go on answering at their frontier.
    ///
    /// # Errors
    /// When the log could not be read on the way.
    pub fn stop(self) -> Result<()> {
        self.live.stop()
    }
}
