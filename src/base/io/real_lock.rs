//! Locks of the machine's file system.
//!
//! `flock` locks an inode, not a name: a file that is removed and created again has another inode,
//! which a second process could lock. So the directory is locked as well: it cannot be removed
//! while it has files, and nobody takes it for a stale lock file. The remaining case (the directory
//! is moved and another one put in its place) is noticed by [`Lock::check`].
//!
//! Where directories cannot be locked (over NFS `flock` needs a file that is open for writing),
//! only the file's lock and the check protect the directory.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::real_disk::failed;
use super::{Lock, locked, moved};
use crate::error::Result;
use crate::lock_mutex::lock;

/// A locked file and its locked directory.
#[derive(Debug)]
pub(super) struct RealLock {
    path: PathBuf,
    file: Mutex<fs::File>,
    dir: fs::File,
}

impl RealLock {
    /// Locks the file at `path` and its directory.
    pub(super) fn take(path: &Path) -> Result<RealLock> {
        let place = dir_of(path);
        let dir = fs::File::open(place).map_err(|e| failed("open", place, e))?;
        match flock(&dir) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(locked(path, &holder(path))),
            Err(Errno::BADF | Errno::INVAL | Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => {}
            Err(error) => return Err(failed("lock", place, error.into())),
        }
        let file = Mutex::new(lock_file(path)?);
        Ok(RealLock { path: path.to_owned(), file, dir })
    }
}

impl Lock for RealLock {
    fn check(&self) -> Result<()> {
        let place = dir_of(&self.path);
        if !is_at(&self.dir, place)? {
            return Err(moved(place));
        }
        let mut file = lock(&self.file);
        if !is_at(&file, &self.path)? {
            *file = lock_file(&self.path)?;
        }
        Ok(())
    }
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn flock(file: &fs::File) -> Result<(), Errno> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// Whether this open file is the one that has that name.
pub(super) fn is_at(file: &fs::File, path: &Path) -> Result<bool> {
    let open = file.metadata().map_err(|e| failed("stat", path, e))?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("stat", path, error)),
    }
}

/// The id of the process that holds the lock, as written in the file.
fn holder(path: &Path) -> String {
    let mut text = vec![0; 32];
    let read = fs::File::open(path).and_then(|file| file.read_at(&mut text, 0));
    String::from_utf8_lossy(&text[..read.unwrap_or(0)]).trim().to_owned()
}

fn lock_file(path: &Path) -> Result<fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(|e| failed("open", path, e))?;
    match flock(&file) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(locked(path, &holder(path))),
        Err(error) => return Err(failed("lock", path, error.into())),
    }
    // The id is for people only, so a failure to write it (a full disk) does not matter.
    let _ = file.set_len(0);
    let _ = file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, RealDisk, ScratchDir};
    use super::*;

    #[test]
    fn a_removed_lock_file_lets_nobody_in() {
        let place = ScratchDir::new("lock").expect("a directory");
        let path = place.path().join("LOCK");
        let held = RealDisk.lock(&path).expect("free");
        fs::remove_file(&path).expect("removed");
        let error = RealDisk.lock(&path).expect_err("held");
        assert!(error.is_conflict(), "{error}");
        held.check().expect("made again");
        assert_eq!(holder(&path), std::process::id().to_string());
        // A process that locks the file alone, as older releases do, is refused as well.
        assert_eq!(flock(&fs::File::open(&path).expect("there")), Err(Errno::WOULDBLOCK));
        fs::remove_file(&path).expect("removed");
        let other = lock_file(&path).expect("another file of the same name");
        let error = held.check().expect_err("somebody else has it");
        assert!(error.is_conflict(), "{error}");
        drop((held, other));
        RealDisk.lock(&path).expect("free again");
    }

    #[test]
    fn a_moved_directory_is_noticed() {
        let place = ScratchDir::new("lock").expect("a directory");
        let dir = place.path().join("log");
        let away = place.path().join("away");
        fs::create_dir(&dir).expect("made");
        let held = RealDisk.lock(&dir.join("LOCK")).expect("free");
        fs::rename(&dir, &away).expect("moved");
        assert!(held.check().expect_err("gone").is_conflict());
        fs::create_dir(&dir).expect("another");
        let error = held.check().expect_err("another");
        assert!(error.to_string().contains("moved, removed or replaced"), "{error}");
        // At its new path the directory is still locked, and after moving it back the lock holds as
        // before.
        assert!(RealDisk.lock(&away.join("LOCK")).is_err());
        fs::remove_dir(&dir).expect("removed");
        fs::rename(&away, &dir).expect("moved back");
        held.check().expect("the same");
    }
}
