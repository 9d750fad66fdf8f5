//! Every bound of the system in one place: its unit, and why it is what it is.
//!
//! Assertions at compile time keep the bounds consistent with one another.

mod answers;
mod bodies;
mod checkpoints;
mod concerns;
mod files;
mod history;
mod lag;
mod memory;
mod past;
mod producers;
mod results;

use std::time::Duration;

pub use answers::*;
pub use bodies::*;
pub use checkpoints::*;
pub use concerns::*;
pub use files::*;
pub use history::*;
pub use lag::*;
pub use memory::*;
pub use past::*;
pub use producers::*;
pub use results::*;

/// Entries of a worker's combiner, per barrier, before it is flushed early. Beyond this keys are
/// mostly unique and a larger table only costs cache misses and memory.
pub const COMBINER_KEYS_MAX: usize = 1 << 18;

/// Bytes after which a block of accumulation entries is sealed. Large enough to make checksums and
/// lengths negligible, small enough to share blocks evenly among workers.
pub const ACCUMULATION_BLOCK_BYTES: usize = 1 << 20;

/// Bytes that one block may have: an entry may exceed the target by itself, and has been in memory.
/// What the length of a block can say.
pub const ACCUMULATION_BLOCK_BYTES_MAX: u64 = u32::MAX as u64;

/// Rows of an arrangement that are copied at a time while it is dumped.
pub const DUMP_ROWS: usize = 1 << 16;

const _: () = assert!((ACCUMULATION_BLOCK_BYTES as u64) < ACCUMULATION_BLOCK_BYTES_MAX);

/// How long a worker with nothing to do sleeps before it looks again; whoever has work for it wakes
/// it. Spinning would starve the other threads of a small machine.
pub const WORKER_PARK: Duration = Duration::from_millis(5);

/// Keys from which on a batch of a view gets a hash table; below, binary search touches so few
/// cache lines that the table's memory (about 7 bytes per key) buys nothing.
pub const BATCH_TABLE_KEYS_MIN: usize = 64;

/// Values from which on a batch notes which are left of a key; below, looking at them all costs no
/// more than looking that up.
pub const SETTLED_VALUES_MIN: usize = 8;

/// How long the driver sleeps while a worker's queue is full: a small part of what the queue holds.
pub const DRIVER_PARK: Duration = Duration::from_micros(200);

/// How long a snapshot lives unless it is renewed: longer than any page of a scan takes, short
/// enough that an abandoned reader's batches are soon free.
pub const LEASE_LENGTH: Duration = Duration::from_mins(1);

/// The lease of a snapshot that ends with its holder and not by itself: a century.
pub const LEASE_KEPT: Duration = Duration::from_hours(24 * 36_525);

/// How often expired leases are looked for when nothing else happens.
pub const LEASE_SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// Snapshots held at once: above any number of connections a server admits.
pub const LEASES_MAX: usize = 10_000;

/// Updates merged before smaller merges get their turn: about 10 ms.
pub const MERGE_SLICE_UPDATES: isize = 100_000;

/// Updates after which one call for changes stops: what a client has to hold at once.
pub const CHANGES_CHUNK: usize = 10_000;

/// Updates that a search for older changes gives at once, for the calls that follow: about 1 MB.
pub const READ_AHEAD_UPDATES: usize = 8 << 10;

/// Rows a scan reads before it looks at its lease again.
pub const SCAN_CHUNK_ROWS: usize = 1_000;

const _: () = {
    assert!(LEASE_SWEEP_INTERVAL.as_millis() < LEASE_LENGTH.as_millis());
    assert!(CHANGES_CHUNK > 0 && SCAN_CHUNK_ROWS > 0);
};

/// How much of the message of a panic in a user's function is kept, in bytes: it may show a value
/// of any size, and is repeated to whoever asks why a dataflow stands still.
pub const PANIC_MESSAGE_BYTES: usize = 4096;

/// Epochs that one worker may have fed before they are published. More would only queue inside
/// timely, which has no flow control; fewer would leave workers waiting for one another.
pub const EPOCHS_IN_FLIGHT_MAX: usize = 16;

/// Bytes of events that one worker may have fed before they are published.
pub const BYTES_IN_FLIGHT_MAX: usize = 16 << 20;

/// Epochs that wait in a worker's channel.
pub const EPOCHS_QUEUED_MAX: usize = 64;

/// How often a process that only follows a log looks for new epochs.
pub const FOLLOW_INTERVAL: Duration = Duration::from_millis(2);
/// Bytes of one append request. Larger ones would hold everybody's sync up for too long.
pub const APPEND_BYTES_MAX: usize = 64 << 20;

/// Bytes of the append requests that wait for the disk; further callers wait for room. One request
/// alone may have more.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Bytes of the requests that become one epoch; the rest of the queue goes into the next. Enough
/// that a sync is a small part of what it takes to write them; they are held twice more meanwhile,
/// put together and as the bytes of the frame. One request alone may have more.
pub const EPOCH_BYTES_MAX: usize = 16 << 20;

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

/// Producers that are known by their ids; of those silent longest beyond it a digest is left.
pub const PRODUCERS_MAX: usize = 1 << 18;

/// Appends remembered over all producers (16 bytes each); beyond it the producers that have been
/// silent longest keep their last append only.
pub const REMEMBERED_MAX: usize = 4 << 20;

/// Sources whose last offset is kept.
pub const SOURCES_MAX: usize = 1 << 16;

const _: () = assert!(EPOCH_BYTES_MAX <= QUEUE_BYTES_MAX, "an epoch can be gathered in the queue");
const _: () = assert!(EPOCH_BYTES_MAX <= APPEND_BYTES_MAX, "the largest epoch is one request");
const _: () = assert!(APPEND_BYTES_MAX as u64 * 2 < FRAME_BYTES_MAX, "padding fits the frame");
const _: () = assert!(PRODUCERS_MAX < REMEMBERED_MAX, "each producer keeps at least one append");

/// Bytes after which a block of a view is closed: what a point read has to check and search.
pub const BATCH_VIEW_BLOCK_BYTES: usize = 32 << 10;

/// The largest block of rows in a batch view, and so about the largest row: what a length on disk
/// can say. A row that a dataflow holds in memory can be written, or no checkpoint would succeed
/// any more; blocks are read in place, so their length costs nothing.
pub const BATCH_VIEW_BLOCK_BYTES_MAX: usize = u32::MAX as usize;

/// Bytes after which a separator in the index of blocks is cut: longer than keys that are not texts
/// of people have in common, and a thirtieth of a block.
pub const BATCH_VIEW_SEPARATOR_BYTES: usize = 1 << 10;

/// The largest block of an index of blocks, which up to format 1 was all of it.
pub const BATCH_VIEW_FOOTER_BYTES_MAX: u64 = 64 << 20;

/// The largest manifest of a batch view: thousands of parts and columns.
pub const BATCH_VIEW_MANIFEST_BYTES_MAX: u64 = 16 << 20;

const _: () = assert!(BATCH_VIEW_BLOCK_BYTES < BATCH_VIEW_BLOCK_BYTES_MAX);
const _: () = assert!(BATCH_VIEW_BLOCK_BYTES_MAX <= u32::MAX as usize);
/// Updates of a view that one worker gathers before it adds up what cancels within an epoch.
pub const GATHERED_UPDATES: usize = 1 << 18;

/// How long requests under way may take when the servers are told to stop.
pub const SERVER_GRACE: Duration = Duration::from_secs(10);

/// Connections on the Postgres port; more are refused with 53300.
pub const PG_CONNECTIONS_MAX: usize = 256;

/// How long a connection on the Postgres port may take until it can ask something.
pub const PG_STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of one message from a client on the Postgres port: a statement, or its parameters.
pub const PG_MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long the rest of a message may take that has begun to come.
pub const PG_MESSAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a client on the Postgres port may be silent, unless its session says otherwise.
pub const PG_IDLE_MAX: Duration = Duration::from_hours(1);

/// Bytes of answers that are gathered before they are sent.
pub const PG_OUTPUT_BYTES: usize = 64 << 10;

/// How long a client may take to take what was sent.
pub const PG_WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// Prepared statements of one connection.
pub const PG_STATEMENTS_MAX: usize = 1_000;

/// Bytes of the texts of one connection's prepared statements.
pub const PG_STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Open portals and cursors of one connection.
pub const PG_PORTALS_MAX: usize = 100;

/// Savepoints of one transaction.
pub const PG_SAVEPOINTS_MAX: usize = 1_000;

/// Connections that one listener holds at once: below what a process may open by default (1,024 is
/// often raised to more), and each may hold a snapshot.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Bytes of a request's body unless more is allowed: 10,000 events of 200 bytes.
pub const BODY_BYTES_MAX: u64 = 2 << 20;

/// Bytes of a request's head. Keys are given in the path's query: many of them fit.
pub const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long a client may take for a TLS handshake, and then for the head of a request.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a connection may be silent between requests; proxies keep theirs for a minute.
pub const IDLE_TIME: Duration = Duration::from_secs(75);

/// How long a client may take no byte of an answer.
pub const WRITE_TIME: Duration = Duration::from_secs(30);

/// How long a body may take whatever its length.
pub const BODY_START_TIME: Duration = Duration::from_secs(10);

/// Bytes a second that a body comes at, at least, from then on: slower than any modem in use.
pub const BODY_RATE_MIN: u64 = 4 << 10;

/// Requests at once on one connection of HTTP/2.
pub const HTTP2_STREAMS_MAX: u32 = 64;

/// How long, and how many bytes of, a refused body is read to no purpose but that its sender sees
/// the answer.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// See [`LINGER_TIME`].
pub const LINGER_BYTES: usize = 256 << 20;

/// A connection that is silent for so long while the server stops is closed.
pub const STOP_QUIET: Duration = Duration::from_millis(200);

/// Refusals of so long a time are told in one line.
pub const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(10);

const _: () = assert!(CONNECTIONS_MAX < LEASES_MAX, "each connection may hold a snapshot");
const _: () = assert!(BODY_BYTES_MAX <= APPEND_BYTES_MAX as u64, "a body fits an append");
/// Subscriptions to changes at once. Each holds about [`FEED_BYTES`] at most, or one row.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// Changes that are read for a subscriber at once.
pub const FEED_UPDATES: usize = 4_000;

/// Bytes of text that are made for a subscriber at once, as far as rows are as long as those
/// before.
pub const FEED_BYTES: usize = 192 << 10;

/// How long a subscriber's socket may take before what was read ahead for it is dropped.
pub const FEED_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that are given to the socket at once.
pub const FEED_PIECE_BYTES: usize = 64 << 10;

/// Reads for subscribers that take their time (searches through merged batches) at
/// once: they share few threads, whatever the number of subscribers.
pub const FEED_READS_MAX: usize = 2;

/// Changes of one event. An epoch with more comes in parts.
pub const EVENT_CHANGES: usize = 1_000;

/// How long a subscriber may take nothing before it is cut: less than [`WRITE_TIME`], which ends
/// its connection, so that the cut is counted as what it is.
pub const SUBSCRIBER_STALL: Duration = Duration::from_secs(20);

/// How long the token of a subscriber may lag while nothing changes.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How long a subscription is silent at most: proxies cut what is silent for a minute.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// Recomputations from the log that run at once: each takes a worker of its own.
pub const REPLAYS_RUNNING_MAX: usize = 1;

/// Recomputations that wait for their turn; the next is refused.
pub const REPLAYS_WAITING_MAX: usize = 8;

/// Recomputed indexes in memory at once, each about the size of the views that are served, and of
/// changes at most [`REPLAYED_CHANGES_BYTES_MAX`].
pub const REPLAYS_HELD_MAX: usize = 3;

/// Bytes of changes that are recomputed for a subscriber who was away: as much as the served index
/// keeps. One who missed more begins with a snapshot.
pub const REPLAYED_CHANGES_BYTES_MAX: usize = HISTORY_BYTES;

/// How long a recomputed index is kept for the next one who asks the same.
pub const REPLAY_KEPT: Duration = Duration::from_mins(1);

/// How long one subscriber may take to read what was replayed for it.
pub const REPLAY_READ_TIME: Duration = Duration::from_mins(10);

/// How long clients may wait unanswered while another process takes over; then they are told to
/// come back. Most takeovers take a tenth of it.
pub const TAKEOVER_UNNOTICED: Duration = Duration::from_secs(2);

/// What a refused client is told to wait.
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
/// The longest record of the version that serves.
pub const VERSION_RECORD_BYTES_MAX: u64 = 64 << 10;

/// How many batch views of epochs that somebody asked for (`as_of`) are kept of one version, and
/// how many bytes they may have together; the one made last is kept whatever it has.
pub const PAST_VIEWS_KEPT: usize = 8;
/// See [`PAST_VIEWS_KEPT`].
pub const PAST_VIEWS_BYTES: u64 = 1 << 30;

/// How often a serving process looks for batch views that somebody else makes.
pub const REBUILD_LOOK: Duration = Duration::from_millis(500);

/// Events that are shown when they are retracted; the others are counted.
pub const RETRACTED_SHOWN: usize = 10;

/// What could not be recomputed after a retraction is tried again after so long.
pub const MEND_AGAIN: Duration = Duration::from_secs(30);

/// Rebuilds that wait to be made, one after another; the next is refused.
pub const REBUILDS_WAITING_MAX: usize = 4;

/// Rows that are named when a rebuilt batch view differs from what is served.
pub const DRIFT_ROWS: usize = 10;

/// Bytes of one SQL statement: room for thousands of literals, little enough that parsing it takes
/// milliseconds.
pub const SQL_TEXT_BYTES_MAX: usize = 256 << 10;

/// Operators of one SQL statement. Each may nest the ones before it, and planning recurses.
pub const SQL_OPERATORS_MAX: usize = 1_000;

/// Tables that one SQL statement names, repetitions included; each join nests the ones before it.
pub const SQL_TABLES_MAX: usize = 100;

/// Stack of a thread that plans SQL: statements at the bounds above fit it in a debug build.
/// Only what is touched becomes memory.
pub const SQL_STACK_BYTES: usize = 64 << 20;

/// SQL statements that run at the same time; others wait for [`SQL_QUEUE_WAIT`].
pub const SQL_STATEMENTS_MAX: usize = 16;

/// How long a statement waits for its turn before it is refused.
pub const SQL_QUEUE_WAIT: Duration = Duration::from_secs(5);

/// How long a SQL statement may run, its client's reading included.
pub const SQL_STATEMENT_TIME: Duration = Duration::from_mins(2);

/// How long `diptych.at_least` waits for its epoch.
pub const SQL_AT_LEAST_WAIT: Duration = Duration::from_secs(10);

/// Bytes that all SQL statements together may use for joins, sorts and groups.
pub const SQL_MEMORY_BYTES: usize = 1 << 30;

/// Bytes of views kept as columns for SQL scans, beside the index. A view that would need more
/// than this by itself is read row by row.
pub const SQL_COLUMNS_BYTES: usize = 1 << 30;

/// Rows of one block of columns, and of one record batch of an answer.
pub const SQL_BLOCK_ROWS: usize = 8 << 10;

/// Rows up to which a range of a view is read from the index and not as columns.
pub const SQL_INDEX_ROWS_MAX: usize = 4 << 10;

/// Byte ranges and keys that a statement's conditions may become; wider conditions are checked
/// row by row.
pub const SQL_RANGES_MAX: usize = 4 << 10;

/// Rows of one answer over HTTP.
pub const SQL_HTTP_ROWS_MAX: usize = 10_000_000;

const _: () = {
    assert!(SQL_BLOCK_ROWS.is_multiple_of(64), "a block's rows are whole words of a bit mask");
    assert!(SQL_INDEX_ROWS_MAX <= SQL_BLOCK_ROWS);
    assert!(SQL_QUEUE_WAIT.as_millis() < SQL_STATEMENT_TIME.as_millis());
};
/// Bytes that a backup reads and writes at once.
pub const COPY_BYTES: u64 = 4 << 20;
/// How long a client of ours waits for a connection.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How long a client of ours waits for an answer: old epochs are replayed first.
pub const ANSWER_WAIT: Duration = Duration::from_mins(10);

/// Bytes of one answer that a client of ours takes: a page of [`REMOTE_PAGE_ROWS`] rows.
pub const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Rows that a client of ours asks for at once: the most that a server gives.
pub const REMOTE_PAGE_ROWS: usize = 10_000;
/// Rows of one answer over HTTP unless another limit is given.
pub const READ_ROWS: usize = 100;

/// Rows of one answer at most: a page of some hundred kilobytes. More is for cursors and for
/// streamed snapshots.
pub const READ_ROWS_MAX: usize = 10_000;

/// Rows that a thread which serves many connections reads without handing the work over: well
/// below a millisecond.
pub const READ_ROWS_INLINE: usize = 500;

/// Bytes of rows after which a page is closed, however few they are: what an answer is made of at
/// once. One row alone may have more.
pub const PAGE_BYTES: usize = 1 << 20;

/// Bytes of a row's key, and of its value, that a client's cursor repeats. Of a longer row it has
/// these and a number of rows, so a cursor fits an address whatever is in the view.
pub const CURSOR_PART_BYTES: usize = 1 << 10;

/// Keys of one request; they have to fit its address anyway.
pub const READ_KEYS_MAX: usize = 1_000;

/// How long a request waits for an epoch unless it says otherwise.
pub const READ_WAIT: Duration = Duration::from_secs(10);

/// How long a request may wait for an epoch at most.
pub const READ_WAIT_MAX: Duration = Duration::from_mins(1);

/// Bytes of a posted body that are parsed without handing the work to another thread.
pub const APPEND_INLINE_BYTES: usize = 16 << 10;

const _: () = assert!(READ_ROWS <= READ_ROWS_INLINE && READ_ROWS_INLINE <= READ_ROWS_MAX);
const _: () = assert!(READ_WAIT.as_secs() <= READ_WAIT_MAX.as_secs());

/// Epochs that a new version may be behind the one that serves when it is compared and let in: few
/// enough that it makes up for them while the old one is held.
pub const CUTOVER_BEHIND: u64 = 8;

/// How long the version that serves may be held at its frontier so that a new one reaches it: its
/// readers see the last epoch that long, which nobody notices.
pub const CUTOVER_HOLD: Duration = Duration::from_millis(100);

/// How long moments to cut over are looked for before a deployment is given up.
pub const CUTOVER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a new version may take to catch up with the log behind its batch view.
pub const DEPLOY_CATCH_UP: Duration = Duration::from_mins(10);

const _: () = assert!(CUTOVER_HOLD.as_millis() < CUTOVER_PATIENCE.as_millis());

/// Keys of each view whose rows one answer about a deployment gives.
pub const DEPLOY_SAMPLES_MAX: usize = 1_000;

/// Made-up events of one `diptych sample`: all are drawn in memory, a few hundred bytes each.
pub const SAMPLE_EVENTS_MAX: u64 = 5_000_000;
