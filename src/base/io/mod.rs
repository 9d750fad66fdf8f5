//! The outside world behind seams: files, the clock, randomness.
//!
//! Nothing else in the crate opens a file, reads a clock or asks for random bits. Each seam is a
//! small trait with two implementations side by side: the real one ([`RealDisk`], [`RealClock`],
//! [`RealRandom`]) and the simulated one ([`SimDisk`], [`SimClock`], [`SimRandom`]), which can
//! fail, lose power and jump, and is a handy in-memory disk besides.
//!
//! Durability follows POSIX, not what usually happens: a write lasts once [`File::sync_data`] has
//! returned, a directory entry once [`Disk::sync_dir`] has. [`SimDisk`] takes back everything
//! else.
//!
//! ```
//! use std::path::Path;
//! use diptych::io::{Disk, Open, SimDisk};
//!
//! let disk = SimDisk::new();
//! disk.create_dir(Path::new("d"))?;
//! let file = disk.open(Path::new("d/a"), Open::Create)?;
//! file.write_at(0, b"kept")?;
//! file.sync_data()?;
//! disk.sync_dir(Path::new("d"))?;
//! file.write_at(4, b" or not")?;
//!
//! let after = disk.crash(7); // the power fails; 7 decides what the unsynced part looks like
//! let file = after.open(Path::new("d/a"), Open::Read)?;
//! assert_eq!(file.read(0, 4)?, b"kept");
//! # Ok::<(), diptych::Error>(())
//! ```

mod allocator_options;
mod atomic_dir;
mod clock;
mod file_rendezvous;
mod low_priority;
mod os;
mod random;
mod real_disk;
mod real_lock;
mod scratch_dir;
mod sim_disk;
mod sim_state;
mod socket_passing;

pub use allocator_options::{give_back_soon, small_pages_only};
pub use atomic_dir::{NewFolder, has_file};
pub use clock::{Clock, RealClock, SimClock};
pub use file_rendezvous::Notes;
pub use low_priority::{beside, give_way};
pub use os::{FileStamp, append_private, file_stamp, raise_open_files, shared_mode};
pub use os::{UserFile, answers, cpu_time, cpu_time_of, divert_stdout, is_loopback};
pub use os::{
    anonymous_bytes, executable_digest, read_text, resident_bytes, unnamed_file, write_text,
};
pub use random::secret_bytes;
pub use random::{Random, RealRandom, SimRandom};
pub use real_disk::RealDisk;
pub use scratch_dir::ScratchDir;
pub use sim_disk::{Fault, SimDisk};
pub use socket_passing::{Link, Waiting};

use std::path::Path;

use arrow_buffer::Buffer;

use crate::error::{Error, Kind, Result};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading; the file must exist.
    Read,
    /// For reading and writing; the file must exist.
    Write,
    /// For reading and writing; created if missing, emptied if not.
    Create,
}

/// A file system, as far as this crate needs one.
///
/// Every error names the path. All methods may be called from any thread.
#[expect(clippy::missing_errors_doc, reason = "all methods fail with what the system reports")]
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Creates the directory `dir`, whose parent exists; returns whether it is new. Its entry is
    /// durable once the parent is synced.
    fn make_dir(&self, dir: &Path) -> Result<bool>;

    /// Creates `dir` and its missing parents. All their entries are durable when this returns,
    /// including entries that a crashed process had created and not synced.
    fn create_dir(&self, dir: &Path) -> Result<()> {
        create_dir(self, dir)
    }

    /// Opens the file at `path`.
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>>;

    /// The whole file as one buffer, mapped where the platform allows. It stays valid after the
    /// file is removed; the caller promises that no process shortens or rewrites the file
    /// meanwhile.
    fn map(&self, path: &Path) -> Result<Buffer>;

    /// Renames the file at `from` to `to` in one step, replacing any file there.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Gives the file at `from` the second name `to`, where nothing is yet; both names lead to the
    /// same bytes from then on. False, and nothing is done, where the file system cannot do so:
    /// it has no such names, or the two are on different ones.
    fn link(&self, from: &Path, to: &Path) -> Result<bool>;

    /// Removes the name `path`; open handles and maps stay valid.
    fn remove(&self, path: &Path) -> Result<()>;

    /// The names of the files in `dir`, sorted. Directories in it are left out.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// The names of the directories in `dir`, sorted.
    fn dirs(&self, dir: &Path) -> Result<Vec<String>>;

    /// Makes the creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Takes the exclusive lock on the file at `path` (created if missing) and on its directory,
    /// and writes this process's id into the file; dropping the guard releases both.
    ///
    /// The file is for people, and for releases that lock only the file: removing it does not admit
    /// a second process, since a directory in use cannot be removed. A directory holds one lock at
    /// a time.
    ///
    /// # Errors
    /// A conflict that names the file and the holder's process id when another process has the
    /// lock.
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>>;

    /// The room on the file system of `dir`; none where it is not known.
    fn space(&self, dir: &Path) -> Result<Option<Space>> {
        let _ = dir;
        Ok(None)
    }
}

/// The room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still write.
    pub available: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that may still be made.
    pub files_available: u64,
    /// Files in all; 0 where they are not counted.
    pub files: u64,
    /// Whether the file system is mounted read-only.
    pub read_only: bool,
}

/// An open file. Positions are explicit, so a handle can be shared.
#[expect(clippy::missing_errors_doc, reason = "all methods fail with what the system reports")]
pub trait File: Send + Sync + std::fmt::Debug {
    /// The length in bytes.
    fn len(&self) -> Result<u64>;

    /// Whether the file holds no byte.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Exactly `len` bytes from `offset`.
    ///
    /// # Errors
    /// Damage when the file ends before `offset + len`; the caller has checked `len` against the
    /// file's length if it came from outside.
    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>>;

    /// Writes all of `bytes` at `offset`, extending the file as needed. After an error any part
    /// of them may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> Result<()>;

    /// Returns when the content (and the length) is durable. After an error the state of everything
    /// written since the last success is unknown, and a second try proves nothing.
    fn sync_data(&self) -> Result<()>;

    /// Whether this open file is the one at `path`. A file that was removed, renamed or replaced
    /// there can still be written to, but other processes do not see it.
    fn is_at(&self, path: &Path) -> Result<bool>;
}

/// An exclusive lock, held until dropped.
pub trait Lock: Send + Sync + std::fmt::Debug {
    /// Checks that the locked file and directory are still the ones at the path. A removed file is
    /// created and locked again.
    ///
    /// # Errors
    /// A conflict when the directory was moved, removed or replaced, or when another process has
    /// locked a new file of the same name.
    fn check(&self) -> Result<()>;
}

/// The implementation of [`Disk::create_dir`] for every disk.
fn create_dir<D: Disk + ?Sized>(disk: &D, dir: &Path) -> Result<()> {
    let named = |level: &&Path| !level.as_os_str().is_empty();
    let levels: Vec<&Path> = dir.ancestors().filter(named).collect();
    // The number of levels up to the first existing directory.
    let mut there = 0;
    while let Some(level) = levels.get(there) {
        match disk.make_dir(level) {
            Err(error) if error.is_missing() && there + 1 < levels.len() => there += 1,
            made => {
                made?;
                break;
            }
        }
    }
    for level in levels.iter().take(there).rev() {
        disk.make_dir(level)?;
    }
    // A process that created the existing directories may have died before their entries were
    // durable. This process has created none in a directory that it may not open.
    for (above, level) in levels.iter().enumerate() {
        let parent = match level.parent() {
            None => break,
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
        };
        match disk.sync_dir(parent) {
            Err(error) if above > there && error.is_refused() => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Reads (does not map) the whole file at `path`, at most `bound` bytes.
///
/// # Errors
/// Missing, damage when the file is longer than `bound`, or the disk's error.
pub fn read_all(disk: &dyn Disk, path: &Path, bound: u64) -> Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let len = file.len()?;
    if len > bound {
        let message = format!("{} has {len} bytes, at most {bound} are expected", path.display());
        return Err(Error::new(Kind::Damaged, message));
    }
    file.read(0, len as usize)
}

/// Replaces the file at `path` by one with these bytes: it holds the old or the new content after
/// a crash at any point, and the new one once this returns.
///
/// The disk's error. `Full` is reported only while the old content is in place: when the last steps
/// fail, either content may be there, so waiting for space is no remedy.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".tmp");
    let draft = Path::new(&draft);
    let file = disk.open(draft, Open::Create)?;
    file.write_at(0, bytes)?;
    file.sync_data()?;
    let renamed = disk.rename(draft, path);
    let synced = renamed.and_then(|()| disk.sync_dir(path.parent().unwrap_or(Path::new("."))));
    synced.map_err(|error| Error::new(Kind::Io, format!("replace {}: {error}", path.display())))
}

/// The refusal to lock `path`, which the process `holder` has locked.
fn locked(path: &Path, holder: &str) -> Error {
    let holder = if holder.is_empty() { "unknown" } else { holder };
    let message = format!("{} is locked by process {holder}", path.display());
    Error::new(Kind::Conflict, message)
        .remedy("one process writes at a time: stop it, or read only")
}

/// The refusal to go on in `dir`, which is no longer the directory that was locked.
fn moved(dir: &Path) -> Error {
    let message = format!(
        "{} is not the directory that this process has locked: it was moved, removed or replaced",
        dir.display()
    );
    Error::new(Kind::Conflict, message).remedy("put it back, then restart the process")
}

/// The refusal to read past the end of `path`.
fn short(path: &Path, offset: u64, len: usize, has: u64) -> Error {
    let message = format!(
        "{} ends at byte {has}, but {len} bytes at byte {offset} are expected",
        path.display()
    );
    Error::new(Kind::Damaged, message)
}
