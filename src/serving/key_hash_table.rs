//! The hash index of a batch: a table of key positions, for batches large enough to need one.

use hashbrown::HashTable;

use super::byte_rows::ByteRows;
use super::sharding::hash_key;
use diptych_base::limits::BATCH_TABLE_KEYS_MIN;

/// Positions of keys, found by the key's hash.
pub(super) struct KeyTable(HashTable<u32>);

impl KeyTable {
    /// The table of `keys`; none when there are too few keys to be worth one, or too many for 32
    /// bits (binary search then).
    pub(super) fn build(keys: &ByteRows) -> Option<Self> {
        let count = keys.count();
        if count < BATCH_TABLE_KEYS_MIN || u32::try_from(count).is_err() {
            return None;
        }
        let mut table = HashTable::with_capacity(count);
        for index in 0..count {
            // Keys of a batch are distinct, so nothing has to be looked up on the way.
            table.insert_unique(hash_key(keys.row(index)), index as u32, |other| {
                hash_key(keys.row(*other as usize))
            });
        }
        Some(KeyTable(table))
    }

    /// The position of `key`, whose hash is `hash`.
    #[inline]
    pub(super) fn find(&self, keys: &ByteRows, key: &[u8], hash: u64) -> Option<usize> {
        self.0.find(hash, |index| keys.row(*index as usize) == key).map(|index| *index as usize)
    }

    /// Heap memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.0.allocation_size()
    }
}
