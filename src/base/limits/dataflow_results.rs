//! Bounds of event times, keys and error rows of a dataflow: a result beyond them is an error row.

use super::BATCH_VIEW_BLOCK_BYTES_MAX;

/// Microseconds by which an event's time may be ahead of its epoch's clock and still move the
/// retention horizon (which then moves as if the event had the clock's time): a day, more than any
/// forgotten time zone. Answers depend on it: another value gives other answers.
pub const AHEAD_OF_CLOCK_MAX_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Longest key of a view in bytes: a row with a longer one is an error row. Indexes hold keys, and
/// reads repeat them, so a key is far shorter than a row may be.
pub const KEY_BYTES_MAX: usize = 1 << 20;

/// Copies of a row, of either sign, behind `keyed` and `collect` of weighted events: a join
/// multiplies the copies of two rows, and the product has 64 bits.
pub const COPIES_MAX: u64 = i32::MAX as u64;

/// Bytes of a key, and of a reason, that an error row keeps: both are part of its key.
pub const ERROR_KEY_BYTES: usize = 200;
/// See [`ERROR_KEY_BYTES`].
pub const ERROR_REASON_BYTES: usize = 64 << 10;

const _: () = assert!(KEY_BYTES_MAX < BATCH_VIEW_BLOCK_BYTES_MAX, "a key fits a row");
const _: () = assert!(ERROR_REASON_BYTES * 2 < KEY_BYTES_MAX, "a reason is part of a key");
