//! Finds a digest in a file by interpolation search.
//!
//! Digests are spread evenly, so the position of one follows from its value: a few guesses, each
//! within the bounds of the last one, find its block in a file of any size without an index in
//! memory. Ids can be chosen so that their digests are not spread; then the search goes on by
//! halving.

use super::file::SilentFile;
use super::{IdDigest, SilentRecord};
use diptych_base::error::Result;

/// Guesses before halving.
const GUESSES: usize = 4;

impl SilentFile {
    /// The record of the producer with this digest.
    ///
    /// # Errors
    /// Damage of a block that has to be read; the disk's error.
    pub(super) fn get(&self, digest: IdDigest) -> Result<Option<SilentRecord>> {
        let mut from = 0;
        let mut to = self.blocks();
        let mut low = 0;
        let mut high = u64::MAX;
        let mut looks = 0;
        while from < to {
            let share = u128::from(to - from) * u128::from(value(digest) - low)
                / (u128::from(high - low) + 1);
            let at = if looks < GUESSES { from + share as u64 } else { from + (to - from) / 2 };
            looks += 1;
            let entries = self.block(at)?;
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                unreachable!("block {at} of {} has a producer", self.blocks());
            };
            if digest < first.digest {
                (to, high) = (at, value(first.digest));
            } else if digest > last.digest {
                (from, low) = (at + 1, value(last.digest));
            } else {
                let found = entries.binary_search_by_key(&digest, |entry| entry.digest);
                return Ok(found.ok().map(|place| entries[place].left));
            }
        }
        Ok(None)
    }
}

/// The first half of a digest as a number, in the order of digests.
fn value(digest: IdDigest) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&digest.0[..8]);
    u64::from_be_bytes(half)
}
