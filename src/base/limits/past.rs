//! Bounds of what an index keeps for readers of epochs below its last.

/// Epochs below the frontier that an index can tell apart: at 100 epochs a second, the last 100
/// seconds for `as_of` and for change tokens.
pub const HISTORY_EPOCHS: u64 = 10_000;

/// Bytes that an index keeps for them beside the rows there are now, per dataflow: some 300,000
/// changes of short rows. With more, fewer epochs can be told apart.
pub const HISTORY_BYTES: usize = 48 << 20;

/// Bytes of the past that readers hold back by their leases; and as many, or as many as there are
/// rows now, in batches that only they still have. Beyond, the earliest leases end.
pub const LEASED_BYTES_MAX: usize = 32 << 20;

/// Bytes that compacting a batch must give back to be worth a run of its own, when they are half of
/// the batch.
pub const COMPACTED_BYTES_MIN: usize = 256 << 10;

/// Updates of one shard of a view kept as published, so that a reader of changes who is nearly up
/// to date need not search merged batches.
pub const RECENT_UPDATES_MAX: usize = 100_000;

/// Bytes of these updates, in all shards of all views of a dataflow.
pub const RECENT_BYTES_MAX: usize = 16 << 20;

const _: () = assert!(HISTORY_EPOCHS > 0 && COMPACTED_BYTES_MIN < HISTORY_BYTES);
