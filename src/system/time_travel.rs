//! Time travel: past epochs are answered from batch views that the first request makes, and that
//! are kept for later requests.
//!
//! These are kept apart from the batch views of the present, in `past/`: no restart begins at one,
//! no rebuild takes one up, and removing the directory costs nothing but time. A new one continues
//! the nearest batch view below, of either kind. Few are kept; the earliest epochs are removed
//! first, never the one just made. A reader has the files mapped, and reads on when they are
//! removed.

use std::path::PathBuf;
use std::sync::Arc;

use super::batch_run::BatchSpan;
use super::check_batch_view_fits::{check_log, check_types};
use super::erase::rewritten;
use super::retraction_recovery::overtaken;
use super::system::System;
use super::warm_start::stored;
use super::{BatchOptions, identity};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{PAST_VIEWS_BYTES, PAST_VIEWS_KEPT};
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, FileCheck, Identity, lineage_in_force, remove_these};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::Reader;
use diptych_serving::{Index, IndexOptions};

/// All views of a dataflow at one epoch of history.
pub struct Past {
    /// The index at that epoch; reads from files, unless they could not be written.
    pub index: Index,
    /// The work that the answer took.
    pub how: AnsweredBy,
    /// Errors for batch views that were damaged, or of another history, and were passed over; each
    /// names its file.
    pub passed_over: Vec<Error>,
}

/// The work that an answer about the past took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// A batch view of that epoch existed.
    Found,
    /// The batch view at this boundary was continued.
    Continued(Epoch),
    /// All events up to the epoch were read.
    Recomputed,
}

impl System {
    /// All views of a dataflow as they were at `epoch`. Costs nothing when a batch view of that
    /// epoch exists, else a batch run from the nearest one below, whose result is kept.
    ///
    /// # Errors
    /// When the epoch is before history or not in the log yet, the log is damaged, or the dataflow
    /// fails.
    pub fn as_of(&self, definition: &Definition, epoch: Epoch, cluster: Cluster) -> Result<Past> {
        let description = definition.describe()?;
        let reader = self.reader()?;
        check_there(&reader, epoch)?;
        let upper = epoch + 1;
        let (mut nearest, mut passed_over) = self.nearest(&description, &reader, upper)?;
        if let Some(view) = nearest.as_ref().filter(|view| view.boundary() < upper) {
            let from = view.boundary();
            if overtaken(definition, &description, &reader, from..upper, from)?.is_some() {
                // Events retracted since cannot be removed from it.
                nearest = None;
            }
        }
        let how = match nearest.as_ref().map(BatchView::boundary) {
            Some(boundary) if boundary == upper => AnsweredBy::Found,
            Some(boundary) => AnsweredBy::Continued(boundary),
            None => AnsweredBy::Recomputed,
        };
        // A found batch view may be removed while it is opened: then it is made again.
        if let (AnsweredBy::Found, Some(view)) = (how, &nearest) {
            match self.opened(&description, &reader, view) {
                Ok(index) => return Ok(Past { index, how, passed_over }),
                Err(error) if error.is_missing() => {}
                Err(error) => passed_over.push(error),
            }
        }
        let earlier = nearest.filter(|view| view.boundary() < upper);
        match self.make_past(definition, &description, &reader, upper, earlier, &cluster) {
            Ok(index) => Ok(Past { index, how, passed_over }),
            // Another process makes one, or it cannot be kept here.
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Full | Kind::Io) => {
                tracing::debug!("epoch {epoch} is recomputed in memory: {error}");
                let index = self.recompute(definition, upper, cluster, false)?;
                Ok(Past { index, how, passed_over })
            }
            Err(error) => Err(error),
        }
    }

    fn opened(
        &self,
        description: &Description,
        reader: &Reader,
        view: &BatchView,
    ) -> Result<Index> {
        let of = identity(description);
        let (lineage, _) = lineage_in_force(&*self.disk, &self.root, &of);
        let history = rewritten(reader);
        let branches = reader.branches();
        let options = IndexOptions { lineage, history, branches, ..IndexOptions::default() };
        stored(description, view, &options)
    }

    /// The directory of the batch views of the past.
    pub(super) fn past(&self) -> PathBuf {
        self.root.join("past")
    }

    /// The newest whole batch view at or below `upper`, of either kind; and errors for those passed
    /// over.
    fn nearest(
        &self,
        description: &Description,
        reader: &Reader,
        upper: Epoch,
    ) -> Result<(Option<BatchView>, Vec<Error>)> {
        let (present, mut passed_over) =
            self.newest_of(description, reader, upper, FileCheck::Whole)?;
        let disk = Arc::clone(&self.disk);
        let identity = identity(description);
        let fits = |view: &BatchView| {
            check_types(description, view)?;
            check_log(view, reader)
        };
        // Errors there do not matter, because all of it can be made again.
        let past = match BatchView::newest_that(
            disk,
            &self.past(),
            &identity,
            upper,
            FileCheck::Whole,
            fits,
        ) {
            Ok(newest) => {
                passed_over.extend(newest.damaged);
                newest.found
            }
            Err(error) => {
                passed_over.push(error);
                None
            }
        };
        let nearest = present.into_iter().chain(past).max_by_key(BatchView::boundary);
        Ok((nearest, passed_over))
    }

    fn make_past(
        &self,
        definition: &Definition,
        description: &Description,
        reader: &Arc<Reader>,
        upper: Epoch,
        earlier: Option<BatchView>,
        cluster: &Cluster,
    ) -> Result<Index> {
        let root = self.past();
        let identity = identity(description);
        // A damaged one would prevent a new one.
        if BatchView::boundaries(&*self.disk, &root, &identity)?.contains(&upper) {
            remove_these(&*self.disk, &root, &identity, &[upper])?;
        }
        let options = BatchOptions { cluster: cluster.clone(), ..Default::default() };
        let known = description.clone();
        let span = BatchSpan { boundary: upper, earlier };
        self.run_batch(definition, known, Arc::clone(reader), span, &root, &options)?;
        let view = BatchView::open(Arc::clone(&self.disk), &root, &identity, upper)?;
        let index = self.opened(description, reader, &view)?;
        match self.forget(&identity, upper) {
            // Another process makes one, and removes old ones, too.
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(index),
        }
    }

    /// Removes the batch views of the past beyond the number to be kept, never the one just `made`.
    fn forget(&self, identity: &Identity, made: Epoch) -> Result<()> {
        let root = self.past();
        let mut count = 0;
        let mut bytes = 0;
        let mut unwanted = Vec::new();
        let others = BatchView::boundaries(&*self.disk, &root, identity)?;
        let others = others.into_iter().rev().filter(|boundary| *boundary != made);
        for boundary in std::iter::once(made).chain(others) {
            let view = BatchView::open(Arc::clone(&self.disk), &root, identity, boundary);
            count += 1;
            bytes += view.map_or(0, |view| view.bytes());
            let kept = count <= PAST_VIEWS_KEPT && bytes <= PAST_VIEWS_BYTES;
            if boundary != made && !kept {
                unwanted.push(boundary);
            }
        }
        if unwanted.is_empty() {
            return Ok(());
        }
        remove_these(&*self.disk, &root, identity, &unwanted)
    }
}

/// Refuses an epoch that the log does not have.
fn check_there(reader: &Reader, epoch: Epoch) -> Result<()> {
    let lower = reader.lower();
    let upper = reader.upper()?;
    if epoch < lower {
        let message = format!("epoch {epoch} is before history, which begins at epoch {lower}");
        return Err(Error::new(Kind::Missing, message).remedy("ask for a later epoch"));
    }
    if epoch >= upper {
        let message = format!("epoch {epoch} is not in the log, which has [{lower}, {upper})");
        return Err(
            Error::new(Kind::Missing, message).remedy("ask for a sealed epoch, or for the latest")
        );
    }
    Ok(())
}
