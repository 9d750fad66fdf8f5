//! The files of a log directory and their names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::io::Disk;
use crate::time::Epoch;

pub(super) const MANIFEST: &str = "MANIFEST";
pub(super) const MARK: &str = "MARK";
pub(super) const LOCK: &str = "LOCK";

/// A log's directory on its disk.
#[derive(Clone, Debug)]
pub(super) struct Dir {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
}

impl Dir {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Dir { disk, path: path.to_owned() }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.disk.sync_dir(&self.path)
    }
}

/// What a file name in a log directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Manifest,
    Mark,
    Lock,
    /// Frames from this epoch on.
    Frames(Epoch),
    /// A segment's rows of one schema.
    Rows(Epoch),
    /// A segment's epochs.
    Epochs(Epoch),
    /// Producers and offsets at the end of the segment that starts at this epoch.
    State(Epoch),
    /// What the epochs of a segment take back.
    Retractions(Epoch),
    /// A file that was being written.
    Draft,
    /// None of ours.
    Other,
}

impl Name {
    pub(super) fn parse(name: &str) -> Name {
        match name {
            MANIFEST => return Name::Manifest,
            MARK => return Name::Mark,
            LOCK => return Name::Lock,
            _ => {}
        }
        let mut pieces = name.split('.');
        let epoch = pieces.next().filter(|digits| digits.len() == 20);
        let epoch = epoch.and_then(|digits| digits.parse::<Epoch>().ok());
        let rest: Vec<&str> = pieces.collect();
        match (epoch, rest.as_slice()) {
            (Some(first), ["frames"]) => Name::Frames(first),
            (Some(lower), [_, _, "arrow"]) => Name::Rows(lower),
            (Some(lower), ["epochs"]) => Name::Epochs(lower),
            (Some(lower), ["state"]) => Name::State(lower),
            (Some(lower), ["retractions"]) => Name::Retractions(lower),
            (Some(_), [.., "tmp"]) => Name::Draft,
            _ if name == "MANIFEST.tmp" || name == "MARK.tmp" => Name::Draft,
            _ => Name::Other,
        }
    }
}

pub(super) fn frames_name(first: Epoch) -> String {
    format!("{first:020}.frames")
}

pub(super) fn rows_name(lower: Epoch, stream: &str, schema: u32) -> String {
    format!("{lower:020}.{stream}.{schema:05}.arrow")
}

pub(super) fn epochs_name(lower: Epoch) -> String {
    format!("{lower:020}.epochs")
}

pub(super) fn retractions_name(lower: Epoch) -> String {
    format!("{lower:020}.retractions")
}

pub(super) fn state_name(lower: Epoch) -> String {
    format!("{lower:020}.state")
}

/// Damage in the file `name` at byte `offset`.
pub(super) fn damaged(path: &Path, offset: u64, what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Damaged, format!("{} at byte {offset}: {what}", path.display()))
        .remedy("restore the file from a copy; the log was left as it is")
}
