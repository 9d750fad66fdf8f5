//! A directory that is gone when its owner is: for demonstrations and measurements.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// A directory below the system's temporary one, removed with everything in it when dropped.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// A new directory whose name begins with `diptych-` and `what`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(what: &str) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("diptych-{what}-{process}-{count}"));
        std::fs::create_dir(&path)
            .map_err(|error| Error::io(format!("create {}", path.display()), error))?;
        Ok(ScratchDir(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, text)
            .map_err(|error| Error::io(format!("write {}", path.display()), error))?;
        Ok(path)
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // What cannot be removed is the temporary directory's own concern.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
