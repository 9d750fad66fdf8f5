//! A disk that does not answer for a while: syncs, or reads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use arrow_buffer::Buffer;
use diptych::Result;
use diptych::io::{Disk, File, Lock, Open, SimDisk};

#[derive(Debug)]
pub(crate) struct Hanging {
    disk: SimDisk,
    syncs: Arc<AtomicBool>,
    reads: Arc<AtomicBool>,
}

fn wait(hangs: &AtomicBool) {
    while hangs.load(SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Hanging {
    /// A disk whose syncs do not end while `syncs` is true, and whose files cannot be opened for
    /// reading while `reads` is.
    pub(crate) fn new(disk: SimDisk, syncs: &Arc<AtomicBool>, reads: &Arc<AtomicBool>) -> Hanging {
        Hanging { disk, syncs: Arc::clone(syncs), reads: Arc::clone(reads) }
    }
}

impl Disk for Hanging {
    fn make_dir(&self, dir: &Path) -> Result<bool> {
        self.disk.make_dir(dir)
    }
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        if how == Open::Read {
            wait(&self.reads);
        }
        let file = self.disk.open(path, how)?;
        Ok(Box::new(HangingFile { file, hangs: Arc::clone(&self.syncs) }))
    }
    fn map(&self, path: &Path) -> Result<Buffer> {
        wait(&self.reads);
        self.disk.map(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        self.disk.link(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn dirs(&self, dir: &Path) -> Result<Vec<String>> {
        self.disk.dirs(dir)
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }
}

#[derive(Debug)]
struct HangingFile {
    file: Box<dyn File>,
    hangs: Arc<AtomicBool>,
}

impl File for HangingFile {
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
        wait(&self.hangs);
        self.file.sync_data()
    }
    fn is_at(&self, path: &Path) -> Result<bool> {
        self.file.is_at(path)
    }
}
