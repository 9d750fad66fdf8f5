//! When a serving process leaves a batch view unasked, and of what; and how many stay.

use std::time::Duration;

/// Epochs behind the newest batch view beyond which a serving process makes another: the next start
/// makes up for so many, of few events each, in a tenth of a second.
pub const CHECKPOINT_EPOCHS_BEHIND: u64 = 10_000;

/// Bytes of events behind the newest batch view beyond which a serving process makes another, or a
/// quarter of its bytes if that is more: so the next start costs what the state costs.
pub const CHECKPOINT_BYTES_BEHIND: u64 = 16 << 20;

/// How old the newest batch view may be while there are new epochs, however few.
pub const CHECKPOINT_AGE: Duration = Duration::from_mins(10);

/// A checkpoint is begun when so many times the time has passed that the last one took.
pub const CHECKPOINT_SHARE: u32 = 10;

/// A checkpoint that takes no longer than [`CHECKPOINT_SHORT`] is begun when so many times that has
/// passed. Who makes tens of thousands of epochs a second has a small state, and starts soon only
/// if few of them are behind.
pub const CHECKPOINT_SHARE_SHORT: u32 = 3;

/// What a short checkpoint takes at most.
pub const CHECKPOINT_SHORT: Duration = Duration::from_secs(1);

/// The largest batch view that is continued unasked: meanwhile the state is in memory twice.
pub const CHECKPOINT_STATE_BYTES_MAX: u64 = 1 << 30;

/// Batch views of a version that a checkpoint leaves in place, the new one included: one to start
/// from, and one before it in case the newest is damaged.
pub const BATCH_VIEWS_KEPT: usize = 2;

/// Epochs behind the newest batch view beyond which a start leaves a newer one first: replayed one
/// by one, so many of few events each take a tenth of a second.
pub const REPLAYED_EPOCHS_MAX: u64 = 10_000;

/// Epochs that are replayed one by one even then, so that their changes can be told apart.
pub const REPLAYED_EPOCHS: u64 = 1_000;

/// Bytes of a batch view that are read and written in the time in which one epoch is replayed: a
/// larger one costs more than it saves.
pub const REPLAYED_STATE_BYTES: u64 = 256;
