//! A folder that is made whole, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// A folder that is being filled; dropped before it is kept, it is removed again.
pub struct NewFolder {
    path: PathBuf,
    kept: bool,
}

/// Is there a file of this name in the folder?
pub fn has_file(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}

impl NewFolder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When something is there already, or the system refuses.
    pub fn make(path: &Path) -> Result<NewFolder> {
        fs::create_dir(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Conflict, format!("{} is there already", path.display()))
                    .remedy("choose another name, or remove it")
            }
            _ => Error::io(path.display().to_string(), error),
        })?;
        Ok(NewFolder { path: path.to_owned(), kept: false })
    }

    /// Writes a file in it, and makes the folders on the way.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path.join(path);
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Error::io(path.display().to_string(), error))
    }

    /// It is whole.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody else has it: it was made here a moment ago.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
