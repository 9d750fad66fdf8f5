//! Hash buckets: 4,096 ranges of the hash of a key's bytes, fixed for all time.
//!
//! The entries of an accumulation lie in files in the order of these hashes, so the entries of a
//! worker, of any number of workers, are one range of a file.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

/// The number of buckets; a bucket is the highest twelve bits of a hash.
pub const BUCKETS: usize = 1 << BITS;
const BITS: u32 = 12;

/// The hash (XXH3, 64 bits) of a key's bytes. The same on all machines and in all releases: files
/// are in its order.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The owner, below `owners`, of the keys with this hash. Each of up to [`BUCKETS`] owners has a
/// contiguous range of buckets; further ones have none.
#[inline]
pub fn owner_of_hash(hash: u64, owners: usize) -> usize {
    let bucket = (hash >> (u64::BITS - BITS)) as usize;
    bucket * owners / BUCKETS
}

/// The first hash of `owner` of `owners`, and the first after its last; none when its hashes end
/// with the greatest.
pub fn hashes_of_owner(owner: usize, owners: usize) -> (u64, Option<u64>) {
    let Range { start, end } = buckets_of_owner(owner, owners);
    let first = |bucket: usize| (bucket as u64).checked_shl(u64::BITS - BITS);
    let end = if end < BUCKETS { first(end) } else { None };
    (if start < BUCKETS { first(start).unwrap_or(0) } else { u64::MAX }, end)
}

fn buckets_of_owner(owner: usize, owners: usize) -> Range<usize> {
    let first = |owner: usize| (owner * BUCKETS).div_ceil(owners);
    first(owner)..first(owner + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_has_one_owner_and_owners_are_in_order() {
        for owners in [1, 2, 3, 7, 64, 1_000, BUCKETS] {
            let mut next = 0;
            for owner in 0..owners {
                let range = buckets_of_owner(owner, owners);
                assert_eq!(range.start, next, "owner {owner} of {owners}");
                next = range.end;
                let (first, end) = hashes_of_owner(owner, owners);
                assert_eq!(owner_of_hash(first, owners), owner);
                assert_eq!(owner_of_hash(end.map_or(u64::MAX, |end| end - 1), owners), owner);
            }
            assert_eq!(next, BUCKETS);
        }
    }

    #[test]
    fn the_hash_is_that_of_released_files() {
        assert_eq!(key_hash(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(key_hash(&7_u64.to_le_bytes()), key_hash(&[7, 0, 0, 0, 0, 0, 0, 0]));
    }
}
