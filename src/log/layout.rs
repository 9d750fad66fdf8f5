//! The files of a log directory and their names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Disk, Lock};
use diptych_base::limits;
use diptych_base::time::Epoch;

pub(super) const MANIFEST: &str = "MANIFEST";
pub(super) const MARK: &str = "MARK";
pub(super) const LOCK: &str = "LOCK";

/// A log's directory on its disk.
#[derive(Clone, Debug)]
pub(super) struct Dir {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    /// The lock, held by a writer.
    lock: Option<Arc<dyn Lock>>,
}

impl Dir {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Dir { disk, path: path.to_owned(), lock: None }
    }

    /// The same directory, locked for the holder of this value or a clone.
    pub(super) fn locked(mut self) -> Result<Self> {
        self.lock = Some(self.disk.lock(&self.file(LOCK))?.into());
        Ok(self)
    }

    /// Checks that the directory at its path is still the locked one, and locked by this process.
    pub(super) fn check_lock(&self) -> Result<()> {
        let check = || self.lock.as_ref().map_or(Ok(()), |lock| lock.check());
        persist(Error::is_passing, check)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn sync(&self) -> Result<()> {
        persist(Error::is_passing, || self.disk.sync_dir(&self.path))
    }
}

/// Repeats a call a few times, each time later, while it fails with an error that `may pass`.
pub(super) fn persist<T>(
    may_pass: impl Fn(&Error) -> bool,
    act: impl Fn() -> Result<T>,
) -> Result<T> {
    let mut pause = limits::DISK_RETRY_PAUSE;
    for _ in 1..limits::DISK_TRIES {
        match act() {
            Err(error) if may_pass(&error) => std::thread::sleep(pause),
            done => return done,
        }
        pause *= 2;
    }
    act()
}

/// The meaning of a file name in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Manifest,
    Mark,
    Lock,
    /// Frames from this epoch on.
    Frames(Epoch),
    /// A segment's rows of one schema, and the segment's number of rewrites at that time.
    Rows(Epoch, u32),
    /// A segment's epochs, and the segment's number of rewrites at that time.
    Epochs(Epoch, u32),
    /// Producers and offsets at the end of the segment that starts at this epoch.
    State(Epoch),
    /// Silent producers, the last of them silenced in the segment that starts at this epoch.
    Silent(Epoch),
    /// The retractions by the epochs of a segment, and the number of rewrites.
    Retractions(Epoch, u32),
    /// A file that was being written.
    Draft,
    /// A file of no known kind.
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
            (Some(lower), [_, _, "arrow"]) => Name::Rows(lower, 0),
            (Some(lower), ["epochs"]) => Name::Epochs(lower, 0),
            (Some(lower), [_, _, times, "arrow"]) => {
                rewritten(times).map_or(Name::Other, |times| Name::Rows(lower, times))
            }
            (Some(lower), [times, "epochs"]) => {
                rewritten(times).map_or(Name::Other, |times| Name::Epochs(lower, times))
            }
            (Some(lower), ["state"]) => Name::State(lower),
            (Some(lower), ["silent"]) => Name::Silent(lower),
            (Some(lower), ["retractions"]) => Name::Retractions(lower, 0),
            (Some(lower), [times, "retractions"]) => {
                rewritten(times).map_or(Name::Other, |times| Name::Retractions(lower, times))
            }
            (Some(_), [.., "tmp"]) => Name::Draft,
            _ if name == "MANIFEST.tmp" || name == "MARK.tmp" => Name::Draft,
            _ => Name::Other,
        }
    }
}

pub(super) fn frames_name(first: Epoch) -> String {
    format!("{first:020}.frames")
}

/// Parses the number of rewrites of a segment in a name: zero has no piece.
fn rewritten(times: &str) -> Option<u32> {
    times.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == times)
}

/// The file name of the rows of a schema in a segment that was rewritten `times` times.
pub(super) fn rows_name(lower: Epoch, stream: &str, schema: u32, times: u32) -> String {
    match times {
        0 => format!("{lower:020}.{stream}.{schema:05}.arrow"),
        _ => format!("{lower:020}.{stream}.{schema:05}.{times}.arrow"),
    }
}

/// The file name of the epochs of a segment that was rewritten `times` times.
pub(super) fn epochs_name(lower: Epoch, times: u32) -> String {
    match times {
        0 => format!("{lower:020}.epochs"),
        _ => format!("{lower:020}.{times}.epochs"),
    }
}

/// The file name of the retractions of a segment that was rewritten `times` times.
pub(super) fn retractions_name(lower: Epoch, times: u32) -> String {
    match times {
        0 => format!("{lower:020}.retractions"),
        _ => format!("{lower:020}.{times}.retractions"),
    }
}

pub(super) fn state_name(lower: Epoch) -> String {
    format!("{lower:020}.state")
}

pub(super) fn silent_name(lower: Epoch) -> String {
    format!("{lower:020}.silent")
}

/// An error of damage in the file `name` at byte `offset`.
pub(super) fn damaged(path: &Path, offset: u64, what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Damaged, format!("{} at byte {offset}: {what}", path.display()))
        .remedy("restore the file from a copy; the log was left as it is")
}
