//! Small looks at the host that are not part of any data directory.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

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

/// Standard output as it was before [`divert_stdout`].
static ANSWERS: OnceLock<std::fs::File> = OnceLock::new();

/// From now on what libraries print to standard output goes to standard error, and only
/// [`answers`] still writes to the real one. (timely prints there while a cluster is formed.)
///
/// # Errors
/// What the system reports.
pub(crate) fn divert_stdout() -> Result<()> {
    let failed =
        |error: rustix::io::Errno| Error::io("setting standard output apart", error.into());
    let real = rustix::io::dup(std::io::stdout()).map_err(failed)?;
    if ANSWERS.set(real.into()).is_ok() {
        rustix::stdio::dup2_stdout(std::io::stderr()).map_err(failed)?;
    }
    Ok(())
}

/// Where answers are written, and whether somebody looks at them on a terminal.
pub(crate) fn answers() -> (Box<dyn Write>, bool) {
    match ANSWERS.get() {
        Some(real) => (Box::new(real), real.is_terminal()),
        None => (Box::new(std::io::stdout()), std::io::stdout().is_terminal()),
    }
}

/// Processor time that all threads of this process have spent so far.
pub(crate) fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}
