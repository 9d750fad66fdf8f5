//! Bounds of the epochs that wait for a dataflow or a follower behind the log.

use std::time::Duration;

/// Entries of the writer's list of when epochs became durable, 32 bytes each.
pub const BACKLOG_ENTRIES_MAX: usize = 4_096;

/// Epochs that wait in memory for followers of the log: seconds of them. A follower farther behind
/// reads the log.
pub const FOLLOWER_EPOCHS_MAX: usize = 1_024;

/// Bytes of the epochs that wait in memory for all followers of the log together: an epoch that
/// waits for one follower waits for the slower ones, too.
pub const FOLLOWER_BYTES_MAX: usize = 16 << 20;

/// Bytes of the epochs that wait in a worker's channel; one epoch may have more.
pub const BYTES_QUEUED_MAX: usize = 8 << 20;

/// How long an epoch that was begun may take to finish when serving stops: a slower one is
/// abandoned without a checkpoint. The log has everything.
pub const WORKERS_GRACE: Duration = Duration::from_secs(10);
