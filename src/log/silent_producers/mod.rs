//! Producers that have been silent longest: what is left of them, so that none is ever forgotten.
//!
//! A writer that makes room names them in its frame (`Trimmed`), so the table stays a function of
//! the frames. Of each a digest of its id is kept, the number of its last request, that request's
//! epoch and fingerprint: a repeat of it is answered, an older number is refused as one that was
//! appended long ago, and the next is appended; the producer has its name back then.
//!
//! In memory are only those that were silenced since the last segment was sealed. Sealing moves
//! them into a sorted file, so what is ever known is bounded by the disk alone:
//!
//! ```text
//! frame: trimmed ─► recent (memory) ── seal ─► N.silent ── merged with those of like size
//!                        │                        │
//!        append ─► named? recent? ─ no ─► files, newest first ─► recalled (until the next frame)
//! ```
//!
//! What is newer masks what is older: a producer that is known by its name is looked up there, one
//! that was silenced again in `recent`, and the newest file that has a digest says what counts.
//!
//! | module | concept |
//! |---|---|
//! | file | a file of them: its bytes, block by block |
//! | lookup | finding a digest in it |
//! | files | the files of a log; which are merged |
//! | merge | several sorted sources as one |

mod file;
mod files;
mod lookup;
mod merge;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(super) use file::{Entry, SilentEntry, SilentFile, reseal};
pub(super) use files::{Files, PART, from_bytes, to_bytes};
pub(super) use merge::Merged;

use super::fingerprint::Fingerprint;
use super::layout::Dir;
use super::producer_table::Remembered;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// A digest of a producer's id that nobody can make another id for.
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

/// What is left of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// The sequence that is due.
    pub(super) next: u64,
    /// The append before.
    pub(super) last: Remembered,
}

/// Silent producers in memory, by digest.
pub(super) type Recent = BTreeMap<IdDigest, Left>;

/// The silent producers of a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent {
    /// Those silenced since the last segment was sealed.
    recent: Recent,
    /// What the files say of those that are asked about, until the next frame. What is not here
    /// was not looked for.
    recalled: HashMap<IdDigest, Option<Left>>,
    files: Files,
}

/// One in a state file: digest, sequence that is due, epoch of the last, its fingerprint (0 for
/// none).
pub(super) type StoredSilent = (IdDigest, u64, Epoch, u64);

impl Silent {
    /// Those in files, too.
    pub(super) fn with_files(self, files: Files) -> Silent {
        Silent { files, ..self }
    }

    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Looks into the files for what is not in memory. [`Silent::get`] and [`Silent::remove`] know
    /// it from then on, until [`Silent::forget_recalled`].
    ///
    /// # Errors
    /// Damage of a file; what the disk reports.
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

    /// Whether nobody is silent; the digest of an id costs more than to see that.
    fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.files.is_empty()
    }

    /// What is left of a producer that was [recalled](Silent::recall).
    pub(super) fn get(&self, id: &str) -> Option<Left> {
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

    pub(super) fn insert(&mut self, id: &str, left: Left) {
        self.recent.insert(IdDigest::of(id), left);
    }

    /// It is silent no more: it has its name again, which masks what files say of it.
    pub(super) fn remove(&mut self, id: &str) -> Option<Left> {
        if self.is_empty() {
            return None;
        }
        let digest = IdDigest::of(id);
        let recalled = self.recalled.remove(&digest).flatten();
        self.recent.remove(&digest).or(recalled)
    }

    /// Moves those in memory into a file of the segment that starts at `lower`; gives them back.
    /// The file is durable when this returns, the directory is not.
    ///
    /// # Errors
    /// As [`Files::with`].
    pub(super) fn seal(&mut self, dir: &Dir, lower: Epoch) -> Result<Recent> {
        self.files = self.files.with(dir, lower, &self.recent)?;
        Ok(std::mem::take(&mut self.recent))
    }

    /// `written` are in `files` now: what is in memory of them is dropped, unless it is newer.
    pub(super) fn sealed(&mut self, files: Files, written: &Recent) {
        self.files = files;
        self.forget_recalled();
        let mut written = written.iter().peekable();
        self.recent.retain(|digest, left| {
            while written.next_if(|(other, _)| *other < digest).is_some() {}
            written.peek() != Some(&(digest, &*left))
        });
    }

    /// Those in memory as a state file has them, sorted by digest.
    pub(super) fn store(&self) -> Vec<StoredSilent> {
        let one = |(digest, left): (&IdDigest, &Left)| {
            let fingerprint = left.last.fingerprint.map_or(0, Fingerprint::get);
            (*digest, left.next, left.last.epoch, fingerprint)
        };
        self.recent.iter().map(one).collect()
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
        Ok(Silent { recent: stored.into_iter().map(one).collect(), ..Silent::default() })
    }
}

/// What was looked for does not tell two tables apart.
impl PartialEq for Silent {
    fn eq(&self, other: &Silent) -> bool {
        self.recent == other.recent && self.files == other.files
    }
}

impl Eq for Silent {}

#[cfg(test)]
mod tests;
