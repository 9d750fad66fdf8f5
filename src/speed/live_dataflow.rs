//! A dataflow to keep live, and where its run begins.

use std::sync::Arc;

use super::live_dataflow_status::LaneStatus;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_dataflow::{Definition, StreamInfo};
use diptych_engine::{AccumulationBlocks, History, Progress, StatePlace, history};
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
    /// Where its accumulations are: those in files are not among what its start loads.
    pub place: StatePlace,
    /// The digest of the batch view it starts from; empty without one.
    pub base: String,
    /// The status of the dataflow: running, held or failed.
    pub status: Arc<LaneStatus>,
    /// The progress of feeding its history.
    pub progress: Arc<Progress>,
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
            Start::History(boundary) => history(reader, 0..*boundary, streams, index, peers),
            Start::Restore(_, blocks) => Ok(blocks(index, peers)),
            Start::Continue((from, upto), blocks) => {
                let since = history(reader, *from..*upto, streams, index, peers)?;
                Ok(Box::new(blocks(index, peers).chain(since)))
            }
        }
    }
}
