//! Silent producers: a short record of each producer silent longest, so that none is ever
//! forgotten.
//!
//! A writer that makes room names them in its frame (`Trimmed`), so the table stays a function of
//! the frames. Of each a digest of its id is kept, the number of its last request, that request's
//! epoch and fingerprint: a repeat of it is answered, an older number is refused as one that was
//! appended long ago, and the next is appended; the producer has its name back then.
//!
//! Only producers silenced since the last segment was sealed are in memory. Sealing moves them into
//! a sorted file, so their number is bounded by the disk alone:
//!
//! ```text
//! frame: trimmed ─► recent (memory) ── seal ─► N.silent ── merged with those of like size
//!                        │                        │
//!        append ─► named? recent? ─ no ─► files, newest first ─► recalled (until the next frame)
//! ```
//!
//! Newer records mask older ones: a named producer is looked up in the table, a producer silenced
//! again in `recent`, and otherwise the newest file with its digest counts.
//!
//! | module | concept |
//! |---|---|
//! | file | a file of silent producers: its bytes, block by block |
//! | lookup | finds a digest in it |
//! | files | the files of a log; which are merged |
//! | merge | merges several sorted sources |

mod file;
mod files;
mod lookup;
mod merge;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(super) use file::{SilentEntry, SilentFile, SilentProducer, reseal};
pub(super) use files::{PART, SilentFiles, from_bytes, to_bytes};
pub(super) use merge::Merged;

use super::layout::Dir;
use super::producer_mark::Remembered;
use super::request_fingerprint::Fingerprint;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// A digest of a producer's id, for which no other id can be constructed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct IdDigest(pub(super) [u8; 16]);

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

/// The remaining record of a silent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SilentRecord {
    /// The next sequence that is due.
    pub(super) next: u64,
    /// Its last append.
    pub(super) last: Remembered,
}

/// Silent producers in memory, by digest.
pub(super) type RecentlySilent = BTreeMap<IdDigest, SilentRecord>;

/// The silent producers of a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent {
    /// The producers silenced since the last segment was sealed.
    recent: RecentlySilent,
    /// The results of look-ups in files, until the next frame. A digest that is not here was not
    /// looked up.
    recalled: HashMap<IdDigest, Option<SilentRecord>>,
    files: SilentFiles,
}

/// A silent producer in a state file: digest, next sequence, epoch of the last append, its
/// fingerprint (0 for none).
pub(super) type StoredSilent = (IdDigest, u64, Epoch, u64);

impl Silent {
    /// Adds the producers in files.
    pub(super) fn with_files(self, files: SilentFiles) -> Silent {
        Silent { files, ..self }
    }

    pub(super) fn recent(&self) -> &RecentlySilent {
        &self.recent
    }

    pub(super) fn files(&self) -> &SilentFiles {
        &self.files
    }

    /// Looks up a producer in the files if it is not in memory. [`Silent::get`] and
    /// [`Silent::remove`] know it from then on, until [`Silent::forget_recalled`].
    ///
    /// # Errors
    /// Damage of a file; the disk's error.
    pub(super) fn recall(&mut self, id: &str) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let digest = IdDigest::of(id);
        if !self.recent.contains_key(&digest) && !self.recalled.contains_key(&digest) {
            self.recalled.insert(digest, self.files.get(digest)?);
        }
        Ok(())
    }

    pub(super) fn forget_recalled(&mut self) {
        self.recalled.clear();
    }

    /// Whether no producer is silent; the check is cheaper than the digest of an id.
    fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.files.is_empty()
    }

    /// The record of a producer that was [recalled](Silent::recall).
    pub(super) fn get(&self, id: &str) -> Option<SilentRecord> {
        if self.is_empty() {
            return None;
        }
        let digest = IdDigest::of(id);
        let recent = self.recent.get(&digest).copied();
        recent.or_else(|| {
            let recalled = self.recalled.get(&digest).copied();
            debug_assert!(self.files.is_empty() || recalled.is_some(), "{id:?} was not recalled");
            recalled.flatten()
        })
    }

    pub(super) fn insert(&mut self, id: &str, left: SilentRecord) {
        self.recent.insert(IdDigest::of(id), left);
    }

    /// Removes a producer that is named again; its name masks its records in files.
    pub(super) fn remove(&mut self, id: &str) -> Option<SilentRecord> {
        if self.is_empty() {
            return None;
        }
        let digest = IdDigest::of(id);
        let recalled = self.recalled.remove(&digest).flatten();
        self.recent.remove(&digest).or(recalled)
    }

    /// Moves the producers in memory into a file of the segment that starts at `lower`; returns
    /// them. The file is durable when this returns, the directory is not.
    ///
    /// # Errors
    /// As [`SilentFiles::with`].
    pub(super) fn seal(&mut self, dir: &Dir, lower: Epoch) -> Result<RecentlySilent> {
        self.files = self.files.with(dir, lower, &self.recent)?;
        Ok(std::mem::take(&mut self.recent))
    }

    /// Takes over `files`, which hold `written`: records in memory are dropped, unless they are
    /// newer.
    pub(super) fn sealed(&mut self, files: SilentFiles, written: &RecentlySilent) {
        self.files = files;
        self.forget_recalled();
        let mut written = written.iter().peekable();
        self.recent.retain(|digest, left| {
            while written.next_if(|(other, _)| *other < digest).is_some() {}
            written.peek() != Some(&(digest, &*left))
        });
    }

    /// The producers in memory as a state file stores them, sorted by digest.
    pub(super) fn store(&self) -> Vec<StoredSilent> {
        let one = |(digest, left): (&IdDigest, &SilentRecord)| {
            let fingerprint = left.last.fingerprint.map_or(0, Fingerprint::get);
            (*digest, left.next, left.last.epoch, fingerprint)
        };
        self.recent.iter().map(one).collect()
    }

    /// The inverse of [`Silent::store`].
    ///
    /// # Errors
    /// A sentence on what is wrong with them.
    pub(super) fn load(stored: Vec<StoredSilent>) -> Result<Silent, String> {
        if !stored.is_sorted_by(|one, other| one.0 < other.0) {
            return Err("the silent producers are not in order".to_owned());
        }
        if stored.iter().any(|(_, next, _, _)| *next == 0) {
            return Err("a silent producer has appended nothing".to_owned());
        }
        let one = |(digest, next, epoch, fingerprint)| {
            let last = Remembered { epoch, fingerprint: Fingerprint::new(fingerprint) };
            (digest, SilentRecord { next, last })
        };
        Ok(Silent { recent: stored.into_iter().map(one).collect(), ..Silent::default() })
    }
}

/// Tables are compared without the results of look-ups.
impl PartialEq for Silent {
    fn eq(&self, other: &Silent) -> bool {
        self.recent == other.recent && self.files == other.files
    }
}

impl Eq for Silent {}

#[cfg(test)]
mod tests;
