//! Bounds of what a log remembers of those who append.

use std::time::Duration;

use super::PRODUCERS_MAX;

/// Producers a log knows at all, those included of whom a digest is left. One that was forgotten
/// could append twice, so the log refuses a new producer instead of forgetting an old one.
pub const PRODUCERS_KNOWN_MAX: usize = 1 << 20;

/// Bytes of the ids of the producers that are known by them. Beyond it those silent longest are
/// known by a digest of 16 bytes.
pub const PRODUCER_NAMES_BYTES_MAX: usize = 16 << 20;

/// Bytes of all source offsets and the names of their sources; with more no new source is taken.
pub const OFFSETS_BYTES_MAX: usize = 32 << 20;

/// Producers that one credential may introduce over HTTP within [`NEW_PRODUCERS_TIME`].
pub const NEW_PRODUCERS_MAX: u32 = 10_000;
/// See [`NEW_PRODUCERS_MAX`].
pub const NEW_PRODUCERS_TIME: Duration = Duration::from_hours(1);

const _: () = assert!(PRODUCERS_MAX < PRODUCERS_KNOWN_MAX);
