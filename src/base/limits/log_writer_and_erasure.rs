//! Bounds of a log's history (its writers and erasures) and of the writer's checks of its files.

use std::time::Duration;

/// Interval at which an idle writer checks that its open files are still in the directory. Files
/// that are missing at two checks are gone, so this is noticed within half a second.
pub const OPEN_FILES_LOOK: Duration = Duration::from_millis(200);

/// Tries of a call that failed for a passing cause: no room for an open file, or a disk that does
/// not take the durable mark.
pub const DISK_TRIES: u32 = 6;

/// Pause before the second of [`DISK_TRIES`]; doubled before each further one: a third of a second
/// in all, during which appends wait.
pub const DISK_RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Writers whose epochs a log tells apart; the oldest are forgotten first. They take 64 KiB of a
/// manifest, which is written whole: a log opened every minute remembers three days.
pub const BRANCHES_MAX: usize = 4_096;

/// Events that one run erases from history: their positions, 16 bytes each, are held in memory.
pub const ERASED_EVENTS_MAX: u64 = 16 << 20;

/// Bytes of the reason that is recorded with an erasure: a sentence or two.
pub const ERASURE_REASON_BYTES_MAX: usize = 1 << 10;
