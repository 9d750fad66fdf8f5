//! Bounds of what waits for a dataflow that is behind the log, and of who waits for it.

use std::time::Duration;

/// Entries of what a writer notes of when epochs became durable, 32 bytes each.
pub const BACKLOG_ENTRIES_MAX: usize = 4_096;

/// Epochs that wait in memory for who follows the log: seconds of them. Who is farther behind reads
/// the log.
pub const FOLLOWER_EPOCHS_MAX: usize = 1_024;

/// Bytes of the epochs that wait in memory for who follows the log, however many do: what waits for
/// one of them waits for those behind it, too.
pub const FOLLOWER_BYTES_MAX: usize = 16 << 20;

/// Bytes of the epochs that wait in a worker's channel; one epoch may have more.
pub const BYTES_QUEUED_MAX: usize = 8 << 20;

/// How long what is in an epoch may take to finish it when serving stops: one that takes longer is
/// left there, without a checkpoint. The log has everything.
pub const WORKERS_GRACE: Duration = Duration::from_secs(10);
