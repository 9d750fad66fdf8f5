//! Every bound of the system in one place: its unit, and why it is what it is.
//!
//! Assertions at compile time keep the bounds consistent with one another.

/// Entries of a worker's combiner, per barrier, before it is flushed early. Beyond this keys are
/// mostly unique and a larger table only costs cache misses and memory.
pub const COMBINER_KEYS_MAX: usize = 1 << 18;

/// Bytes after which a block of accumulation entries is sealed. Large enough to make checksums and
/// lengths negligible, small enough to share blocks evenly among workers.
pub const ACCUMULATION_BLOCK_BYTES: usize = 1 << 20;

/// Bytes that one block may have when read back: an entry may exceed the target by itself.
pub const ACCUMULATION_BLOCK_BYTES_MAX: u64 = 1 << 28;

/// Rows of an arrangement that are copied at a time while it is dumped.
pub const DUMP_ROWS: usize = 1 << 16;

const _: () = assert!((ACCUMULATION_BLOCK_BYTES as u64) < ACCUMULATION_BLOCK_BYTES_MAX);

/// How long a worker with nothing to do sleeps before it looks again; whoever has work for it wakes
/// it. Spinning would starve the other threads of a small machine.
pub const WORKER_PARK: std::time::Duration = std::time::Duration::from_millis(5);
use std::time::Duration;

/// Keys from which on a batch of a view gets a hash table; below, binary search touches so few
/// cache lines that the table's memory (about 7 bytes per key) buys nothing.
pub const BATCH_TABLE_KEYS_MIN: usize = 64;

/// Epochs below the frontier that an index can tell apart: at 100 epochs a second, the last 100
/// seconds for `as_of` and for change tokens.
pub const HISTORY_EPOCHS: u64 = 10_000;

/// How long a snapshot lives unless it is renewed: longer than any page of a scan takes, short
/// enough that an abandoned reader's batches are soon free.
pub const LEASE_LENGTH: Duration = Duration::from_secs(60);

/// How often expired leases are looked for when nothing else happens.
pub const LEASE_SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// Snapshots held at once: above any number of connections a server admits.
pub const LEASES_MAX: usize = 10_000;

/// Updates merged before smaller merges get their turn: about 10 ms.
pub const MERGE_SLICE_UPDATES: isize = 100_000;

/// Updates of one shard of a view kept as published, so that a reader of changes who is nearly up
/// to date need not search merged batches.
pub const RECENT_UPDATES_MAX: usize = 100_000;

/// Updates after which one call for changes stops: what a client has to hold at once.
pub const CHANGES_CHUNK: usize = 10_000;

/// Rows a scan reads before it looks at its lease again.
pub const SCAN_CHUNK_ROWS: usize = 1_000;

const _: () = {
    assert!(LEASE_SWEEP_INTERVAL.as_millis() < LEASE_LENGTH.as_millis());
    assert!(HISTORY_EPOCHS > 0 && CHANGES_CHUNK > 0 && SCAN_CHUNK_ROWS > 0);
};

/// Epochs that one worker may have fed before they are published. More would only queue inside
/// timely, which has no flow control; fewer would leave workers waiting for one another.
pub const EPOCHS_IN_FLIGHT_MAX: usize = 16;

/// Bytes of events that one worker may have fed before they are published.
pub const BYTES_IN_FLIGHT_MAX: usize = 64 << 20;

/// Epochs that wait in a worker's channel.
pub const EPOCHS_QUEUED_MAX: usize = 64;

/// How often a process that only follows a log looks for new epochs.
pub const FOLLOW_INTERVAL: Duration = Duration::from_millis(2);
