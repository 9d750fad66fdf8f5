//! One worker's part of a run of changes: entries that changed, and those of the runs merged in.

use super::block::BlockWriter;
use super::entry_form::{GONE, digest_of, form_of};
use super::manifest::PartFile;
use super::mapped_accumulation::{MappedAccumulation, MergedEntries};
use super::runs::NewRun;
use super::sorted_rows::SortedRows;
use diptych_base::error::Result;
use diptych_row::{ByteRange, Digest, EntryBefore, StoredAccumulation, StoredPartial, places_of};

/// The changes of the entries of one owner, in the order of their places.
pub(super) struct ChangedEntries {
    rows: SortedRows,
    /// The places of the owner.
    range: ByteRange,
    /// The entries of the runs that are merged into this one.
    merged: MergedEntries,
    /// The accumulation in the earlier files.
    earlier: MappedAccumulation,
    /// How the digest of all entries changes.
    digest: Digest,
    /// How many entries there are more.
    added: i64,
}

impl ChangedEntries {
    /// No change yet, of the entries that owner `owner.0` of `owner.1` has.
    pub(super) fn new(
        rows: SortedRows,
        earlier: MappedAccumulation,
        run: NewRun,
        owner: (usize, usize),
    ) -> Result<ChangedEntries> {
        let range = places_of(owner.0, owner.1);
        let merged = earlier.runs_from(run.number, &range)?;
        // The first owner's part has the merged runs' sums of all.
        let (digest, added) =
            if owner.0 == 0 { (run.digest, run.added) } else { Default::default() };
        Ok(ChangedEntries { rows, range, merged, earlier, digest, added })
    }

    /// Adds the change of a place: `new` is its entry now, `before` what the earlier files have.
    /// Places ascend.
    pub(super) fn push(
        &mut self,
        place: &[u8],
        new: Option<StoredPartial<'_>>,
        before: EntryBefore,
    ) -> Result<()> {
        let range = &self.range;
        assert!(
            range.contains(place),
            "place {place:02x?} is another owner's, not in {range:02x?}"
        );
        let mut is_merged = false;
        while let Some((other, found)) = self.merged.at()?.filter(|(other, _)| *other <= place) {
            if other == place {
                is_merged = true;
            } else {
                put(&mut self.rows, other, found)?;
            }
            self.merged.step()?;
        }
        let old = match before {
            EntryBefore::Unknown => self.look_up(place)?,
            EntryBefore::Absent => None,
            EntryBefore::There(digest) => Some(digest),
        };
        let now = new.map(|new| digest_of(place, new));
        self.digest = self.digest.plus(now.unwrap_or_default()).minus(old.unwrap_or_default());
        let more = i64::from(now.is_some()) - i64::from(old.is_some());
        self.added = self.added.saturating_add(more);
        // What is as it was needs no row, unless the merged runs hide another.
        if now == old && !is_merged { Ok(()) } else { put(&mut self.rows, place, new) }
    }

    /// The digest of the entry that the files have at a place.
    fn look_up(&self, place: &[u8]) -> Result<Option<Digest>> {
        let mut found = None;
        self.earlier.get(place, &mut |old| {
            found = Some(digest_of(place, old));
            Ok(())
        })?;
        Ok(found)
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> Result<(BlockWriter, PartFile)> {
        while let Some((place, found)) = self.merged.at()? {
            put(&mut self.rows, place, found)?;
            self.merged.step()?;
        }
        let (blocks, part) = self.rows.finish()?;
        Ok((blocks, PartFile { digest: self.digest, added: self.added, ..part }))
    }
}

fn put(rows: &mut SortedRows, place: &[u8], partial: Option<StoredPartial<'_>>) -> Result<()> {
    match partial {
        Some(partial) => rows.push(place, partial.bytes, form_of(partial)),
        None => rows.push(place, &[], GONE),
    }
}
