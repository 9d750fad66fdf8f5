//! Bounds at which an operator is warned, about lag, appends and disk space.

use std::time::Duration;

/// Interval at which all concerns are checked: a tenth of the five seconds within which the
/// operator is warned.
pub const CONCERNS_LOOK: Duration = Duration::from_millis(500);

/// How long readers of a dataflow may be behind the log by default: longer than most epochs take,
/// and short enough for a warning within five seconds.
pub const LAG_BOUND: Duration = Duration::from_secs(4);

/// How long an append may take before a warning: hundreds of syncs of a slow disk.
pub const APPENDS_STAND: Duration = Duration::from_secs(4);

/// Log positions with their times that are remembered to measure readers' lag: 16 bytes each, half
/// an hour of them.
pub const LAGS_SEEN: usize = 4_096;

/// Free bytes below which the data directory's disk raises a warning, or a twentieth of the disk if
/// that is less: a checkpoint and some thousand epochs.
pub const DISK_ROOM_BYTES: u64 = 1 << 30;

/// Free files below which a warning is raised, or a twentieth of those that the disk may have.
pub const DISK_ROOM_FILES: u64 = 1_000;

/// How long a process whose log has stopped still answers, so that its readers learn of it: two
/// intervals of most probes.
pub const LOG_STOPPED_GRACE: Duration = Duration::from_secs(10);

const _: () = assert!(CONCERNS_LOOK.as_millis() * 2 + LAG_BOUND.as_millis() <= 5_000);
