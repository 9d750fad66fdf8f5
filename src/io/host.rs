//! Small looks at the host that are not part of any data directory.

use std::path::Path;

use crate::error::{Error, Result};

/// The bytes of the running executable; empty where the platform does not tell.
pub(crate) fn executable_image() -> Vec<u8> {
    // Without it all builds share one version, which a pinned version mends; nothing is lost.
    std::env::current_exe().and_then(std::fs::read).unwrap_or_default()
}

/// A file that the user named, outside of any data directory: what is ingested, or where bad
/// records are put. Plain `std`, because nothing is promised about it after a crash.
pub(crate) use std::fs::File as UserFile;

/// A file without a name, gone when it is closed.
pub(crate) fn unnamed_file() -> std::io::Result<UserFile> {
    tempfile::tempfile()
}

/// A text file named on the command line.
///
/// # Errors
/// What the system reports, with the file's name.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::io(path.display().to_string(), error))
}
