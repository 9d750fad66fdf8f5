//! A digest of a multiset of rows that does not depend on their order.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The sum, modulo 2^128, of a 128-bit hash (XXH3) of each row times its multiplicity.
///
/// Digests of parts add up to the digest of the whole, also when several processes computed them,
/// and updates that cancel leave no trace. Equal digests of different multisets are a matter of
/// chance (2^-128); the hash is not cryptographic, so a digest detects damage and bugs, not
/// forgery.
///
/// ```
/// use diptych::serving::Digest;
/// let mut digest = Digest::default();
/// digest.add(b"key", b"old", 1);
/// digest.add(b"key", b"old", -1);
/// assert_eq!(digest, Digest::default());
/// ```
// Aligned as 64 bits are: accumulations keep one beside each entry in memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(Rust, packed(8))]
pub struct Digest(u128);

impl Digest {
    /// Adds `multiplicity` copies of a row.
    pub fn add(&mut self, key: &[u8], value: &[u8], multiplicity: isize) {
        const STACK: usize = 256;
        // The key's length first: ("ab", "c") and ("a", "bc") are different rows.
        let length = 8 + key.len() + value.len();
        let fill = |row: &mut [u8]| {
            row[..8].copy_from_slice(&(key.len() as u64).to_le_bytes());
            row[8..8 + key.len()].copy_from_slice(key);
            row[8 + key.len()..].copy_from_slice(value);
            xxh3_128(row)
        };
        let hash = if length <= STACK {
            fill(&mut [0; STACK][..length])
        } else {
            fill(&mut vec![0; length])
        };
        // Wrapping: a negative multiplicity is its two's complement.
        self.0 = self.0.wrapping_add(hash.wrapping_mul(multiplicity as i128 as u128));
    }

    /// Adds the digest of another part.
    #[must_use]
    pub fn plus(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_add(other.0))
    }

    /// Takes the digest of a part away.
    #[must_use]
    pub fn minus(self, part: Digest) -> Digest {
        Digest(self.0.wrapping_sub(part.0))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", { self.0 })
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
