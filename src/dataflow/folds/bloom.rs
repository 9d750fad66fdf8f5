//! Bloom filters: tell that a value certainly did not occur, or probably did.

use serde::{Deserialize, Serialize};

use crate::Monoid;

/// A Bloom filter of `BITS` bits: tells whether a value occurred, without false negatives. One
/// event gives a [`hash`](super::hash).
///
/// With 10 bits for each value and 7 hashes (which this has) the rate of false positives is about
/// one in a hundred. After Bloom (1970); the hashes are two halves of one, combined (Kirsch and
/// Mitzenmacher, 2006). State: `BITS / 8` bytes.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::{Bloom, hash};
/// let mut seen = Bloom::<1024>::of(hash("ada"));
/// seen.merge(Bloom::of(hash("emmy")));
/// assert!(seen.contains(hash("ada")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bloom<const BITS: u32>(Vec<u64>);

const HASHES: u64 = 7;

impl<const BITS: u32> Bloom<BITS> {
    const WORDS: usize = {
        assert!(
            BITS > 0 && BITS.is_multiple_of(64),
            "Bloom<BITS> has BITS bits: write a multiple of 64"
        );
        BITS as usize / 64
    };

    /// Did a value of this hash occur? False is certain, true is probable.
    pub fn contains(&self, hash: u64) -> bool {
        places::<BITS>(hash).all(|bit| self.0[bit / 64] & 1 << (bit % 64) != 0)
    }
}

fn places<const BITS: u32>(hash: u64) -> impl Iterator<Item = usize> {
    // The step is odd, so that it is not zero and reaches every place when BITS is a power of two.
    let (start, step) = (hash, hash.rotate_left(32) | 1);
    (0..HASHES).map(move |n| (start.wrapping_add(n.wrapping_mul(step)) % u64::from(BITS)) as usize)
}

impl<const BITS: u32> Monoid for Bloom<BITS> {
    type Item = u64;

    fn of(hash: u64) -> Self {
        let mut words = vec![0; Self::WORDS];
        places::<BITS>(hash).for_each(|bit| words[bit / 64] |= 1 << (bit % 64));
        Bloom(words)
    }

    fn merge(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }
}
