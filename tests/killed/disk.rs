//! A real disk that kills its process at a chosen call.

use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow_buffer::Buffer;
use diptych::Result;
use diptych::io::{Disk, File, Lock, Open, RealDisk};

/// Counts the calls that change the disk or sync it. At the chosen one the process gets SIGKILL:
/// before the call, or, when `torn`, with half of the bytes of a write on their way.
///
/// Calls are made one after another, so that nothing begins beside or after the last one.
#[derive(Clone, Debug)]
pub(crate) struct KillDisk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    at: Option<u64>,
    torn: bool,
    made: Mutex<Made>,
}

/// The calls so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub(crate) calls: u64,
    /// The numbers of those calls that were writes.
    pub(crate) writes: Vec<u64>,
    pub(crate) locks: u64,
}

impl KillDisk {
    pub(crate) fn new(at: Option<u64>, torn: bool) -> Self {
        KillDisk(Arc::new(Shared { at, torn, made: Mutex::default() }))
    }

    pub(crate) fn made(&self) -> Made {
        self.0.made.lock().expect("no call panics").clone()
    }

    fn change<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.change_noting(|_| (), || (), act)
    }

    fn change_noting<T>(
        &self,
        note: impl FnOnce(&mut Made),
        half: impl FnOnce(),
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let mut made = self.0.made.lock().expect("no call panics");
        if self.0.at == Some(made.calls) {
            if self.0.torn {
                half();
            }
            die();
        }
        note(&mut made);
        made.calls += 1;
        act()
    }
}

fn die() -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    kill_process(getpid(), Signal::KILL).expect("a signal");
    loop {
        std::thread::park();
    }
}

impl Disk for KillDisk {
    fn make_dir(&self, dir: &Path) -> Result<bool> {
        self.change(|| RealDisk.make_dir(dir))
    }

    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        let file = match how {
            Open::Create => self.change(|| RealDisk.open(path, how)),
            Open::Read | Open::Write => RealDisk.open(path, how),
        };
        Ok(Box::new(KillFile { disk: self.clone(), file: file? }))
    }

    fn map(&self, path: &Path) -> Result<Buffer> {
        RealDisk.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(|| RealDisk.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        self.change(|| RealDisk.link(from, to))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.change(|| RealDisk.remove(path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn dirs(&self, dir: &Path) -> Result<Vec<String>> {
        RealDisk.dirs(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.change(|| RealDisk.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        self.change_noting(|made| made.locks += 1, || (), || RealDisk.lock(path))
    }
}

#[derive(Debug)]
struct KillFile {
    disk: KillDisk,
    file: Box<dyn File>,
}

impl File for KillFile {
    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.file.read(offset, len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.disk.change_noting(
            |made| made.writes.push(made.calls),
            || self.file.write_at(offset, &bytes[..bytes.len() / 2]).expect("half a write"),
            || self.file.write_at(offset, bytes),
        )
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.disk.change(|| self.file.truncate(len))
    }

    fn sync_data(&self) -> Result<()> {
        self.disk.change(|| self.file.sync_data())
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.file.is_at(path)
    }
}
