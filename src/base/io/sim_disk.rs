//! A disk in memory that can fail, fill up and lose power.
//!
//! Without injected faults it is a plain in-memory disk, so tests and examples keep whole logs in
//! it. `sim_state.rs` documents the fault model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_buffer::Buffer;

use super::sim_state::{Names, SimState};
use super::{Disk, File, Lock, Open, Space, locked, moved, short};
use crate::error::{Error, Result};
use crate::lock_mutex::lock;

/// An injected failure, as the caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device failed the call (EIO). A failed sync loses the changes that it was to make
    /// durable.
    Broken,
    /// No space left (ENOSPC): writes keep some of their bytes, syncs lose theirs.
    Full,
    /// The process has as many files open as it may (EMFILE): the call had no effect.
    Crowded,
}

/// A disk in memory. Clones share the same files.
///
/// [`crash`](SimDisk::crash) returns the disk as a power failure would leave it,
/// [`kill`](SimDisk::kill) as the death of the process would; the original goes on unharmed, so
/// that one run yields many images.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    state: SimState,
    /// The directories that are locked.
    locks: HashSet<PathBuf>,
    calls: u64,
    faults: Vec<(u64, Fault)>,
    capacity: Option<u64>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after the power failure described by `seed`: synced content, and an arbitrary part
    /// of the rest. Nothing is locked.
    #[must_use]
    pub fn crash(&self, seed: u64) -> SimDisk {
        Self::over(self.shared().state.crash(seed))
    }

    /// The disk after the death of the process: everything written is there, though not durable.
    /// Nothing is locked.
    #[must_use]
    pub fn kill(&self) -> SimDisk {
        Self::over(self.shared().state.clone())
    }

    fn over(state: SimState) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(Shared { state, ..Shared::default() })))
    }

    /// The number of calls so far that change the disk or sync it.
    pub fn calls(&self) -> u64 {
        self.shared().calls
    }

    /// Fails the `call`-th changing call (counted from 0 as [`calls`](SimDisk::calls) does), once.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.shared().faults.push((call, fault));
    }

    /// Bounds the bytes of all files; `None` lifts the bound. A write beyond the bound keeps the
    /// bytes that fit and fails as on a full disk.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared().capacity = bytes;
    }

    /// Bytes in all files.
    pub fn used(&self) -> u64 {
        self.shared().state.used()
    }

    /// Every file with its content as programs see it, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let shared = self.shared();
        let live = |inode| shared.state.inodes[inode].live.clone();
        shared.state.names.files.iter().map(|(path, inode)| (path.clone(), live(inode))).collect()
    }

    /// Writes or removes a file durably, in a durable directory: damage made by hand.
    pub fn tamper(&self, path: &Path, content: Option<&[u8]>) {
        let mut shared = self.shared();
        let above: Vec<_> = path.ancestors().skip(1).collect();
        for dir in above.into_iter().rev().filter(|_| content.is_some()) {
            if !shared.state.names.has_dir(dir) {
                shared.state.make_dir(dir);
            }
            shared.state.sync_dir(dir.parent().unwrap_or(Path::new("")));
        }
        if shared.state.names.files.contains_key(path) {
            shared.state.unlink(path);
        }
        if let Some(content) = content {
            let inode = shared.state.create(path);
            if let Some(file) = shared.state.inodes.get_mut(&inode) {
                file.write(0, content);
                file.sync();
            }
        }
        shared.state.sync_dir(path.parent().unwrap_or(Path::new("")));
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.0)
    }
}

impl Shared {
    /// Counts a changing call and returns its injected fault, if any.
    fn call(&mut self) -> Option<Fault> {
        let call = self.calls;
        self.calls += 1;
        let at = self.faults.iter().position(|(k, _)| *k == call)?;
        Some(self.faults.swap_remove(at).1)
    }

    /// Counts a changing call on `path`, which fails if a fault was injected.
    fn change(&mut self, doing: &str, path: &Path) -> Result<()> {
        match self.call() {
            Some(fault) => Err(failed(doing, path, fault)),
            None => Ok(()),
        }
    }

    /// All names, if the directory exists.
    fn dir(&self, doing: &str, dir: &Path) -> Result<&Names> {
        let names = &self.state.names;
        if names.has_dir(plain(dir)) { Ok(names) } else { Err(missing(doing, dir)) }
    }

    /// Refuses a path in a directory that does not exist.
    fn check_dir(&self, doing: &str, path: &Path) -> Result<()> {
        self.dir(doing, path.parent().unwrap_or(Path::new(""))).map(drop)
    }

    /// Writes the file of a lock.
    fn write_lock(&mut self, path: &Path) {
        let inode = self.state.names.files.get(path).copied();
        let inode = inode.unwrap_or_else(|| self.state.create(path));
        if let Some(file) = self.state.inodes.get_mut(&inode) {
            file.truncate(0);
            file.write(0, format!("{}\n", std::process::id()).as_bytes());
        }
    }
}

fn failed(doing: &str, path: &Path, fault: Fault) -> Error {
    let error = match fault {
        Fault::Broken => std::io::Error::from_raw_os_error(5),
        Fault::Full => std::io::Error::from_raw_os_error(28),
        Fault::Crowded => std::io::Error::from_raw_os_error(24),
    };
    Error::io(format!("{doing} {}", path.display()), error)
}

fn missing(doing: &str, path: &Path) -> Error {
    Error::io(format!("{doing} {}", path.display()), std::io::ErrorKind::NotFound.into())
}

impl Disk for SimDisk {
    fn make_dir(&self, dir: &Path) -> Result<bool> {
        let mut shared = self.shared();
        if shared.state.names.has_dir(plain(dir)) {
            return Ok(false);
        }
        shared.change("create", dir)?;
        shared.check_dir("create", dir)?;
        shared.state.make_dir(dir);
        Ok(true)
    }

    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        let mut shared = self.shared();
        let found = shared.state.names.files.get(path).copied();
        let inode = match (found, how) {
            (Some(inode), Open::Read | Open::Write) => inode,
            (None, Open::Read | Open::Write) => return Err(missing("open", path)),
            (Some(inode), Open::Create) => {
                shared.change("open", path)?;
                if let Some(file) = shared.state.inodes.get_mut(&inode) {
                    file.truncate(0);
                }
                inode
            }
            (None, Open::Create) => {
                shared.change("open", path)?;
                shared.check_dir("open", path)?;
                shared.state.create(path)
            }
        };
        Ok(Box::new(SimFile { disk: self.clone(), inode, path: path.to_owned() }))
    }

    fn map(&self, path: &Path) -> Result<Buffer> {
        let shared = self.shared();
        let inode = shared.state.names.files.get(path).ok_or_else(|| missing("open", path))?;
        Ok(Buffer::from(shared.state.inodes[inode].live.as_slice()))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut shared = self.shared();
        shared.change("rename", from)?;
        let inode = shared.state.names.files.get(from).copied();
        let inode = inode.ok_or_else(|| missing("rename", from))?;
        shared.check_dir("rename", to)?;
        shared.state.rename(from, to, inode);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        let mut shared = self.shared();
        shared.change("link", from)?;
        let inode = shared.state.names.files.get(from).copied();
        let inode = inode.ok_or_else(|| missing("link", from))?;
        shared.check_dir("link", to)?;
        if shared.state.names.files.contains_key(to) {
            let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(Error::io(format!("link {}", to.display()), exists));
        }
        shared.state.link(to, inode);
        Ok(true)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut shared = self.shared();
        shared.change("remove", path)?;
        if !shared.state.names.files.contains_key(path) {
            return Err(missing("remove", path));
        }
        shared.state.unlink(path);
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let shared = self.shared();
        Ok(names(dir, shared.dir("list", dir)?.files.keys()))
    }

    fn dirs(&self, dir: &Path) -> Result<Vec<String>> {
        let shared = self.shared();
        Ok(names(dir, shared.dir("list", dir)?.dirs.iter()))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut shared = self.shared();
        shared.change("sync", dir)?;
        shared.dir("open", dir)?;
        shared.state.sync_dir(plain(dir));
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        let mut shared = self.shared();
        shared.check_dir("open", path)?;
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        if !shared.locks.insert(dir.clone()) {
            return Err(locked(path, &std::process::id().to_string()));
        }
        shared.write_lock(path);
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), dir }))
    }

    /// The simulated disk has no bound on the number of files.
    fn space(&self, _dir: &Path) -> Result<Option<Space>> {
        let shared = self.shared();
        let used = shared.state.used();
        Ok(shared.capacity.map(|total| Space {
            available: total.saturating_sub(used),
            total,
            files_available: 0,
            files: 0,
            read_only: false,
        }))
    }
}

/// The names of those `paths` that are in `dir`.
fn names<'p>(dir: &Path, paths: impl Iterator<Item = &'p PathBuf>) -> Vec<String> {
    let inside = paths.filter(|path| path.parent() == Some(plain(dir)));
    inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// Gives the directory where relative paths begin the empty name.
fn plain(dir: &Path) -> &Path {
    if dir == Path::new(".") { Path::new("") } else { dir }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    dir: PathBuf,
}

impl Lock for SimLock {
    fn check(&self) -> Result<()> {
        let mut shared = self.disk.shared();
        if !shared.state.names.has_dir(&self.dir) {
            return Err(moved(&self.dir));
        }
        if !shared.state.names.files.contains_key(&self.path) {
            shared.write_lock(&self.path);
        }
        Ok(())
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.shared().locks.remove(&self.dir);
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    path: PathBuf,
}

impl SimFile {
    /// Runs `act` on the file's content.
    fn with<R>(&self, act: impl FnOnce(&mut super::sim_state::Inode) -> R) -> R {
        let mut shared = self.disk.shared();
        act(shared.state.inodes.entry(self.inode).or_default())
    }
}

impl File for SimFile {
    fn len(&self) -> Result<u64> {
        Ok(self.with(|file| file.live.len() as u64))
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.with(|file| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = start.checked_add(len).and_then(|end| file.live.get(start..end));
            let has = file.live.len() as u64;
            bytes.map(<[u8]>::to_vec).ok_or_else(|| short(&self.path, offset, len, has))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut shared = self.disk.shared();
        let fault = shared.call();
        let mut fits = bytes.len();
        if let Some(capacity) = shared.capacity {
            let len = shared.state.inodes[&self.inode].live.len() as u64;
            let room = len.saturating_sub(offset) + capacity.saturating_sub(shared.state.used());
            fits = fits.min(usize::try_from(room).unwrap_or(usize::MAX));
        }
        match fault {
            Some(Fault::Broken | Fault::Crowded) => fits = 0,
            Some(Fault::Full) => fits = fits.min(bytes.len() / 2),
            None => {}
        }
        let file = shared.state.inodes.entry(self.inode).or_default();
        file.write(offset as usize, &bytes[..fits]);
        match fault {
            Some(fault) => Err(failed("write", &self.path, fault)),
            None if fits < bytes.len() => Err(failed("write", &self.path, Fault::Full)),
            None => Ok(()),
        }
    }

    fn truncate(&self, len: u64) -> Result<()> {
        let mut shared = self.disk.shared();
        shared.change("truncate", &self.path)?;
        shared.state.inodes.entry(self.inode).or_default().truncate(len as usize);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut shared = self.disk.shared();
        let result = shared.change("sync", &self.path);
        let file = shared.state.inodes.entry(self.inode).or_default();
        match result {
            Ok(()) => file.sync(),
            Err(_) => file.lose(),
        }
        result
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        Ok(self.disk.shared().state.names.files.get(path) == Some(&self.inode))
    }
}
