//! Bounds of what an event may claim, and of what a dataflow may say: beyond them a result is an
//! error row.

use super::BATCH_VIEW_BLOCK_BYTES_MAX;

/// How far ahead of its epoch's clock an event may be dated, in microseconds, and still move the
/// horizon of what is kept (then as if dated by the clock): a day, more than any time zone that was
/// forgotten. It is part of what answers are: another value is another answer.
pub const AHEAD_OF_CLOCK_MAX_US: i64 = 24 * 60 * 60 * 1_000_000;

/// The longest key of a view, as bytes: a row with a longer one is an error row. A key is held by
/// indexes, and goes out and comes back in reads, so it is far shorter than a row may be.
pub const KEY_BYTES_MAX: usize = 1 << 20;

/// Copies of a row, either sign, behind `keyed` and `collect` of weighted events: those of two rows
/// that are joined are multiplied, and that product has 64 bits.
pub const COPIES_MAX: u64 = i32::MAX as u64;

/// What is shown of a key in an error row, and what is kept of a reason: they are keys themselves.
pub const ERROR_KEY_BYTES: usize = 200;
/// See [`ERROR_KEY_BYTES`].
pub const ERROR_REASON_BYTES: usize = 64 << 10;

const _: () = assert!(KEY_BYTES_MAX < BATCH_VIEW_BLOCK_BYTES_MAX, "a key fits a row");
const _: () = assert!(ERROR_REASON_BYTES * 2 < KEY_BYTES_MAX, "a reason is part of a key");
