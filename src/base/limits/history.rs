//! Bounds of what becomes of a log's history: who wrote it, what was erased from it; and of how its
//! writer looks after it.

use std::time::Duration;

/// How often a writer with nothing to do looks whether others find the files that it has open.
/// Files that are not there at two looks are gone, so this is noticed within half a second.
pub const OPEN_FILES_LOOK: Duration = Duration::from_millis(200);

/// How often a call is made that failed for want of something that may come back: room for an open
/// file, or a disk that takes the mark.
pub const DISK_TRIES: u32 = 6;

/// How long is waited before the second of [`DISK_TRIES`]; twice as long before each next one: a
/// third of a second in all, for which appends wait.
pub const DISK_RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Writers whose epochs a log tells apart; the oldest are forgotten first. 64 KiB of a manifest,
/// which is written whole: one that is opened every minute remembers three days.
pub const BRANCHES_MAX: usize = 4_096;

/// Events that one run erases from history: their places, 16 bytes each, are held in memory.
pub const ERASED_EVENTS_MAX: u64 = 16 << 20;

/// Bytes of the reason that is recorded with an erasure: a sentence or two.
pub const ERASURE_REASON_BYTES_MAX: usize = 1 << 10;
