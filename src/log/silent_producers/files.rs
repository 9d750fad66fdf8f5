//! The files of silent producers that a log has, the part `silent` of its manifest.
//!
//! The part is bincode of a list, oldest first: the first epoch `N` in the file's name, how many
//! producers it has, its length and checksum. Sealing a segment adds at most one file, which takes
//! the place of the newer ones of like size: each has at least twice as many producers as the next.
//! So a log that ever knew `n` of them has about `log n` files, and each was written as often.

use super::file::{SilentEntry, SilentFile, write};
use super::merge::Merged;
use super::{IdDigest, Left, Recent};
use crate::layout::Dir;
use crate::small_file::{decode, encode};
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The name of the part.
pub(crate) const PART: &str = "silent";

/// Open files of silent producers, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(Vec<SilentFile>);

impl Files {
    /// Opens the files that a manifest lists.
    ///
    /// # Errors
    /// As [`SilentFile::open`].
    pub(crate) fn open(dir: &Dir, listed: &[SilentEntry]) -> Result<Files> {
        let files = listed.iter().map(|entry| SilentFile::open(dir, *entry));
        Ok(Files(files.collect::<Result<_>>()?))
    }

    /// As the manifest lists them.
    pub(crate) fn listed(&self) -> Vec<SilentEntry> {
        self.0.iter().map(|file| file.entry).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many producers they have, counting one again for each file that has it.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|file| file.entry.count).sum()
    }

    /// What is left of the producer with this digest, as the newest file has it.
    ///
    /// # Errors
    /// Damage of a block that has to be looked at; what the disk reports.
    pub(crate) fn get(&self, digest: IdDigest) -> Result<Option<Left>> {
        for file in self.0.iter().rev() {
            if let Some(left) = file.get(digest)? {
                return Ok(Some(left));
            }
        }
        Ok(None)
    }

    /// All producers, `recent` ones as well, which are newer: by digest, each once.
    pub(crate) fn merged(&self, recent: Recent) -> Merged {
        Merged::new(recent, self.0.iter().rev().map(SilentFile::entries))
    }

    /// These files with `recent`, which is written to the file of the segment that starts at
    /// `lower`, together with what was in those of like size. It is durable when this returns, the
    /// directory is not. The files whose place it takes stay: the manifest that still lists them
    /// needs them.
    ///
    /// # Errors
    /// Damage of a file that is merged; what the disk reports.
    pub(crate) fn with(&self, dir: &Dir, lower: Epoch, recent: &Recent) -> Result<Files> {
        if recent.is_empty() {
            return Ok(self.clone());
        }
        let mut stay = self.0.len();
        let mut count = recent.len() as u64;
        while let Some(before) = stay.checked_sub(1)
            && self.0[before].entry.count < 2 * count
        {
            count += self.0[before].entry.count;
            stay = before;
        }
        let (stay, merged) = self.0.split_at(stay);
        let merged = Merged::new(recent.clone(), merged.iter().rev().map(SilentFile::entries));
        let file = SilentFile::open(dir, write(dir, lower, merged)?)?;
        let stay = stay.iter().cloned();
        Ok(Files(stay.chain([file]).collect()))
    }
}

impl PartialEq for Files {
    fn eq(&self, other: &Files) -> bool {
        self.listed() == other.listed()
    }
}

/// The bytes of the part.
pub(crate) fn to_bytes(listed: &[SilentEntry]) -> Result<Vec<u8>> {
    encode(&listed)
}

/// The list in the part; else what is wrong.
pub(crate) fn from_bytes(bytes: &[u8]) -> std::result::Result<Vec<SilentEntry>, String> {
    let listed: Vec<SilentEntry> = decode(bytes).map_err(|error| error.to_string())?;
    if listed.is_empty() || !listed.is_sorted_by(|one, other| one.lower < other.lower) {
        return Err(format!("{} files of silent producers that are not in order", listed.len()));
    }
    let fits = |entry: &&SilentEntry| {
        entry.count > 0 && SilentEntry::len(entry.count) == Some(entry.sum.len)
    };
    match listed.iter().find(|entry| !fits(entry)) {
        Some(SilentEntry { lower, count, sum }) => {
            let len = sum.len;
            Err(format!("{count} silent producers of epoch {lower} in a file of {len} bytes"))
        }
        None => Ok(listed),
    }
}
