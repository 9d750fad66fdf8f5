//! A temporary directory that is removed with its owner: for demonstrations and measurements.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// A directory below the system's temporary one, removed with everything in it when dropped.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// Creates a directory whose name begins with `diptych-` and `what`.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn new(what: &str) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("diptych-{what}-{process}-{count}"));
        std::fs::create_dir(&path)
            .map_err(|error| Error::io(format!("create {}", path.display()), error))?;
        Ok(ScratchDir(path))
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in the directory.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, text)
            .map_err(|error| Error::io(format!("write {}", path.display()), error))?;
        Ok(path)
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // A directory that cannot be removed is left to the system's own clean-up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
