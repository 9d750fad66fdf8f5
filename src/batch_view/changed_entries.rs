//! One worker's part of a run of changes: entries that changed, and those of the runs merged in.

use super::block::BlockWriter;
use super::entry_form::{GONE, form_of};
use super::manifest::PartFile;
use super::mapped_accumulation::{MappedAccumulation, MergedEntries, places_of};
use super::runs::NewRun;
use super::sorted_rows::SortedRows;
use diptych_base::error::Result;
use diptych_row::{ByteRange, StoredAccumulation, StoredPartial};
use diptych_serving::Digest;

/// The changes of the entries of one owner, in the order of their places.
pub(super) struct ChangedEntries {
    rows: SortedRows,
    /// The places of the owner.
    range: ByteRange,
    /// The entries of the runs that are merged into this one.
    merged: MergedEntries,
    /// The accumulation before the changes.
    before: MappedAccumulation,
    /// How the digest of all entries changes.
    digest: Digest,
    /// How many entries there are more.
    added: i64,
}

impl ChangedEntries {
    /// No change yet, of the entries that owner `owner.0` of `owner.1` has.
    pub(super) fn new(
        rows: SortedRows,
        before: MappedAccumulation,
        run: NewRun,
        owner: (usize, usize),
    ) -> Result<ChangedEntries> {
        let range = places_of(owner.0, owner.1);
        let merged = before.runs_from(run.number, &range)?;
        // The first owner's part has the merged runs' sums of all.
        let (digest, added) =
            if owner.0 == 0 { (run.digest, run.added) } else { Default::default() };
        Ok(ChangedEntries { rows, range, merged, before, digest, added })
    }

    /// Adds a change after the one before.
    pub(super) fn push(&mut self, place: &[u8], new: Option<StoredPartial<'_>>) -> Result<()> {
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
        let mut is_same = false;
        let mut was_there = false;
        let (digest, added) = (&mut self.digest, &mut self.added);
        self.before.get(place, &mut |old| {
            was_there = true;
            is_same = new == Some(old);
            digest.add(place, old.bytes, -form_of(old));
            *added = added.saturating_sub(1);
            Ok(())
        })?;
        if let Some(new) = new {
            digest.add(place, new.bytes, form_of(new));
            *added = added.saturating_add(1);
        }
        // What is neither there nor was needs no row, unless the merged runs hide another.
        let says_nothing = is_same || new.is_none() && !was_there;
        if says_nothing && !is_merged { Ok(()) } else { put(&mut self.rows, place, new) }
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
