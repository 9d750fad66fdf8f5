//! Small looks at the host that are not part of any data directory.

use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};

/// Bytes of an executable that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// A digest of the running executable, which is read piece by piece: it may be larger than the
/// memory a process has. None where the platform does not tell, or the file cannot be read.
pub(crate) fn executable_digest() -> Option<u64> {
    let mut image = std::fs::File::open(std::env::current_exe().ok()?).ok()?;
    digest(&mut image).ok()
}

fn digest(image: &mut impl Read) -> std::io::Result<u64> {
    let mut hash = Xxh3::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match image.read(&mut piece) {
            Ok(0) => return Ok(hash.digest()),
            Ok(read) => hash.update(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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

/// Memory of this process that is resident, in bytes; none where the platform does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_the_pieces() {
        let image: Vec<u8> = (0..3 * PIECE_BYTES + 17).map(|byte| (byte % 251) as u8).collect();
        let expected = xxhash_rust::xxh3::xxh3_64(&image);
        let (head, tail) = image.split_at(100);
        let found = [digest(&mut &image[..]), digest(&mut head.chain(tail))];
        assert!(found.into_iter().all(|found| found.is_ok_and(|found| found == expected)));
        assert!(digest(&mut &image[1..]).is_ok_and(|other| other != expected));
    }
}
