//! Warm start: the first answers of a process come from the files of the newest batch views, before
//! anything is loaded.
//!
//! Finding a batch view reads its manifest and the indexes of its parts, whose length follows the
//! number of blocks; a row is read only by a request for it. Such answers stay at the batch view's
//! last epoch and are marked as stale. Meanwhile the dataflow is restored into an index of its own
//! ([`ServeOptions::relieving`]); when that has reached the same boundary, readers are cut over,
//! and no frontier goes back. (The restored index may start further back: the files are checked as
//! a whole only then, and if they are damaged an older batch view is restored and followed by the
//! log.)
//!
//! With [`IndexOptions::views_in_files`] the restored index reads the same files in place, beside
//! what came after them. Otherwise its first batch is loaded: differential merges batches of its
//! own layout only, so a mapped batch is never merged with later ones, and every read searches
//! both, by binary search instead of by hash. What that costs in memory is one copy of the views.
//!
//! [`ServeOptions::relieving`]: super::ServeOptions::relieving

use std::sync::Arc;

use super::check_batch_view_fits::{check_log, check_types};
use super::control::{Controlled, Parts};
use super::erase::rewritten;
use super::rebuild_queue::RebuildQueue;
use super::restore_batch_view::mapped_views;
use super::served_dataflows::StartedDataflow;
use super::system::System;
use super::version_registry::{Current, Running};
use super::warm_start_answers::FirstAnswers;
use super::{ServeOptions, identity};
use diptych_base::error::Result;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, lineage_in_force};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::{Reader, Writer};
use diptych_serving::{Index, IndexOptions, Serving};
use diptych_speed::LaneStatus;

impl System {
    /// Answers from the newest batch views, without loading them; `options` are those of
    /// [`System::serve`], which then takes over with [`ServeOptions::relieving`].
    ///
    /// A dataflow without a readable batch view has no answers yet: no epoch of it is complete. The
    /// reason is an error of [`System::serve`].
    ///
    /// ```
    /// use dataflows::{Line, word_count};
    /// use diptych::serving::Read;
    /// use diptych::System;
    /// use diptych::dataflow::Definition;
    /// use diptych::sources::append;
    /// use diptych::system::{BatchOptions, ServeOptions};
    ///
    /// # fn main() -> diptych::Result<()> {
    /// let system = System::in_memory();
    /// let writer = system.writer()?;
    /// append(&writer, "lines", &[Line { text: "to be or not to be".into() }])?;
    /// let flows = [Definition::new("word_count", word_count)];
    /// system.batch(&flows[0], &BatchOptions::default())?;
    ///
    /// let options = ServeOptions::default().writer(&writer);
    /// let first = system.first_answers(&flows, &options)?;
    /// let readers = first.serving("word_count")?;
    /// let counts = readers.snapshot(Read::Latest)?;
    /// assert!(counts.is_stale());
    /// assert_eq!(counts.lookup::<String, i64>("counts", &"be".to_owned())?, [(2, 1)]);
    ///
    /// append(&writer, "lines", &[Line { text: "be quick".into() }])?;
    /// let served = system.serve(&flows, options.relieving(&first))?;
    /// served.wait_beyond("word_count", 1)?;
    /// let counts = readers.snapshot(Read::Latest)?;
    /// assert_eq!(counts.lookup::<String, i64>("counts", &"be".to_owned())?, [(3, 1)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no log, or a dataflow does not compile.
    pub fn first_answers(
        &self,
        definitions: &[Definition],
        options: &ServeOptions<'_>,
    ) -> Result<FirstAnswers> {
        let reader = self.reader()?;
        let upper = reader.upper()?;
        let mut running = Vec::new();
        for definition in definitions {
            let description = definition.describe()?;
            let index = self.first_index(&description, &reader, upper, &options.index)?;
            running.push(Running {
                definition: definition.clone(),
                description,
                serving: Arc::new(Serving::new(index)),
                status: Arc::<LaneStatus>::default(),
                shards: options.cluster.workers,
                processes: options.cluster.processes(),
                profile: None,
            });
        }
        let current = Current::new(running);
        let turn = std::sync::Mutex::new(Some(current.turn()?));
        let cluster = Cluster::local(options.cluster.workers);
        let queue = Arc::default();
        let profiled = options.profiled;
        Ok(FirstAnswers { current, queue, reader, cluster, profiled, turn })
    }

    /// An index of the newest batch view that can be opened, or an empty one.
    fn first_index(
        &self,
        description: &Description,
        reader: &Reader,
        upper: Epoch,
        options: &IndexOptions,
    ) -> Result<Index> {
        let identity = identity(description);
        let mut options = options.clone();
        // Errors here are reported by the restore.
        options.lineage = lineage_in_force(&*self.disk, &self.root, &identity).0;
        options.history = rewritten(reader);
        options.branches = reader.branches();
        let found = BatchView::boundaries(&*self.disk, &self.root, &identity);
        let boundaries = found.unwrap_or_default();
        for boundary in boundaries.into_iter().rev().filter(|boundary| *boundary <= upper) {
            let view = BatchView::open(Arc::clone(&self.disk), &self.root, &identity, boundary);
            let fits = view.and_then(|view| {
                check_types(description, &view)?;
                check_log(&view, reader)?;
                Ok(view)
            });
            if let Ok(index) = fits.and_then(|view| stored(description, &view, &options)) {
                index.fresh_from(Epoch::MAX);
                return Ok(index);
            }
        }
        let index = Index::new(&description.version, description.views.clone(), 1, options)?;
        index.fresh_from(Epoch::MAX);
        Ok(index)
    }
}

/// An index that reads the files of a batch view.
pub(super) fn stored(
    description: &Description,
    view: &BatchView,
    options: &IndexOptions,
) -> Result<Index> {
    let views = description.views.clone();
    let mapped = mapped_views(description, view)?;
    Index::stored(&description.version, views, view.boundary(), mapped, options.clone())
}

/// The handle of readers of a dataflow: that of the first answers, if there are any.
pub(super) fn serving(first: Option<&FirstAnswers>, entry: &StartedDataflow) -> Arc<Serving> {
    let known = first.and_then(|first| first.serving(&entry.description.name).ok());
    known.unwrap_or_else(|| Arc::new(Serving::new(entry.index.clone())))
}

impl FirstAnswers {
    /// The handle of readers of a dataflow, now and when the speed layer has taken over.
    ///
    /// # Errors
    /// When it is not among those served.
    pub fn serving(&self, dataflow: &str) -> Result<Arc<Serving>> {
        self.current.get(dataflow).map(|running| running.serving)
    }

    /// The dataflows and the control port for servers, until the process ends: see
    /// [`System::control`].
    ///
    /// # Errors
    /// As [`System::control`].
    pub fn control(
        &self,
        system: &System,
        definitions: &[Definition],
        writer: Option<Arc<Writer>>,
    ) -> Result<Controlled> {
        let parts = Parts {
            current: Arc::clone(&self.current),
            queue: Arc::clone(&self.queue),
            reader: Arc::clone(&self.reader),
            cluster: self.cluster.clone(),
            profiled: self.profiled,
        };
        system.control_of(parts, definitions, writer)
    }

    /// A dataflow runs.
    pub(super) fn begun(&self, running: Running) {
        self.current.begin(running);
    }

    /// All dataflows run: from now on some may be deployed.
    pub(super) fn all_begun(&self) -> (Arc<Current>, Arc<RebuildQueue>) {
        *lock(&self.turn) = None;
        (Arc::clone(&self.current), Arc::clone(&self.queue))
    }
}
