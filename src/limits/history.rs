//! Bounds of what becomes of a log's history: who wrote it, what was erased from it.

/// Writers whose epochs a log tells apart; the oldest are forgotten first. 64 KiB of a manifest,
/// which is written whole: one that is opened every minute remembers three days.
pub const BRANCHES_MAX: usize = 4_096;

/// Events that one run erases from history: their places, 16 bytes each, are held in memory.
pub const ERASED_EVENTS_MAX: u64 = 16 << 20;

/// Bytes of the reason that is recorded with an erasure: a sentence or two.
pub const ERASURE_REASON_BYTES_MAX: usize = 1 << 10;
