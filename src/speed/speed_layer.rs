//! The running speed layer: starts and stops the workers of each dataflow.
//!
//! Each dataflow has workers of its own, so one that takes long for an epoch delays its own readers
//! only. Where several processes compute together, all dataflows share the workers, since there is
//! one mesh between the processes.

use std::sync::Arc;
use std::time::Instant;

use super::dump::{Dumping, Write};
use super::feeder::Tail;
use super::live_dataflow::LiveDataflow;
use super::worker_group::WorkerGroup;
use diptych_base::error::Result;
use diptych_base::limits::WORKERS_GRACE;
use diptych_base::time::Epoch;
use diptych_engine::{Cluster, Profile};
use diptych_log::Reader;

/// The running speed layer. Dropping it stops it.
pub struct SpeedLayer {
    /// One group of workers for each dataflow; in several processes one for all.
    groups: Vec<WorkerGroup>,
    profile: Option<Arc<Profile>>,
}

impl SpeedLayer {
    /// Starts the workers of this process, and on process 0 the driver that feeds them from the
    /// tail that `tail` gives; `profile`, if there is one, records figures of their operators.
    ///
    /// Errors when the cluster cannot be formed or a dataflow does not compile.
    pub fn start(
        cluster: &Cluster,
        dataflows: Vec<LiveDataflow>,
        reader: &Arc<Reader>,
        tail: impl Fn() -> Tail,
        profile: Option<Arc<Profile>>,
    ) -> Result<SpeedLayer> {
        let sets = match cluster.processes() {
            1 => dataflows.into_iter().map(|dataflow| vec![dataflow]).collect(),
            _ => vec![dataflows],
        };
        let group =
            |dataflows| WorkerGroup::start(cluster, dataflows, reader, tail(), profile.clone());
        let groups = sets.into_iter().map(group).collect::<Result<Vec<_>>>()?;
        Ok(SpeedLayer { groups, profile })
    }

    /// No dataflow yet.
    pub fn none(profile: Option<Arc<Profile>>) -> SpeedLayer {
        SpeedLayer { groups: Vec::new(), profile }
    }

    /// Adds what `other` keeps live; its dataflows are numbered after those that are here.
    pub fn join(&mut self, mut other: SpeedLayer) {
        self.groups.append(&mut other.groups);
    }

    /// Stops feeding, lets the workers leave and waits for them, at most until `deadline`. What was
    /// fed is published only as far as the index says; the rest is in the log.
    ///
    /// Errors when the log could not be read on the way.
    pub fn stop(mut self, deadline: Instant) -> Result<()> {
        self.halt(deadline)
    }

    /// Checks that feeding goes on.
    ///
    /// Errors when it has ended because the log could not be read.
    pub fn check(&self) -> Result<()> {
        self.groups.iter().try_for_each(WorkerGroup::check)
    }

    /// Waits until process 0 stops the workers of this one.
    pub fn wait(mut self) -> Result<()> {
        self.groups.drain(..).try_for_each(WorkerGroup::wait)
    }

    /// Ends feeding: every worker of a dataflow has been given the same epochs, and goes on with
    /// those.
    ///
    /// Errors when the log could not be read on the way.
    pub fn end_feeding(&mut self) -> Result<()> {
        let ended = self.groups.iter_mut().map(WorkerGroup::end_feeding);
        ended.fold(Ok(()), Result::and)
    }

    /// The profile of the dataflows' operators, if one is recorded.
    pub fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// The first epoch that has not been given to every worker of the dataflow with this number;
    /// epochs below its boundary count as given. In a process alone.
    pub fn fed(&self, dataflow: usize) -> Epoch {
        self.groups[dataflow].fed()
    }

    /// Has every worker of the dataflow with this number write its share of all accumulations, as
    /// they are when all fed epochs are published. Only after [`SpeedLayer::end_feeding`], and in a
    /// process alone.
    pub fn dump(&self, dataflow: usize, write: Write) -> Dumping {
        self.groups[dataflow].dump(write)
    }

    fn halt(&mut self, deadline: Instant) -> Result<()> {
        let fed = self.end_feeding();
        self.groups.iter().for_each(WorkerGroup::dismiss);
        let halted = self.groups.iter_mut().map(|group| group.halt(deadline));
        halted.fold(fed, Result::and)
    }
}

impl Drop for SpeedLayer {
    fn drop(&mut self) {
        // A caller that wants the outcome calls `stop`.
        let _ = self.halt(Instant::now() + WORKERS_GRACE);
    }
}
