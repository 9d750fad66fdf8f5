//! Bounds of input from files and pipes.

use std::time::Duration;

use super::APPEND_BYTES_MAX;

/// Records of a file in one append. It is part of the identity of a file's appends: changing it
/// would make files that were ingested before count as new, so it never changes.
pub const INGEST_CHUNK_RECORDS: usize = 16 << 10;

/// Bytes of a file's text after which an append is closed. Never changes, as above.
pub const INGEST_CHUNK_BYTES: usize = 4 << 20;

/// Bytes of one record of a file. A quote that is never closed is noticed here at the latest.
pub const INGEST_RECORD_BYTES_MAX: usize = 4 << 20;

/// Files of a stream that are remembered by their first records, so that a grown or corrected copy
/// is recognised; each is one of [`SOURCES_MAX`](super::SOURCES_MAX) sources, of at most
/// [`LABEL_BYTES_MAX`](super::LABEL_BYTES_MAX) bytes.
pub const KNOWN_FILES: u64 = 64;

/// Bytes of a file's path, written as JSON, that are remembered; of a longer path, its end.
pub const KNOWN_NAME_BYTES: usize = 512;

/// Runs of skipped records that are remembered of a file. A corrected copy of a file with more is
/// recognised only if its beginning is unchanged.
pub const KNOWN_POSITIONS_MAX: usize = 80;

/// Remembered files with skipped records, the newest, that a file is compared with record by
/// record: each costs one more digest of the text.
pub const KNOWN_MENDED_MAX: usize = 4;

/// The base-two logarithm of the largest window that a Zstandard file may ask for: 128 MiB of
/// memory, which is the default bound of `zstd` itself and the window of `--long` alone.
pub const INGEST_ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Appends of a file in flight at once: enough that the next is parsed meanwhile.
pub const INGEST_IN_FLIGHT: usize = 4;

/// Characters of a file's text that an error message repeats.
pub const INGEST_QUOTED_CHARS: usize = 120;

const _: () = assert!(
    // Text grows at most eightfold: two bytes ("1,") become a decimal of sixteen.
    (INGEST_CHUNK_BYTES + INGEST_RECORD_BYTES_MAX) * 8 <= APPEND_BYTES_MAX,
    "a chunk of a file fits an append"
);

/// How long a record from a pipe waits for further records: below one fdatasync.
pub const FOLLOW_WAIT: Duration = Duration::from_millis(1);

/// Records of a pipe in one append, and records that wait for the next.
pub const FOLLOW_RECORDS_MAX: usize = 10_000;
