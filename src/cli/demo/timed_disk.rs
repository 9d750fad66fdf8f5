//! The machine's disk, with a record of how long each sync of the log's frames took.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_buffer::Buffer;

use diptych_base::error::Result;
use diptych_base::io::{Disk, File, Lock, Open, RealDisk};
use diptych_base::lock_mutex::lock;

type Times = Arc<Mutex<Vec<Duration>>>;

/// A [`RealDisk`] that records the time of syncs.
#[derive(Clone, Debug, Default)]
pub(super) struct TimedDisk(Times);

impl TimedDisk {
    /// The time each fdatasync took since the last [`TimedDisk::forget`].
    pub(super) fn syncs(&self) -> Vec<Duration> {
        lock(&self.0).clone()
    }

    /// Clears the record.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}

impl Disk for TimedDisk {
    fn make_dir(&self, dir: &Path) -> Result<bool> {
        RealDisk.make_dir(dir)
    }

    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        let file = RealDisk.open(path, how)?;
        if !path.to_string_lossy().contains(".frames") {
            return Ok(file);
        }
        Ok(Box::new(TimedFile { file, times: Arc::clone(&self.0) }))
    }

    fn map(&self, path: &Path) -> Result<Buffer> {
        RealDisk.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        RealDisk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        RealDisk.link(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        RealDisk.remove(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn dirs(&self, dir: &Path) -> Result<Vec<String>> {
        RealDisk.dirs(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        RealDisk.lock(path)
    }
}

#[derive(Debug)]
struct TimedFile {
    file: Box<dyn File>,
    times: Times,
}

impl File for TimedFile {
    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.file.read(offset, len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.truncate(len)
    }

    fn sync_data(&self) -> Result<()> {
        let begun = Instant::now();
        let outcome = self.file.sync_data();
        lock(&self.times).push(begun.elapsed());
        outcome
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.file.is_at(path)
    }
}
