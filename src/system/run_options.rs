//! Options of batch runs and of serving.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::warm_start_answers::FirstAnswers;
use super::writer_slot::WriterSlot;
use diptych_base::time::Epoch;
use diptych_engine::{Cluster, Progress};
use diptych_log::Writer;
use diptych_serving::IndexOptions;

/// The options of a batch run.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    /// Workers and processes.
    pub cluster: Cluster,
    /// The end of history; by default the log's present end.
    pub upto: Option<Epoch>,
    /// Continue the newest batch view below the end, and read only the events since; without one,
    /// or by default, all events are read.
    pub incremental: bool,
    /// The memory that views and accumulations may take, in bytes, about: the run is made in steps
    /// then, each of which continues the files of the one before. Without effect where the state
    /// cannot stay in files, and with several processes. By default any.
    pub memory: Option<u64>,
    /// Counts rows while the run goes on.
    pub progress: Arc<Progress>,
    /// Cancels the run when it becomes true: an error, and no new batch view.
    pub stop: Arc<AtomicBool>,
}

/// The start of the speed layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// At the newest whole batch view; without one, at the log's end, with history fed in place.
    #[default]
    Newest,
    /// Feed history in place up to this epoch, without regard to batch views.
    InPlace(Epoch),
    /// Restore from the batch view at exactly this epoch.
    Restore(Epoch),
}

/// The source of new epochs for the speed layer.
#[derive(Clone, Default)]
pub(super) enum EpochSource<'w> {
    /// From the directory, which another process may be writing.
    #[default]
    Directory,
    /// From the writer in this process, as soon as an epoch is durable.
    Writer(&'w Writer),
    /// From the directory, up to this epoch.
    Until(Epoch),
    /// From the directory, and from the writer in this process once it is given.
    Join(WriterSlot),
}

/// The options of serving.
#[derive(Clone, Default)]
pub struct ServeOptions<'w> {
    pub(super) cluster: Cluster,
    pub(super) boundary: Boundary,
    pub(super) source: EpochSource<'w>,
    pub(super) index: IndexOptions,
    pub(super) profiled: bool,
    pub(super) memory: Option<u64>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) relieves: Option<&'w FirstAnswers>,
}

impl<'w> ServeOptions<'w> {
    /// Workers and processes; by default one worker.
    #[must_use]
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = cluster;
        self
    }

    /// Sets the start of the speed layer.
    #[must_use]
    pub fn boundary(mut self, boundary: Boundary) -> Self {
        self.boundary = boundary;
        self
    }

    /// Takes new epochs from this writer, as soon as they are durable. By default the directory is
    /// followed, which another process may be writing.
    #[must_use]
    pub fn writer(mut self, writer: &'w Writer) -> Self {
        self.source = EpochSource::Writer(writer);
        self
    }

    /// Follows the directory until `writer` is given.
    #[must_use]
    pub fn writer_slot(mut self, writer: &WriterSlot) -> Self {
        self.source = EpochSource::Join(writer.clone());
        self
    }

    /// Reads nothing at or beyond `upper`.
    #[must_use]
    pub fn until(mut self, upper: Epoch) -> Self {
        self.source = EpochSource::Until(upper);
        self
    }

    /// Records figures of each operator, for requests of a dataflow's graph. Costs some processor
    /// time in every epoch, also without such requests: 4 to 8 % in epochs of 20 events, too little
    /// to be told from noise in epochs of 500.
    #[must_use]
    pub fn profiled(mut self, profiled: bool) -> Self {
        self.profiled = profiled;
        self
    }

    /// Bounds the memory that views and accumulations take while history is read, to about so many
    /// bytes: history that is long beside them goes to a batch view first, in steps
    /// ([`BatchOptions::memory`]). What is served then is bounded by
    /// [`RebuildOptions::memory`](super::RebuildOptions::memory), where
    /// [views stay in files](IndexOptions::views_in_files).
    #[must_use]
    pub fn memory(mut self, bytes: Option<u64>) -> Self {
        self.memory = bytes;
        self
    }

    /// Cancels the start when `stop` becomes true while history goes to a batch view first: an
    /// error, and no new batch view of the dataflow that is being read. The next start reads it
    /// again.
    #[must_use]
    pub fn stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Takes over from the first answers of the same dataflows: readers are moved over as soon as
    /// their frontier would not go back.
    #[must_use]
    pub fn relieving(mut self, first: &'w FirstAnswers) -> Self {
        self.relieves = Some(first);
        self
    }

    /// Sets the options of the index, such as its history and the length of leases.
    #[must_use]
    pub fn index(mut self, options: IndexOptions) -> Self {
        self.index = options;
        self
    }
}
