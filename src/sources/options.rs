//! How to ingest, how it goes, and how it went.

use std::path::{Path, PathBuf};

use crate::time::Epoch;

/// How a file spells its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header line; quotes as in RFC 4180, LF or CRLF.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// What becomes of a record that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing is appended, of any of the files.
    #[default]
    Stop,
    /// The record goes to `FILE.errors.ndjson` (line, reason, text), the others are appended.
    Skip,
}

/// How to ingest.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// The files' format; else it is told by the name (`.csv`, `.ndjson`, `.jsonl`, before `.gz`
    /// or `.zst`), else by the first byte (`{` begins NDJSON).
    pub format: Option<Format>,
    /// What becomes of a record that cannot be read.
    pub on_error: OnError,
}

/// Which of the two readings of a file is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The file is read and checked; nothing is appended yet.
    Checking,
    /// The file is read again and appended.
    Appending,
}

/// How far an ingest is, once per chunk.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file; `-` is standard input.
    pub path: &'a Path,
    /// Which reading.
    pub phase: Phase,
    /// Bytes of the file (as it is, compressed or not) read so far in this phase.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_total: u64,
    /// Good records so far in this phase.
    pub rows: u64,
    /// Bad records so far in this phase.
    pub skipped: u64,
}

/// What an ingest did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry for each path, in the order given.
    pub files: Vec<FileReport>,
}

/// What became of one file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Events of the file that are in the log now.
    pub rows: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// Where those are, if there are any.
    pub errors: Option<PathBuf>,
    /// Append requests the file was cut into.
    pub chunks: u64,
    /// How many of them the log had already.
    pub repeated: u64,
    /// First and last epoch of the file's events, as far as the log remembers them.
    pub epochs: Option<(Epoch, Epoch)>,
    /// Columns of the file's header that the stream does not have (CSV only).
    pub ignored: Vec<String>,
    /// Optional columns of the stream that the file's header does not have (CSV only).
    pub absent: Vec<String>,
}

impl FileReport {
    /// Whether the log had the whole file before this ingest.
    pub fn already_ingested(&self) -> bool {
        self.chunks > 0 && self.repeated == self.chunks
    }
}
