//! Creates a folder with its files as a whole: on failure nothing of it remains.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// A folder that is being filled; it is removed when dropped before [`NewFolder::keep`].
pub struct NewFolder {
    path: PathBuf,
    kept: bool,
}

/// Whether the folder has a file of this name.
pub fn has_file(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}

impl NewFolder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When the path already exists, or the system refuses.
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

    /// Writes a file in the folder and creates the folders of its path.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path.join(path);
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Error::io(path.display().to_string(), error))
    }

    /// Keeps the folder: it is complete.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.kept {
            // Only this process uses the folder, which was created a moment ago.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
