//! A data directory, and how its log is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diptych_base::error::Result;
use diptych_base::io::{Clock, Disk, RealClock, RealDisk, SimDisk};
use diptych_log::{Reader, Writer, WriterOptions};

/// A data directory, and the layers over it.
#[derive(Clone, Debug)]
pub struct System {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
}

impl System {
    /// The data directory at `root`; created when something is first written.
    pub fn open(root: impl Into<PathBuf>) -> System {
        System::with_disk(Arc::new(RealDisk), root)
    }

    /// A data directory in memory, gone with its last handle: for tests and examples.
    pub fn in_memory() -> System {
        System::with_disk(Arc::new(SimDisk::new()), "memory")
    }

    /// The directory `root` of any disk.
    pub fn with_disk(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> System {
        System { disk, root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the log for appending, under its lock.
    ///
    /// # Errors
    /// When another process holds the lock, or the log is damaged beyond its torn tail.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(Arc::new(RealClock), WriterOptions::default())
    }

    /// As [`System::writer`], with a given clock and options.
    ///
    /// # Errors
    /// As [`System::writer`].
    pub fn writer_with(&self, clock: Arc<dyn Clock>, options: WriterOptions) -> Result<Writer> {
        let writer = Writer::open(Arc::clone(&self.disk), clock, self.root.join("log"), options)?;
        self.remove_former(&*self.reader()?)?;
        Ok(writer)
    }

    /// Opens the log for reading, without a lock, up to the last durable epoch.
    ///
    /// # Errors
    /// When there is no log, or it is damaged.
    pub fn reader(&self) -> Result<Arc<Reader>> {
        Reader::open(Arc::clone(&self.disk), self.root.join("log")).map(Arc::new)
    }
}
