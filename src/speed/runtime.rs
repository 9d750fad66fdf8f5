//! The running speed layer: dataflows, each on workers of its own, and how to stop them.
//!
//! A dataflow that takes its time for an epoch holds up nobody but its own readers: no other
//! dataflow is computed on its threads. Only where several processes compute together all share the
//! workers, since the mesh between the processes is one.

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
use diptych_engine::{Blocks, Cluster, History, Profile, Progress, history};
use diptych_log::Reader;
use diptych_serving::Publish;

/// How a dataflow gets to its boundary.
#[derive(Clone)]
pub enum Start {
    /// Feed the log's history in place, up to this frontier.
    History(Epoch),
    /// Load accumulations at this frontier; the function gives a worker its share of the blocks.
    Restore(Epoch, Blocks),
    /// Load accumulations at the first frontier, and feed the history from there to the second in
    /// place: events that came and were taken back in between are left out.
    Continue((Epoch, Epoch), Blocks),
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
    /// Where its updates go.
    pub publisher: Arc<dyn Publish>,
    /// Where it begins.
    pub start: Start,
    /// The digest of the batch view it starts from; empty without one.
    pub base: String,
    /// How it does.
    pub status: Arc<LaneStatus>,
    /// How far its history is fed.
    pub progress: Arc<Progress>,
}

/// The running speed layer. Dropping it stops it.
pub struct Live {
    /// One for each dataflow; in several processes one for all.
    crews: Vec<Crew>,
    profile: Option<Arc<Profile>>,
}

impl Start {
    /// Where batch ends and speed begins.
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
            Start::History(boundary) => history(reader, 0..*boundary, streams, index, peers),
            Start::Restore(_, blocks) => Ok(blocks(index, peers)),
            Start::Continue((from, upto), blocks) => {
                let since = history(reader, *from..*upto, streams, index, peers)?;
                Ok(Box::new(blocks(index, peers).chain(since)))
            }
        }
    }
}

impl Live {
    /// Starts the workers of this process, and on process 0 what feeds them from the tail that
    /// `tail` gives; what their operators do is kept in `profile`, if there is one.
    ///
    /// Errors when the cluster cannot be formed or a dataflow does not compile.
    pub fn start(
        cluster: &Cluster,
        dataflows: Vec<LiveDataflow>,
        reader: &Arc<Reader>,
        tail: impl Fn() -> Tail,
        profile: Option<Arc<Profile>>,
    ) -> Result<Live> {
        let teams = match cluster.processes() {
            1 => dataflows.into_iter().map(|dataflow| vec![dataflow]).collect(),
            _ => vec![dataflows],
        };
        let crew = |team| Crew::start(cluster, team, reader, tail(), profile.clone());
        let crews = teams.into_iter().map(crew).collect::<Result<Vec<_>>>()?;
        Ok(Live { crews, profile })
    }

    /// Stops feeding, lets the workers leave and waits for them, at most until `deadline`. What was
    /// fed is published only as far as the index says; the rest is in the log.
    ///
    /// Errors when the log could not be read on the way.
    pub fn stop(mut self, deadline: Instant) -> Result<()> {
        self.halt(deadline)
    }

    /// Errors when feeding has ended because the log could not be read.
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

    /// What the operators of the dataflows do, if it was to be known.
    pub fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// Every epoch below has been given to every worker of the dataflow with that number, unless it
    /// is below its boundary. In a process alone.
    pub fn fed(&self, dataflow: usize) -> Epoch {
        self.crews[dataflow].fed()
    }

    /// Has every worker of the dataflow with that number write its share of all accumulations, as
    /// they are when all that was fed is published. Only after [`Live::end_feeding`], and in a
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

impl Drop for Live {
    fn drop(&mut self) {
        // Whoever wants the outcome calls `stop`.
        let _ = self.halt(Instant::now() + WORKERS_GRACE);
    }
}
