//! Was it there? No, or probably.

use serde::{Deserialize, Serialize};

use crate::Monoid;

/// A Bloom filter of `BITS` bits: whether a value was there, never wrongly denied. One event gives
/// a [`hash`](super::hash).
///
/// With 10 bits for each value and 7 hashes (which it has) about one value in a hundred is wrongly
/// said to be there. After Bloom (1970); the hashes are two halves of one, combined (Kirsch and
/// Mitzenmacher, 2006). State: `BITS / 8` bytes.
///
/// ```
/// use diptych::{Monoid, folds::{Bloom, hash}};
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

    /// Was a value of this hash there? If not, certainly not.
    pub fn contains(&self, hash: u64) -> bool {
        places::<BITS>(hash).all(|bit| self.0[bit / 64] & 1 << (bit % 64) != 0)
    }
}

fn places<const BITS: u32>(hash: u64) -> impl Iterator<Item = usize> {
    // Odd, so that it is not zero and meets every place when BITS is a power of two.
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
