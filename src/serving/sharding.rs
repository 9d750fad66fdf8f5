//! Sharding: the one hash of keys that routing and the hash tables of batches share.

use xxhash_rust::xxh3::xxh3_64;

/// The hash of a key's bytes. Fixed for all time and all machines: processes of one cluster must
/// agree on it.
#[inline]
pub(super) fn hash_key(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The shard of a key whose hash is known. Takes the bits that a hash table does not look at
/// first (it starts from the lowest bits and tags with the highest seven).
#[inline]
pub(super) fn shard_of_hash(hash: u64, shards: usize) -> usize {
    (((hash >> 16) & 0xFFFF_FFFF) as usize * shards) >> 32
}

/// The shard, below `shards`, that holds the rows of `key`.
///
/// The engine exchanges a view's rows by this function, so that a point read visits the batches of
/// one shard only.
#[inline]
pub fn shard_of(key: &[u8], shards: usize) -> usize {
    shard_of_hash(hash_key(key), shards)
}
