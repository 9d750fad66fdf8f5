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
