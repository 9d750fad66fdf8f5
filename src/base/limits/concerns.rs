//! When an operator is told, and of what.

use std::time::Duration;

/// How often everything is looked at that somebody must be told of: a tenth of the five seconds
/// within which it is told.
pub const CONCERNS_LOOK: Duration = Duration::from_millis(500);

/// How long readers of a dataflow may be behind the log, unless it is said otherwise: longer than
/// most epochs take, and short enough to be told within five seconds.
pub const LAG_BOUND: Duration = Duration::from_secs(4);

/// How long appends may be under way: hundreds of syncs of a slow disk.
pub const APPENDS_STAND: Duration = Duration::from_secs(4);

/// Ends of the log that are remembered to tell how long readers are behind: 16 bytes each, half an
/// hour of them.
pub const LAGS_SEEN: usize = 4_096;

/// Bytes that should be left on the data directory's disk, or a twentieth of it if that is less: a
/// checkpoint and some thousand epochs.
pub const DISK_ROOM_BYTES: u64 = 1 << 30;

/// Files for which there should be room, or a twentieth of those that the disk may have.
pub const DISK_ROOM_FILES: u64 = 1_000;

/// How long a process whose log has stopped still answers, so that its readers are told: two looks
/// of most probes.
pub const LOG_STOPPED_GRACE: Duration = Duration::from_secs(10);

const _: () = assert!(CONCERNS_LOOK.as_millis() * 2 + LAG_BOUND.as_millis() <= 5_000);
