//! The set of files of silent producers, listed in the part `silent` of the manifest.
//!
//! The part is bincode of a list, oldest first: the first epoch `N` in the file's name, the number
//! of its producers, its length and checksum. Sealing a segment adds at most one file, which
//! replaces the newer ones of similar size: each has at least twice as many producers as the next.
//! So a log with `n` silent producers in all has about `log n` files, and each producer was written
//! about as often.

use super::file::{SilentEntry, SilentFile, write};
use super::merge::Merged;
use super::{IdDigest, RecentlySilent, SilentRecord};
use crate::checksummed_file::{decode, encode};
use crate::layout::Dir;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The name of the part.
pub(crate) const PART: &str = "silent";

/// Open files of silent producers, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct SilentFiles(Vec<SilentFile>);

impl SilentFiles {
    /// Opens the files that a manifest lists.
    ///
    /// # Errors
    /// As [`SilentFile::open`].
    pub(crate) fn open(dir: &Dir, listed: &[SilentEntry]) -> Result<SilentFiles> {
        let files = listed.iter().map(|entry| SilentFile::open(dir, *entry));
        Ok(SilentFiles(files.collect::<Result<_>>()?))
    }

    /// The files as the manifest lists them.
    pub(crate) fn listed(&self) -> Vec<SilentEntry> {
        self.0.iter().map(|file| file.entry).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of producers in the files, counting one again for each file that has it.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|file| file.entry.count).sum()
    }

    /// The record of the producer with this digest in the newest file that has it.
    ///
    /// # Errors
    /// Damage of a block that has to be read; the disk's error.
    pub(crate) fn get(&self, digest: IdDigest) -> Result<Option<SilentRecord>> {
        for file in self.0.iter().rev() {
            if let Some(left) = file.get(digest)? {
                return Ok(Some(left));
            }
        }
        Ok(None)
    }

    /// All producers with the newer ones of `recent`: by digest, each once.
    pub(crate) fn merged(&self, recent: RecentlySilent) -> Merged {
        Merged::new(recent, self.0.iter().rev().map(SilentFile::entries))
    }

    /// These files with `recent`, which is written to the file of the segment that starts at
    /// `lower`, together with the content of files of similar size. It is durable when this
    /// returns, the directory is not. The replaced files stay: the manifest that still lists them
    /// needs them.
    ///
    /// # Errors
    /// Damage of a file that is merged; the disk's error.
    pub(crate) fn with(
        &self,
        dir: &Dir,
        lower: Epoch,
        recent: &RecentlySilent,
    ) -> Result<SilentFiles> {
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
        Ok(SilentFiles(stay.chain([file]).collect()))
    }
}

impl PartialEq for SilentFiles {
    fn eq(&self, other: &SilentFiles) -> bool {
        self.listed() == other.listed()
    }
}

/// Encodes the part.
pub(crate) fn to_bytes(listed: &[SilentEntry]) -> Result<Vec<u8>> {
    encode(&listed)
}

/// Decodes the part; on failure, says what is wrong.
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
