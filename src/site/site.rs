//! The site: the served dataflows, the streams and the log that the servers answer from.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::admission::Load;
use super::append_only_list::AppendOnly;
use super::detect_concerns::Concerns;
use super::frontier_watch;
use super::handover::Handover;
use super::max_lag::MaxLag;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_log::{Reader, Writer};
use diptych_serving::Serving;
use diptych_system::{Control, Controlled, Deployed, FirstAnswers, Served, Stream, System};

/// A dataflow that is served.
pub struct Flow {
    /// The name of the dataflow.
    pub name: String,
    /// The streams that the serving version reads.
    pub streams: ArcSwap<Vec<String>>,
    /// The serving side; its index has the views of the serving version.
    pub serving: Arc<Serving>,
    /// The frontier, for tasks that wait.
    pub frontier: watch::Receiver<Epoch>,
}

impl Flow {
    /// A dataflow whose reads `serving` answers.
    ///
    /// # Errors
    /// When the thread that follows its frontier cannot be started.
    pub fn new(name: &str, streams: Vec<String>, serving: Arc<Serving>) -> Result<Flow> {
        let frontier = frontier_watch::follow(name, &serving)?;
        let streams = ArcSwap::from_pointee(streams);
        Ok(Flow { name: name.to_owned(), streams, serving, frontier })
    }

    /// The streams that the serving version reads.
    pub fn streams(&self) -> Arc<Vec<String>> {
        self.streams.load_full()
    }
}

/// Everything that the servers answer from.
pub struct Site {
    /// The dataflows in the order given, followed by those deployed since.
    pub flows: AppendOnly<Flow>,
    /// Their streams, each once.
    pub streams: AppendOnly<Stream>,
    /// Takes appends; none in a process that only follows the log.
    pub writer: Option<Arc<Writer>>,
    /// The log.
    pub reader: Arc<Reader>,
    /// Recomputes epochs below `since`, and changes what is served.
    pub control: Arc<dyn Control>,
    /// The state that SQL engines of this site share; made by the first of them.
    pub sql: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// The state of a takeover that is being prepared.
    pub handover: Handover,
    /// The work that clients have under way, with its bounds.
    pub load: Load,
    /// The lag beyond which events are refused; set when servers start.
    pub max_lag: OnceLock<MaxLag>,
    /// The time when the site was made.
    pub started: Instant,
    /// The concerns that need an operator.
    pub concerns: Concerns,
    /// Why this process has no writer though it should have one.
    refusal: OnceLock<Error>,
}

impl Site {
    /// A site for the dataflows that `served` serves; `definitions` may be deployed later. `writer`
    /// is the log's writer when this process appends.
    ///
    /// # Errors
    /// When two dataflows read one stream as different types, or a thread cannot be started.
    pub fn of(
        system: &System,
        served: &Served,
        definitions: &[Definition],
        writer: Option<Arc<Writer>>,
    ) -> Result<Arc<Site>> {
        let controlled = system.control(served, definitions, writer.clone())?;
        Site::from_controlled(controlled, writer)
    }

    /// A site that answers from files first, until the restored dataflows take over: see
    /// [`Site::of`].
    ///
    /// # Errors
    /// As for [`Site::of`].
    pub fn of_first(
        system: &System,
        first: &FirstAnswers,
        definitions: &[Definition],
        writer: Option<Arc<Writer>>,
    ) -> Result<Arc<Site>> {
        let controlled = first.control(system, definitions, writer.clone())?;
        Site::from_controlled(controlled, writer)
    }

    fn from_controlled(controlled: Controlled, writer: Option<Arc<Writer>>) -> Result<Arc<Site>> {
        let Controlled { dataflows, streams, reader, control } = controlled;
        let flows = dataflows.into_iter().map(|one| Flow::new(&one.name, one.streams, one.serving));
        Ok(Site::new(flows.collect::<Result<_>>()?, streams, writer, reader, control))
    }

    /// A site of these parts.
    pub fn new(
        flows: Vec<Flow>,
        streams: Vec<Stream>,
        writer: Option<Arc<Writer>>,
        reader: Arc<Reader>,
        control: Arc<dyn Control>,
    ) -> Arc<Site> {
        let flows = AppendOnly::new(flows);
        let streams = AppendOnly::new(streams);
        let sql = OnceLock::new();
        let load = Load::default();
        let started = Instant::now();
        let handover = Handover::default();
        let concerns = Concerns::default();
        let refusal = OnceLock::new();
        Arc::new(Site {
            max_lag: OnceLock::new(),
            flows,
            streams,
            writer,
            reader,
            control,
            sql,
            handover,
            load,
            started,
            concerns,
            refusal,
        })
    }

    /// Makes the site refuse appends because the log could not be opened for writing; the first
    /// reason stays.
    pub fn refuse_appends(&self, error: &Error) {
        let _ = self.refusal.set(error.clone());
    }

    /// The reason why appends are refused since the start, if they are.
    pub fn refusal(&self) -> Option<Error> {
        self.refusal.get().map(|error| {
            let why = error.reason();
            let message = format!("this process takes no appends since its start: {why}");
            Error::new(error.kind(), message)
                .remedy("make room, or have the disk writable, then restart the process")
        })
    }

    /// Whether this process appends to the log.
    pub fn appends(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.failure().is_none())
    }

    /// The first epoch that is not durable; of a log that cannot be read, the last value known.
    pub fn log_end(&self) -> Epoch {
        self.reader.upper().unwrap_or_else(|_| {
            let seen = self.flows.iter().map(|flow| flow.serving.index().frontier()).max();
            self.writer.as_ref().map_or(seen.unwrap_or(0), |writer| writer.upper())
        })
    }

    /// Adds the dataflows and streams of a deployment.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn deployed(&self, deployed: &Deployed) -> Result<()> {
        for stream in &deployed.streams {
            self.streams.add(stream.clone(), |known| known.name == stream.name);
        }
        let names: Vec<_> = deployed.streams.iter().map(|stream| stream.name.clone()).collect();
        if let Some(flow) = self.flows.iter().find(|flow| flow.name == deployed.dataflow) {
            flow.streams.store(Arc::new(names));
            self.load.replays.outdate(&deployed.dataflow);
            return Ok(());
        }
        let flow = Flow::new(&deployed.dataflow, names, Arc::clone(&deployed.serving))?;
        self.flows.add(flow, |known| known.name == deployed.dataflow);
        Ok(())
    }

    /// The dataflow called `name`.
    ///
    /// # Errors
    /// When it is not served; the error lists the served dataflows.
    pub fn flow(&self, name: &str) -> Result<&Flow> {
        self.number(name).map(|number| &self.flows[number])
    }

    /// The number of the dataflow called `name` among those served.
    pub fn number(&self, name: &str) -> Result<usize> {
        self.flows.iter().position(|flow| flow.name == name).ok_or_else(|| {
            let known: Vec<_> = self.flows.iter().map(|flow| flow.name.as_str()).collect();
            Error::new(Kind::Missing, format!("dataflow {name:?} is not served here"))
                .remedy(format!("served are {}", known.join(", ")))
        })
    }

    /// The stream called `name`.
    ///
    /// # Errors
    /// When no served dataflow reads it; the error lists the streams.
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
            if let Some(refusal) = self.refusal() {
                return refusal;
            }
            Error::new(Kind::Conflict, "this process follows the log and takes no appends")
                .remedy("append to the process that holds the log's lock")
        })
    }
}
