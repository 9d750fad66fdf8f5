//! Bounds of the history that an index keeps for readers of epochs below its last.

/// Epochs below the frontier that an index can tell apart: at 100 epochs a second, the last 100
/// seconds for `as_of` and for change tokens.
pub const HISTORY_EPOCHS: u64 = 10_000;

/// Bytes of that history beside the current rows, per dataflow: some 300,000 changes of short rows.
/// With longer ones fewer epochs can be told apart.
pub const HISTORY_BYTES: usize = 48 << 20;

/// Bytes of history that leases may hold back; and as many bytes, or as many as the current rows
/// have, in batches that only leases still hold. Beyond it the earliest leases end.
pub const LEASED_BYTES_MAX: usize = 32 << 20;

/// Bytes that compacting a batch must save to be worth a run of its own, when they are half of the
/// batch.
pub const COMPACTED_BYTES_MIN: usize = 256 << 10;

/// Updates of one shard of a view that are kept as published, so that a reader of recent changes
/// need not search merged batches.
pub const RECENT_UPDATES_MAX: usize = 100_000;

/// Bytes of these updates, in all shards of all views of a dataflow.
pub const RECENT_BYTES_MAX: usize = 16 << 20;

const _: () = assert!(HISTORY_EPOCHS > 0 && COMPACTED_BYTES_MIN < HISTORY_BYTES);
