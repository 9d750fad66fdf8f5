//! Checks that a batch view fits the function and the log that continue it.

use std::path::Path;
use std::sync::Arc;

use super::identity;
use super::system::System;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, FileCheck, remove_these};
use diptych_dataflow::{Description, same_signature};
use diptych_event::Timestamp;
use diptych_log::Reader;

/// Refuses a batch view whose accumulations have other types than the function's.
pub(super) fn check_types(description: &Description, view: &BatchView) -> Result<()> {
    for barrier in view.barriers() {
        let ours = description.accumulations.iter().find(|(name, _)| *name == barrier.name);
        let change = match ours {
            None => "is not in the function any more".to_owned(),
            Some((_, types)) if !same_signature(types, &barrier.types) => {
                format!("was {}, and is {types}", barrier.types)
            }
            Some(_) => continue,
        };
        let dataflow = &description.name;
        let version = &description.version;
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "dataflow {dataflow:?} version {version}: accumulation {:?} {change}",
                barrier.name
            ),
        )
        .remedy("a changed function needs a new version: change `df.version`"));
    }
    if description.accumulations.len() > view.barriers().len() {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "dataflow {:?} version {} has accumulations its batch view lacks",
                description.name, description.version
            ),
        )
        .remedy("a changed function needs a new version: change `df.version`"));
    }
    Ok(())
}

/// Refuses a batch view of another log.
pub(super) fn check_log(view: &BatchView, reader: &Reader) -> Result<()> {
    let stated = view.log_identity();
    let found = reader.identity();
    let boundary = view.boundary();
    if stated == found {
        return check_end(view, reader);
    }
    let since = reader.erasures().into_iter().find(|erasure| erasure.former() == stated);
    if let Some(erasure) = since {
        let stream = &erasure.stream;
        let at = erasure.at();
        let message = format!(
            "the batch view at epoch {boundary} was made before events of stream {stream} were \
             erased at {at}"
        );
        return Err(Error::new(Kind::Conflict, message)
            .remedy("run `batch`, which removes it and makes one of the history of now"));
    }
    Err(Error::new(
        Kind::Conflict,
        format!(
            "the batch view at epoch {boundary} is of log {stated}, this directory has {found}"
        ),
    )
    .remedy("the log was replaced: remove the directory `views` and run `batch` again"))
}

/// Refuses a batch view of a log that was rolled back and has grown beyond its boundary again: its
/// last epoch is of another branch, or, where either side does not know the branch, was sealed at
/// another time. (Two epochs sealed in the same microsecond are not told apart then, nor are batch
/// views from before the seal time was recorded.)
fn check_end(view: &BatchView, reader: &Reader) -> Result<()> {
    let boundary = view.boundary();
    let Some((last, stated)) = boundary.checked_sub(1).zip(view.sealed_us()) else { return Ok(()) };
    // A boundary beyond the log's end is refused elsewhere.
    if boundary > reader.upper()? || last < reader.lower() {
        return Ok(());
    }
    let same = match view.branch().zip(reader.branches().of(last)) {
        Some((theirs, ours)) => theirs == ours,
        None => reader.clock(last)? == stated,
    };
    if same {
        return Ok(());
    }
    let at = Timestamp::from_micros(stated);
    let message = format!(
        "the batch view at epoch {boundary} is of a history whose epoch {last} was sealed at {at}, \
         the log has another one: it was rolled back, and has grown again since"
    );
    Err(Error::new(Kind::Conflict, message)
        .remedy("remove the directory `views` and run `batch` again"))
}

impl System {
    /// The newest whole batch view of a dataflow at or below `at_most`, and errors for those passed
    /// over: damaged ones, and those of another history than the log's. A batch view is derived, so
    /// one that does not fit is no obstacle.
    ///
    /// # Errors
    /// When the directory or the log cannot be read, a batch view is of a newer format, or not of
    /// the function's types.
    pub fn newest(
        &self,
        description: &Description,
        at_most: Epoch,
    ) -> Result<(Option<BatchView>, Vec<Error>)> {
        self.newest_of(description, &*self.reader()?, at_most, FileCheck::Whole)
    }

    /// As [`System::newest`], with an open reader of the log, and files checked as `check` says.
    pub(super) fn newest_of(
        &self,
        description: &Description,
        reader: &Reader,
        at_most: Epoch,
        check: FileCheck,
    ) -> Result<(Option<BatchView>, Vec<Error>)> {
        let disk = Arc::clone(&self.disk);
        let identity = identity(description);
        let fits = |view: &BatchView| check_log(view, reader);
        let newest = BatchView::newest_that(disk, &self.root, &identity, at_most, check, fits)?;
        if let Some(view) = &newest.found {
            check_types(description, view)?;
        }
        Ok((newest.found, newest.damaged))
    }

    /// Removes the batch view at `boundary` if it is damaged or of another history: it would
    /// prevent a new one there.
    pub(super) fn remove_unfit(
        &self,
        description: &Description,
        reader: &Reader,
        boundary: Epoch,
    ) -> Result<()> {
        let identity = identity(description);
        if !BatchView::boundaries(&*self.disk, &self.root, &identity)?.contains(&boundary) {
            return Ok(());
        }
        let view = BatchView::open(Arc::clone(&self.disk), &self.root, &identity, boundary);
        let fits = view.and_then(|view| {
            check_log(&view, reader)?;
            view.verify()
        });
        match fits {
            Err(error) if error.is_damaged() || error.is_missing() || error.is_conflict() => {
                remove_these(&*self.disk, &self.root, &identity, &[boundary])
            }
            fits => fits,
        }
    }

    /// Is the batch view of this log's history?
    pub fn is_of(view: &BatchView, reader: &Reader) -> bool {
        check_log(view, reader).is_ok()
    }
}

/// The warning for a batch view in `dir` at a boundary that the log, which ends at `upper`, has not
/// reached.
pub(super) fn beyond_log(dir: &Path, boundary: Epoch, upper: Epoch) -> Error {
    let place = dir.display();
    let message = format!(
        "{place} has a batch view at epoch {boundary}, but the log ends at {upper}: it is \
         passed over"
    );
    Error::new(Kind::Conflict, message)
        .remedy("the log was replaced, or lost its end: remove that batch view")
}
