//! What may be asked: the dataflows, the streams, the log.

use std::sync::Arc;
use std::time::Instant;

use arrow_schema::SchemaRef;
use tokio::sync::watch;

use super::frontiers;
use super::history::History;
use super::load::Load;
use crate::error::{Error, Kind, Result};
use crate::log::{Reader, Writer};
use crate::serving::{Serving, Verified, ViewInfo};
use crate::time::Epoch;

/// A stream that a served dataflow reads.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name in the log.
    pub name: String,
    /// The columns of its events.
    pub schema: SchemaRef,
}

/// A dataflow that is served.
pub struct Flow {
    /// Its name.
    pub name: String,
    /// The streams it reads.
    pub streams: Vec<String>,
    /// The views it publishes, by id.
    pub views: Vec<ViewInfo>,
    /// What answers.
    pub serving: Arc<Serving>,
    /// Its frontier, for tasks that wait.
    pub(super) frontier: watch::Receiver<Epoch>,
    /// What independent batch runs have proved.
    pub(super) verified: Arc<Verified>,
}

impl Flow {
    /// A dataflow that `serving` answers for.
    ///
    /// # Errors
    /// When the thread that follows its frontier cannot be started.
    pub fn new(name: &str, streams: Vec<String>, serving: Arc<Serving>) -> Result<Flow> {
        let views = serving.index().views().to_vec();
        let frontier = frontiers::follow(name, &serving)?;
        let verified = Arc::default();
        Ok(Flow { name: name.to_owned(), streams, views, serving, frontier, verified })
    }

    /// The same dataflow, with verifications that others make, too.
    #[must_use]
    pub fn with_verified(self, verified: Arc<Verified>) -> Flow {
        Flow { verified, ..self }
    }
}

/// Everything the servers answer from.
pub struct Site {
    /// The dataflows, in the order given.
    pub flows: Vec<Flow>,
    /// Their streams, each once.
    pub streams: Vec<Stream>,
    /// Takes appends; none in a process that only follows the log.
    pub writer: Option<Arc<Writer>>,
    /// The log.
    pub reader: Arc<Reader>,
    /// Answers for what the index has let go.
    pub history: Arc<dyn History>,
    /// What SQL engines of this site share.
    #[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "there is no SQL"))]
    pub(crate) sql: super::sql::Shared,
    /// What clients have under way.
    pub load: Load,
    /// Since when.
    pub started: Instant,
}

impl Site {
    /// A site that begins now.
    pub fn new(
        flows: Vec<Flow>,
        streams: Vec<Stream>,
        writer: Option<Arc<Writer>>,
        reader: Arc<Reader>,
        history: Arc<dyn History>,
    ) -> Arc<Site> {
        let (sql, load, started) = (super::sql::Shared::default(), Load::default(), Instant::now());
        Arc::new(Site { flows, streams, writer, reader, history, sql, load, started })
    }

    /// The dataflow called `name`.
    ///
    /// # Errors
    /// When it is not served; lists those that are.
    pub fn flow(&self, name: &str) -> Result<&Flow> {
        self.number(name).map(|number| &self.flows[number])
    }

    /// The place of the dataflow called `name` among those served.
    pub(super) fn number(&self, name: &str) -> Result<usize> {
        self.flows.iter().position(|flow| flow.name == name).ok_or_else(|| {
            let known: Vec<_> = self.flows.iter().map(|flow| flow.name.as_str()).collect();
            Error::new(Kind::Missing, format!("dataflow {name:?} is not served here"))
                .remedy(format!("served are {}", known.join(", ")))
        })
    }

    /// The stream called `name`.
    ///
    /// # Errors
    /// When no served dataflow reads it; lists the streams.
    pub fn stream(&self, name: &str) -> Result<&Stream> {
        self.streams.iter().find(|stream| stream.name == name).ok_or_else(|| {
            let known: Vec<_> = self.streams.iter().map(|stream| stream.name.as_str()).collect();
            Error::new(Kind::Missing, format!("no served dataflow reads a stream {name:?}"))
                .remedy(format!("the streams are {}", known.join(", ")))
        })
    }

    /// The log's writer.
    ///
    /// # Errors
    /// When this process only follows the log.
    pub fn appender(&self) -> Result<&Arc<Writer>> {
        self.writer.as_ref().ok_or_else(|| {
            Error::new(Kind::Conflict, "this process follows the log and takes no appends")
                .remedy("append to the process that holds the log's lock")
        })
    }
}
