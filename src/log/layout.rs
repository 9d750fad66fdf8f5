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
    /// What who writes there holds.
    lock: Option<Arc<dyn Lock>>,
}

impl Dir {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Dir { disk, path: path.to_owned(), lock: None }
    }

    /// The same directory, to be written by whoever holds it or a clone.
    pub(super) fn locked(mut self) -> Result<Self> {
        self.lock = Some(self.disk.lock(&self.file(LOCK))?.into());
        Ok(self)
    }

    /// Looks again whether it is the directory at its path that is locked, and by this process.
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

/// Does something again, a few times and each time later, while it fails with an error that `may
/// pass`.
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

/// What a file name in a log directory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Manifest,
    Mark,
    Lock,
    /// Frames from this epoch on.
    Frames(Epoch),
    /// A segment's rows of one schema, and how often the segment had been rewritten by then.
    Rows(Epoch, u32),
    /// A segment's epochs, and how often it had been rewritten by then.
    Epochs(Epoch, u32),
    /// Producers and offsets at the end of the segment that starts at this epoch.
    State(Epoch),
    /// Silent producers of whom the last was silenced in the segment that starts at this epoch.
    Silent(Epoch),
    /// What the epochs of a segment take back, and how often that was rewritten.
    Retractions(Epoch, u32),
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

/// How often a segment has been rewritten, as it stands in a name: not at all has no piece.
fn rewritten(times: &str) -> Option<u32> {
    times.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == times)
}

/// The rows of a schema in a segment that has been rewritten `times` times.
pub(super) fn rows_name(lower: Epoch, stream: &str, schema: u32, times: u32) -> String {
    match times {
        0 => format!("{lower:020}.{stream}.{schema:05}.arrow"),
        _ => format!("{lower:020}.{stream}.{schema:05}.{times}.arrow"),
    }
}

/// The epochs of a segment that has been rewritten `times` times.
pub(super) fn epochs_name(lower: Epoch, times: u32) -> String {
    match times {
        0 => format!("{lower:020}.epochs"),
        _ => format!("{lower:020}.{times}.epochs"),
    }
}

/// What the epochs of a segment take back, rewritten `times` times.
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

/// Damage in the file `name` at byte `offset`.
pub(super) fn damaged(path: &Path, offset: u64, what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Damaged, format!("{} at byte {offset}: {what}", path.display()))
        .remedy("restore the file from a copy; the log was left as it is")
}
