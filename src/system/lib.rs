//! The composition root: a data directory, and both layers over it.
//!
//! This crate connects log, batch, speed and serving. A [`System`] is a
//! directory with the log in `log/` and batch views in `views/`. [`System::batch`] runs the batch
//! layer; [`System::serve`] starts the speed layer where a batch view ends (or at the log's present
//! end, with history fed in place); both meet in an [`Index`].

mod active_version;
mod backup;
mod batch_before_start;
mod batch_run;
mod batch_steps;
mod batch_view_metadata;
mod batch_view_upkeep;
mod check_batch_view_fits;
mod checkpoint;
mod checkpoint_pace;
mod control;
mod deploy;
mod deploy_compatibility;
mod diff_versions;
mod erase;
mod memory_budget;
mod rebuild;
mod rebuild_outcome;
mod rebuild_queue;
#[cfg(test)]
mod recompute_tests;
mod restore_batch_view;
mod retraction_recovery;
mod run_options;
mod served_dataflows;
mod start;
mod step_size;
mod system;
mod time_travel;
mod verify;
mod version_registry;
mod warm_start;
mod warm_start_answers;
mod warm_start_cutover;
mod writer_slot;

pub use backup::Backup;
pub use checkpoint::Checkpoint;
pub use checkpoint_pace::Checkpoints;
pub use control::{
    Control, Controlled, ControlledDataflow, DeployRequest, Deployed, Rebuild, Stream, Turn, Turns,
};
pub use deploy::DeployOptions;
pub use diff_versions::diff;
pub use diptych_serving::{KeyDiff, ViewDiff};
pub use erase::{EraseOptions, ErasedData, ErasedDataflow, ErasedView};
pub use rebuild::{RebuildOptions, Rebuilds};
pub use rebuild_outcome::Rebuilt;
pub use run_options::{BatchOptions, Boundary, ServeOptions};
pub use served_dataflows::Served;
pub use time_travel::{AnsweredBy, Past};
pub use verify::{Verification, Verifications};
pub use warm_start_answers::FirstAnswers;
pub use writer_slot::WriterSlot;

use std::sync::atomic::AtomicBool;

use batch_run::BatchSpan;
use batch_view_metadata::identity;
use check_batch_view_fits::beyond_log;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_batch::BatchReport;
use diptych_batch_view::{BatchView, FileCheck};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::Reader;
use diptych_serving::{Index, IndexOptions};
use retraction_recovery::check_apart;
pub use system::System;

impl System {
    /// Runs the batch layer over `[0, upto)` and leaves a batch view on disk. With several
    /// processes every one of them calls this with the same arguments but its own number.
    ///
    /// # Errors
    /// When the log is empty or damaged, there is a batch view at that epoch already, user
    /// code panics, or the disk refuses; there is no new batch view then.
    pub fn batch(&self, definition: &Definition, options: &BatchOptions) -> Result<BatchReport> {
        self.batch_checking(FileCheck::Whole, definition, options)
    }

    /// As [`System::batch`]; `check` is that of the batch view which an incremental run continues.
    fn batch_checking(
        &self,
        check: FileCheck,
        definition: &Definition,
        options: &BatchOptions,
    ) -> Result<BatchReport> {
        let description = definition.describe()?;
        let reader = self.reader()?;
        let boundary = history_end(&reader, options.upto)?;
        if boundary == 0 {
            let place = self.root.display();
            return Err(Error::new(Kind::Input, format!("the log in {place} is empty"))
                .remedy("append events first, for example with `ingest`"));
        }
        self.remove_former(&reader)?;
        self.remove_unfit(&description, &reader, boundary)?;
        let earlier = if options.incremental {
            self.earlier(definition, &description, &reader, boundary, check)?
        } else {
            None
        };
        let span = BatchSpan { boundary, earlier };
        match options.memory {
            Some(memory) if description.state_in_files && options.cluster.processes() == 1 => {
                self.batch_in_steps(definition, &description, &reader, span, options, memory)
            }
            _ => self.run_batch(definition, description, reader, span, &self.root, options),
        }
    }

    /// Warnings for batch views of epochs that the log does not have.
    fn beyond(&self, description: &Description, reader: &Reader) -> Result<Vec<Error>> {
        let identity = identity(description);
        let boundaries = BatchView::boundaries(&*self.disk, &self.root, &identity)?;
        // Later than the list: a batch view may be finished at any moment, and is of the log.
        let upper = reader.upper()?;
        let beyond = boundaries.into_iter().filter(|boundary| *boundary > upper);
        Ok(beyond.map(|boundary| beyond_log(&identity.dir(&self.root), boundary, upper)).collect())
    }

    /// The views of a dataflow at the frontier `upper`, recomputed into memory: from the newest
    /// batch view at or below `upper`, or, when `from_scratch`, from the events alone, as an
    /// independent check of the served views.
    ///
    /// # Errors
    /// As [`System::serve`], and when the dataflow fails on the way.
    pub fn recompute(
        &self,
        definition: &Definition,
        upper: Epoch,
        cluster: Cluster,
        from_scratch: bool,
    ) -> Result<Index> {
        let boundary = if from_scratch { Boundary::InPlace(upper) } else { Boundary::Newest };
        let options = ServeOptions::default().cluster(cluster).boundary(boundary).until(upper);
        self.run_until(definition, upper, options, &AtomicBool::new(false))
    }

    /// As [`System::recompute`] from the events alone, cancelled when `stop` becomes true.
    ///
    /// # Errors
    /// As [`System::recompute`], and when it was cancelled.
    pub fn recompute_unless(
        &self,
        definition: &Definition,
        upper: Epoch,
        cluster: Cluster,
        stop: &AtomicBool,
    ) -> Result<Index> {
        let options = ServeOptions::default().cluster(cluster).boundary(Boundary::InPlace(upper));
        self.run_until(definition, upper, options.until(upper), stop)
    }

    /// As [`System::recompute`], with the changes of every epoch in `[boundary, upper)` kept apart:
    /// [`Index::changes`] gives them all, or, when they take more than `bytes`, the last of them.
    ///
    /// # Errors
    /// As [`System::recompute`].
    pub fn recompute_changes(
        &self,
        definition: &Definition,
        boundary: Boundary,
        upper: Epoch,
        cluster: Cluster,
        bytes: usize,
    ) -> Result<Index> {
        let from = match boundary {
            Boundary::InPlace(from) | Boundary::Restore(from) => from,
            Boundary::Newest => 0,
        };
        check_apart(self, definition, from..upper)?;
        // Batches kept as published are read in the order of epochs without a search.
        let index = IndexOptions {
            history_epochs: upper + 1,
            history_bytes: bytes,
            recent_updates: usize::MAX,
            recent_bytes: bytes,
            ..IndexOptions::default()
        };
        let options = ServeOptions::default().cluster(cluster).boundary(boundary);
        let options = options.until(upper).index(index);
        self.run_until(definition, upper, options, &AtomicBool::new(false))
    }

    fn run_until(
        &self,
        definition: &Definition,
        upper: Epoch,
        options: ServeOptions<'_>,
        stop: &AtomicBool,
    ) -> Result<Index> {
        let served = self.serve(std::slice::from_ref(definition), options)?;
        let index = served.index(definition.name())?;
        if let Some(last) = upper.checked_sub(1) {
            served.wait_beyond_unless(definition.name(), last, stop)?;
        }
        served.stop()?;
        Ok(index)
    }
}

/// The number of rows that the log has of the dataflow's streams: those a batch run has to feed, or
/// somewhat more when it ends before the log does.
fn rows(reader: &Reader, description: &Description) -> u64 {
    let read = |name: &str| description.streams.iter().any(|stream| stream.name == name);
    reader.streams().iter().filter(|stream| read(&stream.name)).map(|stream| stream.rows).sum()
}

/// The end of history: `upto`, which must be sealed, or the log's end.
fn history_end(reader: &Reader, upto: Option<Epoch>) -> Result<Epoch> {
    let upper = reader.upper()?;
    match upto {
        Some(upto) if upto > upper => {
            let message = format!("epoch {upto} is beyond the log's end, {upper}");
            Err(Error::new(Kind::Input, message).remedy("name a sealed epoch"))
        }
        upto => Ok(upto.unwrap_or(upper)),
    }
}
