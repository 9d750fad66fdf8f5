//! Every bound of the system in one place: its unit, and why it is what it is.
//!
//! Assertions at compile time keep the bounds consistent with one another.

/// Bytes of one append request. Larger ones would hold everybody's sync up for too long.
pub const APPEND_BYTES_MAX: usize = 64 << 20;

/// Bytes of the append requests that wait for the disk; further callers wait for room.
pub const QUEUE_BYTES_MAX: usize = 256 << 20;

/// Bytes of the requests that become one epoch; the rest of the queue goes into the next.
pub const EPOCH_BYTES_MAX: usize = 128 << 20;

/// Bytes of one frame on disk: an epoch, what Arrow's padding adds, and its header.
pub const FRAME_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a frame's header: names, offsets, new schemas.
pub const FRAME_HEADER_BYTES_MAX: usize = 128 << 20;

/// Bytes of a manifest, an epoch file or a state file: what a reader will allocate at most.
pub const TABLE_BYTES_MAX: u64 = 2 << 30;

/// Bytes in a frame file before it is sealed into a segment. Large enough that a segment's columns
/// are worth mapping, small enough that replaying the frames at a restart takes seconds.
pub const FRAME_FILE_BYTES: u64 = 64 << 20;

/// Rows of one record batch in a segment, and of one part of a batch read.
pub const BLOCK_ROWS: usize = 64 << 10;

/// Milliseconds an append may wait for company before the sync starts.
pub const LINGER_MS_MAX: u64 = 10;

/// Bytes of a stream's name, which is part of file names.
pub const STREAM_NAME_BYTES_MAX: usize = 64;

/// Bytes of a producer id, a source name or a source offset.
pub const LABEL_BYTES_MAX: usize = 4096;

/// Columns of a stream.
pub const COLUMNS_MAX: usize = 4096;

/// Different (stream, schema) pairs in one log; each has its own file in every segment.
pub const SCHEMAS_MAX: usize = 10_000;

/// Appends of one producer whose epochs are remembered, so that a repeat can be answered.
pub const PRODUCER_WINDOW: usize = 1_000;

/// Producers a log remembers at all. One that was forgotten could append twice, so the log refuses
/// a new producer instead of forgetting an old one.
pub const PRODUCERS_MAX: usize = 1 << 18;

/// Appends remembered over all producers (8 bytes each); beyond it the producers that have been
/// silent longest keep their last append only.
pub const REMEMBERED_MAX: usize = 4 << 20;

/// Sources whose last offset is kept.
pub const SOURCES_MAX: usize = 1 << 16;

/// Records of a file in one append. Part of what names a file's appends: changing it makes files
/// that were ingested before count as new, so it never changes.
pub const INGEST_CHUNK_RECORDS: usize = 16 << 10;

/// Bytes of a file's text after which an append is closed. Never changes, as above.
pub const INGEST_CHUNK_BYTES: usize = 4 << 20;

/// Bytes of one record of a file. A quote that is never closed is noticed here at the latest.
pub const INGEST_RECORD_BYTES_MAX: usize = 4 << 20;

/// Appends of a file on their way to the disk at once: enough that the next is parsed meanwhile.
pub const INGEST_IN_FLIGHT: usize = 4;

/// Characters of a file's text that an error message repeats.
pub const INGEST_QUOTED_CHARS: usize = 120;

const _: () = assert!(APPEND_BYTES_MAX <= EPOCH_BYTES_MAX, "any single append fits an epoch");
const _: () = assert!(EPOCH_BYTES_MAX <= QUEUE_BYTES_MAX, "an epoch can be gathered in the queue");
const _: () = assert!(EPOCH_BYTES_MAX as u64 * 2 < FRAME_BYTES_MAX, "padding fits the frame");
const _: () = assert!(PRODUCERS_MAX < REMEMBERED_MAX, "each producer keeps at least one append");
const _: () = assert!(
    // Text grows at most eightfold: two bytes ("1,") become a decimal of sixteen.
    (INGEST_CHUNK_BYTES + INGEST_RECORD_BYTES_MAX) * 8 <= APPEND_BYTES_MAX,
    "a chunk of a file fits an append"
);
