//! Producers that have been silent longest: what is left of them, so that none is ever forgotten.
//!
//! Whoever makes room names them in its frame (`Trimmed`), so the table stays a function of the
//! frames. Of each a digest of its id is kept, the number of its last request, that request's epoch
//! and fingerprint: a repeat of it is answered, an older number is refused as one that was appended
//! long ago, and the next is appended; the producer has its name back then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::fingerprint::Fingerprint;
use super::state::Remembered;
use crate::time::Epoch;

/// A digest of a producer's id that nobody can make another id for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct IdDigest([u8; 16]);

impl IdDigest {
    pub(super) fn of(id: &str) -> IdDigest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(id)[..16]);
        IdDigest(digest)
    }

    /// Two hexadecimal digits for each byte.
    pub(super) fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

/// What is left of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// The sequence that is due.
    pub(super) next: u64,
    /// The append before.
    pub(super) last: Remembered,
}

/// The silent producers of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Silent(BTreeMap<IdDigest, Left>);

/// One on disk: digest, sequence that is due, epoch of the last, its fingerprint (0 for none).
pub(super) type StoredSilent = (IdDigest, u64, Epoch, u64);

impl Silent {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<Left> {
        // The digest costs more than to see that nobody is silent.
        if self.0.is_empty() { None } else { self.0.get(&IdDigest::of(id)).copied() }
    }

    pub(super) fn insert(&mut self, id: &str, left: Left) {
        self.0.insert(IdDigest::of(id), left);
    }

    /// It is silent no more.
    pub(super) fn remove(&mut self, id: &str) -> Option<Left> {
        if self.0.is_empty() { None } else { self.0.remove(&IdDigest::of(id)) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (IdDigest, Left)> {
        self.0.iter().map(|(digest, left)| (*digest, *left))
    }

    /// As they are stored, sorted by digest.
    pub(super) fn store(&self) -> Vec<StoredSilent> {
        let one = |(digest, left): (IdDigest, Left)| {
            let fingerprint = left.last.fingerprint.map_or(0, Fingerprint::get);
            (digest, left.next, left.last.epoch, fingerprint)
        };
        self.iter().map(one).collect()
    }

    /// The inverse of [`Silent::store`].
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn load(stored: Vec<StoredSilent>) -> Result<Silent, String> {
        if !stored.is_sorted_by(|one, other| one.0 < other.0) {
            return Err("the silent producers are not in order".to_owned());
        }
        if stored.iter().any(|(_, next, _, _)| *next == 0) {
            return Err("a silent producer has appended nothing".to_owned());
        }
        let one = |(digest, next, epoch, fingerprint)| {
            let last = Remembered { epoch, fingerprint: Fingerprint::new(fingerprint) };
            (digest, Left { next, last })
        };
        Ok(Silent(stored.into_iter().map(one).collect()))
    }
}
