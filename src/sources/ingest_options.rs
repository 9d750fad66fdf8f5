//! Options, progress and report of an ingest.

use std::path::{Path, PathBuf};

use diptych_base::time::Epoch;

/// The format of a file's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header line; quotes as in RFC 4180, LF or CRLF.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// The treatment of a record that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Append nothing of any of the files.
    #[default]
    Stop,
    /// Write the record to `FILE.errors.ndjson` (line, reason, text), and append the others.
    Skip,
}

/// The treatment of a file whose content is already in the stream, in whole or in part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnKnown {
    /// Append nothing of a file that is in the stream. Refuse one that begins with the records of
    /// another, or that corrects skipped records of another: its events would count twice.
    #[default]
    Ask,
    /// The same, but append the new records of a file that would be refused.
    NewLines,
    /// Treat it as another file, whatever its content, and append it whole: once per path (and
    /// label, if there is one), however often the ingest is repeated.
    Again(Option<String>),
}

/// The options of an ingest.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// The files' format; by default detected from the name (`.csv`, `.ndjson`, `.jsonl`, before
    /// `.gz` or `.zst`), else from the first byte (`{` begins NDJSON).
    pub format: Option<Format>,
    /// The treatment of a record that cannot be read.
    pub on_error: OnError,
    /// The treatment of content that the stream already has.
    pub on_known: OnKnown,
}

/// The current one of the two readings of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The file is read and checked; nothing is appended yet.
    Checking,
    /// The file is read again and appended.
    Appending,
}

/// The progress of an ingest, reported once per chunk.
#[derive(Clone, Copy, Debug)]
pub struct IngestProgress<'a> {
    /// The file; `-` is standard input.
    pub path: &'a Path,
    /// The current reading.
    pub phase: Phase,
    /// Bytes of the file (compressed or not) read so far in this phase.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_total: u64,
    /// Good records so far in this phase.
    pub rows: u64,
    /// Bad records so far in this phase.
    pub skipped: u64,
}

/// The result of an ingest.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry for each path, in the order given.
    pub files: Vec<FileReport>,
}

/// The result of one file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Events of the file that are in the log now under this file.
    pub rows: u64,
    /// Records that were not appended because they are in the stream as those of another file.
    pub left_out: u64,
    /// The known file with the same content, when nothing was appended because of it.
    pub same_as: Option<String>,
    /// Records that could not be read.
    pub skipped: u64,
    /// The errors file, if there are such records.
    pub errors: Option<PathBuf>,
    /// The number of append requests of the file.
    pub chunks: u64,
    /// How many of these requests the log already had.
    pub repeated: u64,
    /// First and last epoch of the file's events, as far as the log remembers them.
    pub epochs: Option<(Epoch, Epoch)>,
    /// Columns of the file's header that the stream does not have (CSV only).
    pub ignored: Vec<String>,
    /// Optional columns of the stream that the file's header does not have (CSV only).
    pub absent: Vec<String>,
    /// Columns of times or days that all lie in January 1970: a sign that the numbers were written
    /// in another unit.
    pub january: Vec<String>,
}

impl FileReport {
    /// Whether the log had the whole file before this ingest.
    pub fn already_ingested(&self) -> bool {
        self.chunks > 0 && self.repeated == self.chunks
    }
}
