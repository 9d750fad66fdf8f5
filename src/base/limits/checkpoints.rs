//! Bounds of checkpoints: when a serving process writes a batch view by itself, and how many are
//! kept.

use std::time::Duration;

/// Epochs since the newest batch view after which a serving process writes another: a start replays
/// so many epochs of few events each in a tenth of a second.
pub const CHECKPOINT_EPOCHS_BEHIND: u64 = 10_000;

/// Bytes of events since the newest batch view after which a serving process writes another; or a
/// quarter of its bytes, if that is more and all of them are written again. So the cost of a start
/// follows the state.
pub const CHECKPOINT_BYTES_BEHIND: u64 = 16 << 20;

/// Greatest age of the newest batch view while there are new epochs, however few.
pub const CHECKPOINT_AGE: Duration = Duration::from_mins(10);

/// The next checkpoint starts after this many times the duration of the last one.
pub const CHECKPOINT_SHARE: u32 = 10;

/// The same factor for checkpoints no longer than [`CHECKPOINT_SHORT`]. A dataflow with tens of
/// thousands of epochs a second and a small state starts soon only if few epochs are behind.
pub const CHECKPOINT_SHARE_SHORT: u32 = 3;

/// The longest duration of a short checkpoint.
pub const CHECKPOINT_SHORT: Duration = Duration::from_secs(1);

/// Largest batch view that is checkpointed by itself: meanwhile the state is in memory twice.
pub const CHECKPOINT_STATE_BYTES_MAX: u64 = 1 << 30;

/// How often workers tell the size of their accumulations.
pub const STATE_SIZE_TOLD: Duration = Duration::from_millis(100);

/// The least memory that views and accumulations of a process can be bounded to.
pub const STATE_MEMORY_BYTES_MIN: u64 = 64 << 10;

/// The share of such a bound that the events of the first step of a batch run have in the log: an
/// entry of an accumulation and its row have many times the bytes of the event they come from, and
/// are in memory until the step is written. Words that never come twice take 25 times their bytes.
pub const BATCH_STEP_SHARE_FIRST: u64 = 64;

/// The least and the greatest share of later steps, whatever the steps before have taken.
pub const BATCH_STEP_SHARE_LEAST: u64 = 128;
/// See [`BATCH_STEP_SHARE_LEAST`].
pub const BATCH_STEP_SHARE_MOST: u64 = 8;

/// The memory that a batch run takes for threads, buffers and what the allocator keeps, whatever
/// its events: it does not count when the next step is measured.
pub const BATCH_STEP_SLACK_BYTES: u64 = 16 << 20;

/// Batch views of a version that a checkpoint leaves in place, the new one included: one to start
/// from, and one before it in case the newest is damaged. What has not changed between them is in
/// files of both.
pub const BATCH_VIEWS_KEPT: usize = 2;

/// Epochs since the newest batch view above which a start writes a newer batch view first:
/// replaying so many of few events each, one by one, takes a tenth of a second.
pub const REPLAYED_EPOCHS_MAX: u64 = 10_000;

/// Epochs that are replayed one by one even then, so that their changes can be told apart.
pub const REPLAYED_EPOCHS: u64 = 1_000;

/// Bytes of a batch view that are read and written in the time that replaying one epoch takes: a
/// larger batch view costs more than it saves.
pub const REPLAYED_STATE_BYTES: u64 = 256;
