//! Calls of the operating system outside any data directory: executable, user files, standard
//! output, processor time.

use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use ring::digest::{Context, SHA256};

use crate::error::{Error, Result};

/// Bytes of an executable that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Computes a digest of the running executable, piece by piece, because the file may be larger than
/// the process's memory. None where the platform does not name the executable, or it cannot be
/// read.
///
/// The hash function was chosen because it is also fast in a build without optimisation: such an
/// executable has hundreds of megabytes, and every command that opens a dataflow waits for the
/// digest.
pub fn executable_digest() -> Option<u64> {
    let mut image = std::fs::File::open(std::env::current_exe().ok()?).ok()?;
    digest(&mut image).ok()
}

fn digest(image: &mut impl Read) -> std::io::Result<u64> {
    let mut hash = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match image.read(&mut piece) {
            Ok(0) => {
                let digest = hash.finish();
                let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
                return Ok(u64::from_be_bytes(first));
            }
            Ok(read) => hash.update(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A file named by the user, outside of any data directory: input of an ingest, or the place for
/// bad records. Plain `std`, because nothing is promised about it after a crash.
pub use std::fs::File as UserFile;

/// Creates a file without a name, which is removed when it is closed.
pub fn unnamed_file() -> std::io::Result<UserFile> {
    tempfile::tempfile()
}

/// Reads a text file named on the command line.
///
/// # Errors
/// The operating system's error, with the file's name.
pub fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::io(path.display().to_string(), error))
}

/// Writes a text file named by the user, replacing its content.
///
/// # Errors
/// The operating system's error, with the file's name.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Error::io(path.display().to_string(), error))
}

/// Appends `text` to a file of secrets, which is created for its owner alone when missing.
///
/// # Errors
/// The operating system's error, with the file's name.
pub fn append_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Error::io(path.display().to_string(), error))
}

/// A file's metadata that changes with its content, so that a change is noticed without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    modified: Option<std::time::SystemTime>,
    len: u64,
    inode: u64,
}

/// The stamp of a file named on the command line; none when it cannot be looked at.
pub fn file_stamp(path: &Path) -> Option<FileStamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some(FileStamp { modified: found.modified().ok(), len: found.len(), inode: found.ino() })
}

/// The mode of the file, if it gives users other than its owner one of the `rights`.
pub fn shared_mode(path: &Path, rights: u32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & rights & 0o077 != 0).then_some(mode)
}

/// Whether `address` leads to this machine alone. So does `::ffff:127.0.0.1`, the IPv4 loopback
/// address as a dual-stack socket spells it.
pub fn is_loopback(address: std::net::IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Raises the limit of open files to the maximum of this process, since each connection needs one;
/// returns the new limit.
pub fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // When refused, the old limit stays in force; running out is reported when it happens.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Standard output as it was before [`divert_stdout`].
static ANSWERS: OnceLock<std::fs::File> = OnceLock::new();

/// Diverts what libraries print to standard output to standard error; from then on only [`answers`]
/// writes to the real one. (timely prints there while a cluster is formed.)
///
/// # Errors
/// The operating system's error.
pub fn divert_stdout() -> Result<()> {
    let failed =
        |error: rustix::io::Errno| Error::io("setting standard output apart", error.into());
    let real = rustix::io::dup(std::io::stdout()).map_err(failed)?;
    if ANSWERS.set(real.into()).is_ok() {
        rustix::stdio::dup2_stdout(std::io::stderr()).map_err(failed)?;
    }
    Ok(())
}

/// The output for answers, and whether it is a terminal.
pub fn answers() -> (Box<dyn Write>, bool) {
    match ANSWERS.get() {
        Some(real) => (Box::new(real), real.is_terminal()),
        None => (Box::new(std::io::stdout()), std::io::stdout().is_terminal()),
    }
}

/// Processor time that all threads of this process have used so far.
pub fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

/// Processor time that another process has used so far, in the system's ticks (mostly 10 ms). None
/// where the system does not tell, which is everywhere but on Linux, or when the process has ended.
pub fn cpu_time_of(process: u64) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    ticks(&stat).map(|ticks| {
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Duration::from_secs_f64(ticks as f64 / per_second as f64)
    })
}

/// The ticks in user code and in the system: fields 14 and 15 of `/proc/PID/stat`. The second
/// field, a name in brackets, may hold spaces and brackets itself.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

/// Resident memory of this process in bytes; none where the platform does not tell.
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// The memory of this process that no file backs, resident or swapped out, in bytes; none where the
/// platform does not tell.
pub fn anonymous_bytes() -> Option<u64> {
    let swapped = status_bytes("VmSwap:").unwrap_or(0);
    status_bytes("RssAnon:").map(|resident| resident.saturating_add(swapped))
}

/// A line of this process's status, in bytes.
fn status_bytes(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|one| one.strip_prefix(line))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_a_name_of_any_kind() {
        let stat = "12 (a) R 7 (b c) S 1 2 3 4 5 6 7 8 9 10 31 11 0 0 20";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("12 (a) S 1 2 3 4 5 6 7 8 9 10 31"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_of_a_process_is_what_it_says_itself() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(60) {}
        let before = cpu_time();
        let told = cpu_time_of(u64::from(std::process::id()));
        let told = told.expect("there is /proc");
        // Ticks are counted, not measured: a few may be missing, and other tests run meanwhile.
        let slack = Duration::from_millis(50);
        assert!(told + slack >= before && told <= cpu_time() + slack, "{told:?}, {before:?}");
        assert_eq!(cpu_time_of(u64::MAX), None);
    }

    #[test]
    fn a_digest_does_not_depend_on_the_pieces() {
        let image: Vec<u8> = (0..3 * PIECE_BYTES + 17).map(|byte| (byte % 251) as u8).collect();
        let whole = ring::digest::digest(&SHA256, &image);
        let expected = u64::from_be_bytes(whole.as_ref()[..8].try_into().expect("eight bytes"));
        let (head, tail) = image.split_at(100);
        let found = [digest(&mut &image[..]), digest(&mut head.chain(tail))];
        assert!(found.into_iter().all(|found| found.is_ok_and(|found| found == expected)));
        assert!(digest(&mut &image[1..]).is_ok_and(|other| other != expected));
    }
}
