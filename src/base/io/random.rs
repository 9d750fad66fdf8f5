//! Random bits: unpredictable from the machine, or repeatable from a seed.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Kind, Result};

/// A source of 64 random bits at a time. It is not meant for secrets.
pub trait Random: Send + Sync + Debug {
    /// The next 64 bits.
    fn next(&self) -> u64;

    /// A number in `[0, bound)`; zero when `bound` is zero. Slightly biased for huge bounds.
    fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }
}

/// Random bytes for secrets, from the operating system.
///
/// # Errors
/// When the operating system has none to give.
pub fn secret_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| Error::new(Kind::Io, "the system gives no random bytes"))?;
    Ok(bytes)
}

/// Random bits from the operating system that differ between calls and processes: the keys that the
/// standard library draws for its hash maps.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealRandom;

impl Random for RealRandom {
    fn next(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

/// The splitmix64 sequence of a seed.
#[derive(Debug)]
pub struct SimRandom(AtomicU64);

impl SimRandom {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        SimRandom(AtomicU64::new(seed))
    }
}

impl Random for SimRandom {
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
