//! How the layers are asked to run.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::warm_start::FirstAnswers;
use diptych_base::time::Epoch;
use diptych_engine::{Cluster, Progress};
use diptych_log::Writer;
use diptych_serving::IndexOptions;
use diptych_speed::Join;

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
#[derive(Clone, Default)]
pub(super) enum Source<'w> {
    /// From the directory, which another process may be writing.
    #[default]
    Directory,
    /// From the writer in this process, as soon as an epoch is durable.
    Writer(&'w Writer),
    /// Not at all beyond this epoch.
    Until(Epoch),
    /// From the directory, and from the writer in this process once let in.
    Join(LateWriter),
}

/// A writer that this process does not have yet, or not for ever: another process may hold the lock
/// of the log before, or after.
#[derive(Clone)]
pub struct LateWriter {
    slot: Arc<Mutex<Option<Arc<Writer>>>>,
    pub(super) join: Arc<Join>,
}

impl Default for LateWriter {
    fn default() -> LateWriter {
        LateWriter::new()
    }
}

impl LateWriter {
    /// Not there yet: the directory is followed.
    pub fn new() -> LateWriter {
        let slot = Arc::<Mutex<Option<Arc<Writer>>>>::default();
        let place = Arc::clone(&slot);
        let join = Join::new(move || {
            let writer = place.lock().unwrap_or_else(PoisonError::into_inner);
            writer.as_ref().map(|writer| writer.follow())
        });
        LateWriter { slot, join: Arc::new(join) }
    }

    /// It is there: epochs come from it from now on, as soon as they are durable.
    pub fn give(&self, writer: &Arc<Writer>) {
        let writer = Some(Arc::clone(writer));
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = writer;
        self.join.let_in();
    }

    /// The writer, while it is there.
    pub(super) fn writer(&self) -> Option<Arc<Writer>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is about to close. When it has, the directory is followed again.
    pub fn release(&self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How dataflows are kept live.
#[derive(Clone, Default)]
pub struct ServeOptions<'w> {
    pub(super) cluster: Cluster,
    pub(super) boundary: Boundary,
    pub(super) source: Source<'w>,
    pub(super) index: IndexOptions,
    pub(super) profiled: bool,
    pub(super) relieves: Option<&'w FirstAnswers>,
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

    /// Follows the directory until `writer` is there.
    #[must_use]
    pub fn late_writer(mut self, writer: &LateWriter) -> Self {
        self.source = Source::Join(writer.clone());
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

    /// Takes over from what answers already, of the same dataflows: its readers are moved over as
    /// soon as they need not go back.
    #[must_use]
    pub fn relieving(mut self, first: &'w FirstAnswers) -> Self {
        self.relieves = Some(first);
        self
    }

    /// How much history the index keeps apart, and how long leases are.
    #[must_use]
    pub fn index(mut self, options: IndexOptions) -> Self {
        self.index = options;
        self
    }
}
