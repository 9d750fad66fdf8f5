//! How to ingest, how it goes, and how it went.

use std::path::{Path, PathBuf};

use diptych_base::time::Epoch;

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

/// What becomes of a file that the stream has already, in whole or in part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnKnown {
    /// A file that is in the stream has nothing to add. One that begins with the records of
    /// another, or is another with skipped records mended, is refused: its events would count
    /// twice.
    #[default]
    Ask,
    /// The same, but of such a file the other records are appended.
    NewLines,
    /// It is another file, whatever it holds, and is appended whole: once under its path (and
    /// this label, if there is one), however often it is said.
    Again(Option<String>),
}

/// How to ingest.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// The files' format; else it is told by the name (`.csv`, `.ndjson`, `.jsonl`, before `.gz`
    /// or `.zst`), else by the first byte (`{` begins NDJSON).
    pub format: Option<Format>,
    /// What becomes of a record that cannot be read.
    pub on_error: OnError,
    /// What becomes of what the stream has already.
    pub on_known: OnKnown,
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
    /// Events of the file that are in the log now, as those of this file.
    pub rows: u64,
    /// Records that were not appended because another file had them before.
    pub left_out: u64,
    /// The file whose content this has, when nothing was appended because of that.
    pub same_as: Option<String>,
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
    /// Columns of times or days that all lie in January 1970: numbers that count something else
    /// than they were read as look so.
    pub january: Vec<String>,
}

impl FileReport {
    /// Whether the log had the whole file before this ingest.
    pub fn already_ingested(&self) -> bool {
        self.chunks > 0 && self.repeated == self.chunks
    }
}
