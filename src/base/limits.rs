//! Every bound of the system, with its unit and the reason for its value.
//!
//! Assertions at compile time keep the bounds consistent with one another.

mod answers;
mod bodies;
mod checkpoints;
mod dataflow_results;
mod file_ingest;
mod index_history;
mod log_writer_and_erasure;
mod memory;
mod operator_warnings;
mod postgres;
mod producers;
mod sql;
mod waiting_epochs;

use std::time::Duration;

pub use answers::*;
pub use bodies::*;
pub use checkpoints::*;
pub use dataflow_results::*;
pub use file_ingest::*;
pub use index_history::*;
pub use log_writer_and_erasure::*;
pub use memory::*;
pub use operator_warnings::*;
pub use postgres::*;
pub use producers::*;
pub use sql::*;
pub use waiting_epochs::*;

/// Entries of a worker's combiner, per barrier, before it is flushed early. Beyond this keys are
/// mostly unique and a larger table only costs cache misses and memory.
pub const COMBINER_KEYS_MAX: usize = 1 << 18;

/// Bytes after which a block of accumulation entries is sealed: large enough to make checksums and
/// lengths negligible, small enough to share blocks evenly among workers.
pub const ACCUMULATION_BLOCK_BYTES: usize = 1 << 20;

/// Largest block in bytes: the greatest length that the format can store. An entry may exceed the
/// target size by itself, since it was in memory.
pub const ACCUMULATION_BLOCK_BYTES_MAX: u64 = u32::MAX as u64;

/// Rows of an arrangement that are copied at a time during a dump.
pub const DUMP_ROWS: usize = 1 << 16;

const _: () = assert!((ACCUMULATION_BLOCK_BYTES as u64) < ACCUMULATION_BLOCK_BYTES_MAX);

/// How long an idle worker sleeps before it looks for work again; threads with work for it wake it.
/// Spinning would starve the other threads of a small machine.
pub const WORKER_PARK: Duration = Duration::from_millis(5);

/// Keys from which on a batch of a view gets a hash table; below, binary search touches so few
/// cache lines that the table's memory (about 7 bytes per key) buys nothing.
pub const BATCH_TABLE_KEYS_MIN: usize = 64;

/// Values of a key from which on a batch stores its net values; below, adding up all updates costs
/// no more than that look-up.
pub const SETTLED_VALUES_MIN: usize = 8;

/// How long the driver sleeps while a worker's queue is full: a small part of what the queue holds.
pub const DRIVER_PARK: Duration = Duration::from_micros(200);

/// How long a snapshot lives unless it is renewed: longer than any page of a scan takes, short
/// enough that an abandoned reader's batches are soon free.
pub const LEASE_LENGTH: Duration = Duration::from_mins(1);

/// The lease of a snapshot that ends with its holder and not by itself: a century.
pub const LEASE_KEPT: Duration = Duration::from_hours(24 * 36_525);

/// The shortest life of a lease: until then it is not ended for the bytes that it holds, so that no
/// reader is cut off in a call. What is merged in this time is held twice.
pub const LEASE_LEAST: Duration = Duration::from_secs(1);

/// How often expired leases are looked for when nothing else happens.
pub const LEASE_SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// Snapshots held at once: above the number of connections that a server admits.
pub const LEASES_MAX: usize = 10_000;

/// Updates merged before smaller merges get their turn: about 10 ms.
pub const MERGE_SLICE_UPDATES: isize = 100_000;

/// Updates after which one call for changes stops: a client has to hold them all at once.
pub const CHANGES_CHUNK: usize = 10_000;

/// Updates that a search for older changes reads ahead for the next calls: about 1 MB.
pub const READ_AHEAD_UPDATES: usize = 8 << 10;

/// Rows that a scan reads between two checks of its lease.
pub const SCAN_CHUNK_ROWS: usize = 1_000;

const _: () = {
    assert!(LEASE_SWEEP_INTERVAL.as_millis() < LEASE_LENGTH.as_millis());
    assert!(CHANGES_CHUNK > 0 && SCAN_CHUNK_ROWS > 0);
};

/// Bytes of the message of a panic in a user's function that are kept: the message may show a value
/// of any size, and is repeated in every answer about the halted dataflow.
pub const PANIC_MESSAGE_BYTES: usize = 4096;

/// Epochs that one worker may have fed before they are published. More would only queue inside
/// timely, which has no flow control; fewer would leave workers waiting for one another.
pub const EPOCHS_IN_FLIGHT_MAX: usize = 16;

/// Bytes of events that one worker may have fed before they are published.
pub const BYTES_IN_FLIGHT_MAX: usize = 16 << 20;

/// Epochs that wait in a worker's channel.
pub const EPOCHS_QUEUED_MAX: usize = 64;

/// Interval at which a process that only follows a log looks for new epochs.
pub const FOLLOW_INTERVAL: Duration = Duration::from_millis(2);
/// Bytes of one append request. Larger ones would delay the sync of all other appends for too long.
pub const APPEND_BYTES_MAX: usize = 64 << 20;

/// Bytes of the append requests that wait for the disk; further callers wait for room. One request
/// alone may have more.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Bytes of the requests that become one epoch; the rest of the queue goes into the next. Large
/// enough that a sync is a small part of the time to write them. Meanwhile they are in memory twice
/// more: as one batch and as the bytes of the frame. One request alone may have more.
pub const EPOCH_BYTES_MAX: usize = 16 << 20;

/// Bytes of one frame on disk: an epoch, Arrow's padding, and the header.
pub const FRAME_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a frame's header: names, offsets, new schemas.
pub const FRAME_HEADER_BYTES_MAX: usize = 128 << 20;

/// Bytes of a manifest, an epoch file or a state file: the most that a reader allocates.
pub const TABLE_BYTES_MAX: u64 = 2 << 30;

/// Bytes in a frame file before it is sealed into a segment. Large enough that a segment's columns
/// are worth mapping, small enough that replaying the frames at a restart takes seconds.
pub const FRAME_FILE_BYTES: u64 = 64 << 20;

/// Rows of one record batch in a segment, and of one part of a batch read.
pub const BLOCK_ROWS: usize = 64 << 10;

/// Milliseconds that an append may wait for further appends before the sync starts.
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

/// Producers known by their ids; beyond it a digest is kept of those silent longest.
pub const PRODUCERS_MAX: usize = 1 << 18;

/// Appends remembered over all producers (16 bytes each); beyond it only the last append is kept of
/// the producers silent longest.
pub const REMEMBERED_MAX: usize = 4 << 20;

/// Sources whose last offset is kept.
pub const SOURCES_MAX: usize = 1 << 16;

const _: () = assert!(EPOCH_BYTES_MAX <= QUEUE_BYTES_MAX, "an epoch can be gathered in the queue");
const _: () = assert!(EPOCH_BYTES_MAX <= APPEND_BYTES_MAX, "the largest epoch is one request");
const _: () = assert!(APPEND_BYTES_MAX as u64 * 2 < FRAME_BYTES_MAX, "padding fits the frame");
const _: () = assert!(PRODUCERS_MAX < REMEMBERED_MAX, "each producer keeps at least one append");

/// Bytes after which a block of a view is closed: a point read has to check and search one block.
pub const BATCH_VIEW_BLOCK_BYTES: usize = 32 << 10;

/// Bytes of the offsets of rows that each part of a stored view keeps for its next reads, 4 for a
/// row: blocks beyond are checked and searched again by each read.
pub const ROW_OFFSETS_BYTES_MAX: usize = 16 << 20;

/// Target size in bytes of a block of an accumulation's entries: a look-up reads one whole, and its
/// entries lie in the order of a hash, so neighbours are no help.
pub const ACCUMULATION_ENTRIES_BLOCK_BYTES: usize = 8 << 10;

/// Largest block of rows in a batch view, and so about the largest row: the greatest length that
/// the format can store. A row that fits in memory can be written, else no checkpoint would succeed
/// any more; blocks are read in place, so their length costs nothing.
pub const BATCH_VIEW_BLOCK_BYTES_MAX: usize = u32::MAX as usize;

/// Bytes after which a separator in the index of blocks is cut: longer than the common prefixes of
/// most keys other than prose, and a thirtieth of a block.
pub const BATCH_VIEW_SEPARATOR_BYTES: usize = 1 << 10;

/// Largest block of an index of blocks; up to format 1 the index was one such block.
pub const BATCH_VIEW_FOOTER_BYTES_MAX: u64 = 64 << 20;

/// How many times as large as all later runs together a run of a batch view is, at least: a later
/// run that is larger is merged into it. A greater number makes runs fewer and merges more.
pub const RUN_RATIO: u64 = 2;

/// Runs of an accumulation or a view, at most: each is one more place where a key may be.
pub const RUNS_MAX: usize = 16;

/// Largest manifest of a batch view: thousands of parts and columns.
pub const BATCH_VIEW_MANIFEST_BYTES_MAX: u64 = 16 << 20;

const _: () = assert!(BATCH_VIEW_BLOCK_BYTES < BATCH_VIEW_BLOCK_BYTES_MAX);
const _: () = assert!(BATCH_VIEW_BLOCK_BYTES_MAX <= u32::MAX as usize);
/// Updates of a view that one worker gathers before it consolidates those of an epoch.
pub const GATHERED_UPDATES: usize = 1 << 18;

/// How long running requests may take when the servers are told to stop.
pub const SERVER_GRACE: Duration = Duration::from_secs(10);

/// Connections that one listener holds at once: below the usual limit of open files (1,024 is often
/// raised to more), and each may hold a snapshot.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Bytes of a request's body unless more is allowed: 10,000 events of 200 bytes.
pub const BODY_BYTES_MAX: u64 = 2 << 20;

/// Bytes of a request's head. Keys are part of the path's query: many of them fit.
pub const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long a client may take for a TLS handshake, and then for the head of a request.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a connection may be silent between requests; proxies keep idle connections for a
/// minute.
pub const IDLE_TIME: Duration = Duration::from_secs(75);

/// How long a client may take no byte of an answer.
pub const WRITE_TIME: Duration = Duration::from_secs(30);

/// How long a body of any length may take before [`BODY_RATE_MIN`] applies.
pub const BODY_START_TIME: Duration = Duration::from_secs(10);

/// Bytes a second at which a body must arrive from then on: slower than any modem in use.
pub const BODY_RATE_MIN: u64 = 4 << 10;

/// Requests at once on one connection of HTTP/2.
pub const HTTP2_STREAMS_MAX: u32 = 64;

/// How long, and up to how many bytes, the server reads on after it refused a body, so that the
/// client can read the answer.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// See [`LINGER_TIME`].
pub const LINGER_BYTES: usize = 256 << 20;

/// Silence after which a connection is closed while the server stops.
pub const STOP_QUIET: Duration = Duration::from_millis(200);

/// Interval over which refusals are logged as one line.
pub const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(10);

const _: () = assert!(CONNECTIONS_MAX < LEASES_MAX, "each connection may hold a snapshot");
const _: () = assert!(BODY_BYTES_MAX <= APPEND_BYTES_MAX as u64, "a body fits an append");
/// Subscriptions to changes at once. Each holds about [`FEED_BYTES`] at most, or one row.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// Changes that are read for a subscriber at once.
pub const FEED_UPDATES: usize = 4_000;

/// Bytes of text that are rendered for a subscriber at once, estimated from the lengths of earlier
/// rows.
pub const FEED_BYTES: usize = 192 << 10;

/// How long a subscriber's socket may block before the rows read ahead for it are dropped.
pub const FEED_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that are given to the socket at once.
pub const FEED_PIECE_BYTES: usize = 64 << 10;

/// Slow reads for subscribers (searches through merged batches) at once: they share few threads,
/// whatever the number of subscribers.
pub const FEED_READS_MAX: usize = 2;

/// Changes of one event. An epoch with more comes in parts.
pub const EVENT_CHANGES: usize = 1_000;

/// How long a subscriber may read nothing before it is cut: less than [`WRITE_TIME`], which ends
/// its connection, so that the cut is counted as such.
pub const SUBSCRIBER_STALL: Duration = Duration::from_secs(20);

/// How long the token of a subscriber may lag while nothing changes.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How long a subscription is silent at most: proxies cut connections after a silent minute.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// Recomputations from the log that run at once: each takes a worker of its own.
pub const REPLAYS_RUNNING_MAX: usize = 1;

/// Recomputations that wait for their turn; the next is refused.
pub const REPLAYS_WAITING_MAX: usize = 8;

/// Recomputed indexes in memory at once, each about the size of the served views, and of changes at
/// most [`REPLAYED_CHANGES_BYTES_MAX`].
pub const REPLAYS_HELD_MAX: usize = 3;

/// Bytes of changes that are recomputed for a subscriber after a gap: as much as the served index
/// keeps. A subscriber that missed more begins with a snapshot.
pub const REPLAYED_CHANGES_BYTES_MAX: usize = HISTORY_BYTES;

/// How long a recomputed index is kept for further requests of the same epoch.
pub const REPLAY_KEPT: Duration = Duration::from_mins(1);

/// How long one subscriber may take to read what was replayed for it.
pub const REPLAY_READ_TIME: Duration = Duration::from_mins(10);

/// How long requests may wait while another process takes over; after it they are answered with
/// [`RETRY_AFTER`]. Most takeovers take a tenth of it.
pub const TAKEOVER_UNNOTICED: Duration = Duration::from_secs(2);

/// The delay that a refused client is told to wait before the next try.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Differing rows that a verification shows of each view.
pub const DIFFERING_ROWS: usize = 10;

const _: () = {
    assert!(EVENT_CHANGES <= FEED_UPDATES && FEED_PIECE_BYTES <= FEED_BYTES);
    assert!(REPLAYS_RUNNING_MAX <= REPLAYS_HELD_MAX);
    assert!(SUBSCRIPTIONS_MAX < LEASES_MAX, "a snapshot for each subscriber");
    assert!(SUBSCRIBER_STALL.as_secs() < WRITE_TIME.as_secs());
    assert!(SUBSCRIBER_STALL.as_secs() < LEASE_LENGTH.as_secs(), "a slow reader keeps its lease");
    assert!(PROGRESS_INTERVAL.as_millis() < HEARTBEAT_INTERVAL.as_millis());
};
/// Largest record of the active version, in bytes.
pub const VERSION_RECORD_BYTES_MAX: u64 = 64 << 10;

/// Batch views of past epochs (`as_of`) that are kept per version, and their bytes together; the
/// newest is kept whatever its size.
pub const PAST_VIEWS_KEPT: usize = 8;
/// See [`PAST_VIEWS_KEPT`].
pub const PAST_VIEWS_BYTES: u64 = 1 << 30;

/// Interval at which a serving process looks for batch views made by other processes.
pub const REBUILD_LOOK: Duration = Duration::from_millis(500);

/// Retracted events that are shown; the others are counted.
pub const RETRACTED_SHOWN: usize = 10;

/// Time after which a failed recomputation of a retraction is tried again.
pub const RECOVERY_RETRY: Duration = Duration::from_secs(30);

/// Rebuilds that wait in the queue; the next is refused.
pub const REBUILDS_WAITING_MAX: usize = 4;

/// Rows that are named when a rebuilt batch view differs from the served index.
pub const DRIFT_ROWS: usize = 10;

/// Bytes that a backup reads and writes at once.
pub const COPY_BYTES: u64 = 4 << 20;
/// How long the bundled client waits for a connection.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How long the bundled client waits for an answer: old epochs are replayed first.
pub const ANSWER_WAIT: Duration = Duration::from_mins(10);

/// Bytes of one answer that the bundled client accepts: a page of [`REMOTE_PAGE_ROWS`] rows.
pub const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Rows that the bundled client asks for at once: the most that a server gives.
pub const REMOTE_PAGE_ROWS: usize = 10_000;
/// Rows of one answer over HTTP unless another limit is given.
pub const READ_ROWS: usize = 100;

/// Most rows of one answer: a page of some hundred kilobytes. Larger results need cursors or
/// streamed snapshots.
pub const READ_ROWS_MAX: usize = 10_000;

/// Rows that a thread which serves many connections reads itself: well below a millisecond.
pub const READ_ROWS_INLINE: usize = 500;

/// Bytes of rows after which a page is closed, however few rows it has: an answer is built in
/// memory at once. One row alone may have more.
pub const PAGE_BYTES: usize = 1 << 20;

/// Bytes of a row's key, and of its value, that a client's cursor repeats. For a longer row the
/// cursor holds these and a number of rows, so it fits an address whatever is in the view.
pub const CURSOR_PART_BYTES: usize = 1 << 10;

/// Keys of one request; they have to fit its address anyway.
pub const READ_KEYS_MAX: usize = 1_000;

/// How long a request waits for an epoch by default.
pub const READ_WAIT: Duration = Duration::from_secs(10);

/// How long a request may wait for an epoch at most.
pub const READ_WAIT_MAX: Duration = Duration::from_mins(1);

/// Bytes of a posted body that are parsed without handing the work to another thread.
pub const APPEND_INLINE_BYTES: usize = 16 << 10;

const _: () = assert!(READ_ROWS <= READ_ROWS_INLINE && READ_ROWS_INLINE <= READ_ROWS_MAX);
const _: () = assert!(READ_WAIT.as_secs() <= READ_WAIT_MAX.as_secs());

/// Epochs that a new version may be behind the active one when the two are compared and cut over:
/// few enough that it catches up while the old version is held.
pub const CUTOVER_BEHIND: u64 = 8;

/// How long the active version may be held at its frontier so that a new one reaches it: readers
/// see the last epoch for that long, which is too short to notice.
pub const CUTOVER_HOLD: Duration = Duration::from_millis(100);

/// How long a deployment waits for a moment to cut over before it is given up.
pub const CUTOVER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a new version may take to catch up with the log after its batch view.
pub const DEPLOY_CATCH_UP: Duration = Duration::from_mins(10);

const _: () = assert!(CUTOVER_HOLD.as_millis() < CUTOVER_PATIENCE.as_millis());

/// Keys of each view whose rows one answer about a deployment shows.
pub const DEPLOY_SAMPLES_MAX: usize = 1_000;

/// Events generated by one `diptych sample`: all are drawn in memory, a few hundred bytes each.
pub const SAMPLE_EVENTS_MAX: u64 = 5_000_000;
