//! Every bound of the system in one place: its unit, and why it is what it is.
//!
//! Assertions at compile time keep the bounds consistent with one another.

/// Keys from which on a batch of a view gets a hash table; below, binary search touches so few
/// cache lines that the table's memory (about 7 bytes per key) buys nothing.
pub const BATCH_TABLE_KEYS_MIN: usize = 64;
