//! How the layers are asked to run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::engine::{Cluster, Progress};
use crate::log::Writer;
use crate::serving::IndexOptions;
use crate::time::Epoch;

/// How a batch run is made.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    /// Workers and processes.
    pub cluster: Cluster,
    /// History ends here; by default at the log's present end.
    pub upto: Option<Epoch>,
    /// Continue the newest batch view below the end, and read only the events since; without one,
    /// or by default, all events are read.
    pub incremental: bool,
    /// Counts rows while the run goes on.
    pub progress: Arc<Progress>,
    /// When it becomes true the run is given up: an error, and no new batch view.
    pub stop: Arc<AtomicBool>,
}

/// Where the speed layer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// At the newest whole batch view; without one, at the log's end, with history fed in place.
    #[default]
    Newest,
    /// Feed history in place up to this epoch, whatever batch views there are.
    InPlace(Epoch),
    /// Restore from the batch view at exactly this epoch.
    Restore(Epoch),
}

/// How the speed layer learns of new epochs.
#[derive(Clone, Copy, Default)]
pub(super) enum Source<'w> {
    /// From the directory, which another process may be writing.
    #[default]
    Directory,
    /// From the writer in this process, as soon as an epoch is durable.
    Writer(&'w Writer),
    /// Not at all beyond this epoch.
    Until(Epoch),
}

/// How dataflows are kept live.
#[derive(Clone, Default)]
pub struct ServeOptions<'w> {
    pub(super) cluster: Cluster,
    pub(super) boundary: Boundary,
    pub(super) source: Source<'w>,
    pub(super) index: IndexOptions,
    pub(super) profiled: bool,
}

impl<'w> ServeOptions<'w> {
    /// Workers and processes; by default one worker.
    #[must_use]
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = cluster;
        self
    }

    /// Where the speed layer begins.
    #[must_use]
    pub fn boundary(mut self, boundary: Boundary) -> Self {
        self.boundary = boundary;
        self
    }

    /// Takes new epochs from this writer, as soon as they are durable. By default the directory is
    /// followed, which another process may be writing.
    #[must_use]
    pub fn writer(mut self, writer: &'w Writer) -> Self {
        self.source = Source::Writer(writer);
        self
    }

    /// Reads nothing at or beyond `upper`.
    #[must_use]
    pub fn until(mut self, upper: Epoch) -> Self {
        self.source = Source::Until(upper);
        self
    }

    /// Keeps figures of what each operator does, for whoever asks for the graph of a dataflow.
    /// Costs some processor time in every epoch, whoever looks: 4 to 8 % of epochs of 20 events,
    /// too little to be told from noise in epochs of 500.
    #[must_use]
    pub fn profiled(mut self, profiled: bool) -> Self {
        self.profiled = profiled;
        self
    }

    /// How much history the index keeps apart, and how long leases are.
    #[must_use]
    pub fn index(mut self, options: IndexOptions) -> Self {
        self.index = options;
        self
    }
}
