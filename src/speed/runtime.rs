//! The running speed layer: starts and stops the workers of each dataflow.
//!
//! Each dataflow has workers of its own, so one that takes long for an epoch delays its own readers
//! only. Where several processes compute together, all dataflows share the workers, since there is
//! one mesh between the processes.

use std::sync::Arc;
use std::time::Instant;

use super::dump::{Dumping, Write};
use super::feeder::Tail;
use super::status::LaneStatus;
use super::worker_group::Crew;
use diptych_base::error::Result;
use diptych_base::limits::WORKERS_GRACE;
use diptych_base::time::Epoch;
use diptych_dataflow::{Definition, StreamInfo};
use diptych_engine::{AccumulationBlocks, Cluster, History, Profile, Progress, history};
use diptych_log::Reader;
use diptych_serving::Publish;

/// The way a dataflow reaches its boundary.
#[derive(Clone)]
pub enum Start {
    /// Feed the log's history in place, up to this frontier.
    History(Epoch),
    /// Load accumulations at this frontier; [`AccumulationBlocks`] gives a worker its share of
    /// them.
    Restore(Epoch, AccumulationBlocks),
    /// Load accumulations at the first frontier, and feed the history from there to the second in
    /// place: events that were appended and retracted in between are left out.
    Continue((Epoch, Epoch), AccumulationBlocks),
}

/// One dataflow to keep live.
#[derive(Clone)]
pub struct LiveDataflow {
    /// The dataflow to run.
    pub definition: Definition,
    /// Name, version and fingerprint.
    pub plan: String,
    /// The streams that it reads.
    pub streams: Vec<StreamInfo>,
    /// The publisher of its views.
    pub publisher: Arc<dyn Publish>,
    /// The start of the dataflow.
    pub start: Start,
    /// The digest of the batch view it starts from; empty without one.
    pub base: String,
    /// The status of the dataflow: running, held or failed.
    pub status: Arc<LaneStatus>,
    /// The progress of feeding its history.
    pub progress: Arc<Progress>,
}

/// The running speed layer. Dropping it stops it.
pub struct SpeedLayer {
    /// One group of workers for each dataflow; in several processes one for all.
    crews: Vec<Crew>,
    profile: Option<Arc<Profile>>,
}

impl Start {
    /// The boundary, at which the batch layer ends and the speed layer begins.
    pub fn boundary(&self) -> Epoch {
        match self {
            Start::History(boundary)
            | Start::Restore(boundary, _)
            | Start::Continue((_, boundary), _) => *boundary,
        }
    }

    pub(super) fn history(
        &self,
        reader: &Arc<Reader>,
        streams: &[StreamInfo],
        index: usize,
        peers: usize,
    ) -> Result<History> {
        match self {
            Start::History(boundary) => history(reader, (0, *boundary), streams, (index, peers)),
            Start::Restore(_, blocks) => Ok(blocks(index, peers)),
            Start::Continue(range, blocks) => {
                let since = history(reader, *range, streams, (index, peers))?;
                Ok(Box::new(blocks(index, peers).chain(since)))
            }
        }
    }
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
        let teams = match cluster.processes() {
            1 => dataflows.into_iter().map(|dataflow| vec![dataflow]).collect(),
            _ => vec![dataflows],
        };
        let crew = |team| Crew::start(cluster, team, reader, tail(), profile.clone());
        let crews = teams.into_iter().map(crew).collect::<Result<Vec<_>>>()?;
        Ok(SpeedLayer { crews, profile })
    }

    /// No dataflow yet.
    pub fn none(profile: Option<Arc<Profile>>) -> SpeedLayer {
        SpeedLayer { crews: Vec::new(), profile }
    }

    /// Adds what `other` keeps live; its dataflows are numbered after those that are here.
    pub fn join(&mut self, mut other: SpeedLayer) {
        self.crews.append(&mut other.crews);
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
        self.crews.iter().try_for_each(Crew::check)
    }

    /// Waits until process 0 stops the workers of this one.
    pub fn wait(mut self) -> Result<()> {
        self.crews.drain(..).try_for_each(Crew::wait)
    }

    /// Ends feeding: every worker of a dataflow has been given the same epochs, and goes on with
    /// those.
    ///
    /// Errors when the log could not be read on the way.
    pub fn end_feeding(&mut self) -> Result<()> {
        let ended = self.crews.iter_mut().map(Crew::end_feeding);
        ended.fold(Ok(()), Result::and)
    }

    /// The profile of the dataflows' operators, if one is recorded.
    pub fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// The first epoch that has not been given to every worker of the dataflow with this number;
    /// epochs below its boundary count as given. In a process alone.
    pub fn fed(&self, dataflow: usize) -> Epoch {
        self.crews[dataflow].fed()
    }

    /// Has every worker of the dataflow with this number write its share of all accumulations, as
    /// they are when all fed epochs are published. Only after [`SpeedLayer::end_feeding`], and in a
    /// process alone.
    pub fn dump(&self, dataflow: usize, write: Write) -> Dumping {
        self.crews[dataflow].dump(write)
    }

    fn halt(&mut self, deadline: Instant) -> Result<()> {
        let fed = self.end_feeding();
        self.crews.iter().for_each(Crew::dismiss);
        let halted = self.crews.iter_mut().map(|crew| crew.halt(deadline));
        halted.fold(fed, Result::and)
    }
}

impl Drop for SpeedLayer {
    fn drop(&mut self) {
        // A caller that wants the outcome calls `stop`.
        let _ = self.halt(Instant::now() + WORKERS_GRACE);
    }
}
