//! Bounds of the log's table of producers and sources.

use std::time::Duration;

use super::PRODUCERS_MAX;

/// Producers that a log knows; a silent producer counts once for each file that holds it. A
/// forgotten producer could append twice, so the log refuses a new producer instead of forgetting
/// an old one. Each takes 40 bytes of disk, together 172 GB, which is more than any log had so far,
/// and little enough that merging the files ends.
pub const PRODUCERS_KNOWN_MAX: u64 = 1 << 32;

/// Producers that a frame file may silence before it is closed, however short it is: those of the
/// open file are in memory, 60 bytes each.
pub const SILENCED_PER_SEGMENT: usize = 1 << 18;

/// Silent producers in memory, about 120 MB. They move to files as soon as their segment is sealed;
/// while that has to wait, for a full disk say, no further producer is accepted. A state file of an
/// earlier release may bring [`SILENCED_BEFORE_MAX`].
pub const SILENCED_MAX: usize = 1 << 21;

/// Silent producers that an earlier release kept in memory and in each state file.
pub const SILENCED_BEFORE_MAX: usize = 1 << 20;

/// Bytes of the ids of producers known by their ids. Beyond it those silent longest are known by a
/// digest of 16 bytes.
pub const PRODUCER_NAMES_BYTES_MAX: usize = 16 << 20;

/// Bytes of all source offsets and the names of their sources; beyond it no new source is accepted.
pub const OFFSETS_BYTES_MAX: usize = 32 << 20;

/// New producers per credential over HTTP within [`NEW_PRODUCERS_TIME`].
pub const NEW_PRODUCERS_MAX: u32 = 10_000;
/// See [`NEW_PRODUCERS_MAX`].
pub const NEW_PRODUCERS_TIME: Duration = Duration::from_hours(1);

const _: () = assert!(PRODUCERS_MAX as u64 + (SILENCED_MAX as u64) < PRODUCERS_KNOWN_MAX);
const _: () = assert!(
    SILENCED_BEFORE_MAX + 2 * SILENCED_PER_SEGMENT < SILENCED_MAX,
    "what an earlier release stored leaves room for a frame file, and one that is being sealed"
);
