//! Bounds of what a body of a request says.

use super::APPEND_BYTES_MAX;

/// Bytes of a compressed body once it is not: what one append may have anyway. Some bytes of
/// compressed text stand for a thousand times as many.
pub const BODY_DECODED_BYTES_MAX: u64 = APPEND_BYTES_MAX as u64;

/// Compressed bodies that are read at once; each may hold [`BODY_DECODED_BYTES_MAX`] twice.
pub const BODIES_DECODED_MAX: usize = 4;

/// Codings of one body, one upon the other: clients apply one, a proxy perhaps another.
pub const BODY_CODINGS_MAX: usize = 2;

/// Logarithm of the window that zstd may use: 8 MiB (RFC 9659).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Names of members that are no columns, and of columns that are not given, that an answer tells.
pub const UNKNOWN_NAMES_MAX: usize = 20;
