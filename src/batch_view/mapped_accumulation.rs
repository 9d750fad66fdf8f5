//! An accumulation read in place: its parts are mapped, and the entry of a place is found without
//! reading the others.
//!
//! A look-up reads at most one block of rows of each run, checks it, and keeps no rows: places are
//! in the order of a hash, so the next look-up is elsewhere. The parts of the workers that wrote a
//! run are ranges of places that do not overlap, which is checked when they are opened. A place
//! that a later run has is not looked up in the earlier ones: its entry there is no more.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::block::{MAGIC, damaged, read_block};
use super::block_index::fingerprint;
use super::entry_form::{self, FoundEntry, entry_of};
use super::manifest::PartFile;
use super::mapped_part::{MappedPart, Reading};
use super::row_codec::visit_rows;
use diptych_base::error::{Error, Result};
use diptych_row::{ByteRange, Digest, StoredAccumulation, StoredPartial};

/// An accumulation of a batch view, read from its files. The files are mapped: it stays readable
/// when their names are removed.
pub struct MappedAccumulation {
    /// The runs, the newest first.
    runs: Vec<MappedRun>,
    entries: u64,
}

/// The parts of a run that have entries, in the order of their places.
struct MappedRun {
    number: u64,
    parts: Vec<EntriesPart>,
}

/// One worker's part of a run.
struct EntriesPart {
    run: u64,
    part: Arc<MappedPart>,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl MappedAccumulation {
    /// Opens an accumulation from its mapped parts; none when one of them cannot be searched.
    pub(super) fn open<'a>(
        parts: impl Iterator<Item = (&'a PartFile, Result<(Arc<Path>, Buffer)>)>,
    ) -> Result<Option<MappedAccumulation>> {
        let mut opened: Vec<EntriesPart> = Vec::new();
        let mut entries = 0_i64;
        for (part, mapped) in parts {
            let (path, file) = mapped?;
            entries = entries.saturating_add(part.added);
            if part.blocks == 0 {
                continue;
            }
            if file.starts_with(&MAGIC) {
                return Ok(None);
            }
            opened.push(EntriesPart::open(part, path, file)?);
        }
        opened.sort_by(|a, b| b.run.cmp(&a.run).then_with(|| a.first.cmp(&b.first)));
        let mut runs: Vec<MappedRun> = Vec::new();
        for part in opened {
            match runs.last_mut().filter(|run| run.number == part.run) {
                Some(run) => run.push(part)?,
                None => runs.push(MappedRun { number: part.run, parts: vec![part] }),
            }
        }
        Ok(Some(MappedAccumulation { runs, entries: u64::try_from(entries).unwrap_or(0) }))
    }

    /// The places in `range` that the runs from `run` on have, in order.
    ///
    /// # Errors
    /// When what has to be read is damaged.
    pub(super) fn runs_from(&self, run: u64, range: &ByteRange) -> Result<MergedEntries> {
        let inside =
            |part: &&EntriesPart| part.last >= range.start && range.is_before_end(&part.first);
        let wanted = self.runs.iter().take_while(|one| one.number >= run);
        let mut readings = Vec::new();
        for part in wanted.flat_map(|run| run.parts.iter().filter(inside)) {
            let place = part.part.seek(&range.start, |place, _| place < &range.start[..])?;
            readings.push(Reading::at(Arc::clone(&part.part), place, range)?);
        }
        Ok(MergedEntries { readings, range: range.clone(), passed: Vec::new() })
    }
}

impl MappedRun {
    /// Adds the part after the others.
    fn push(&mut self, part: EntriesPart) -> Result<()> {
        if let Some(before) = self.parts.last().filter(|before| before.last >= part.first) {
            let other = before.part.path.display();
            let what = format!("its places overlap with those of {other}");
            return Err(damaged(&part.part.path, 0, what));
        }
        self.parts.push(part);
        Ok(())
    }

    /// The part in which a place is, if it is in the run.
    fn part_of(&self, place: &[u8]) -> Option<&EntriesPart> {
        let after = self.parts.partition_point(|part| &part.first[..] <= place);
        let part = &self.parts[after.checked_sub(1)?];
        (place <= &part.last[..]).then_some(part)
    }
}

impl EntriesPart {
    fn open(part: &PartFile, path: Arc<Path>, file: Buffer) -> Result<EntriesPart> {
        let mapped = Arc::new(MappedPart::open(part, path, file)?);
        if mapped.index.leaves() == 0 {
            return Err(damaged(&mapped.path, part.footer, "the index of blocks is empty"));
        }
        let (first, last) = (Vec::new(), Vec::new());
        let opened = EntriesPart { run: part.run, part: mapped, first, last };
        let leaf = opened.part.index.leaves().saturating_sub(1);
        let block = opened.part.index.blocks(leaf)?.len().saturating_sub(1);
        let (mut first, mut last) = (Vec::new(), Vec::new());
        opened.visit_block(0, 0, |place, _| {
            place.clone_into(&mut first);
            Ok(false)
        })?;
        opened.visit_block(leaf, block, |place, _| {
            place.clone_into(&mut last);
            Ok(true)
        })?;
        Ok(EntriesPart { first, last, ..opened })
    }

    /// Calls `visit` with the entries of a block, in order, until it gives false.
    fn visit_block(
        &self,
        leaf: usize,
        block: usize,
        mut visit: impl FnMut(&[u8], FoundEntry<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let MappedPart { path, file, index, .. } = &*self.part;
        let Some(block) = index.blocks(leaf)?.get(block) else { return Ok(true) };
        let offset = block.offset;
        let (bytes, _) = read_block(path, file, offset)?;
        let mut outcome = Ok(true);
        visit_rows(path, offset, &bytes, |place, bytes, form| {
            outcome =
                self.partial(offset, place, bytes, form).and_then(|partial| visit(place, partial));
            matches!(outcome, Ok(true))
        })?;
        outcome
    }

    fn partial<'b>(
        &self,
        offset: u64,
        place: &[u8],
        bytes: &'b [u8],
        form: isize,
    ) -> Result<FoundEntry<'b>> {
        let entry = entry_of(place, bytes, form);
        entry
            .filter(|found| found.is_some() || self.run > 0)
            .ok_or_else(|| no_entry(&self.part.path, offset))
    }

    /// The block in which a place is, if it is in the part.
    fn block_of(&self, place: &[u8]) -> Result<(usize, usize)> {
        // A block may begin with the place itself.
        let behind = [place, &[0]].concat();
        self.part.index.last_below(&behind, |leaf, block| {
            let mut below = false;
            self.visit_block(leaf, block, |first, _| {
                below = first < &behind[..];
                Ok(false)
            })?;
            Ok(below)
        })
    }

    /// Calls `visit` with what the part has at a place; gives whether it has anything.
    fn get(
        &self,
        place: &[u8],
        visit: &mut dyn FnMut(StoredPartial<'_>) -> Result<()>,
    ) -> Result<bool> {
        let (leaf, block) = self.block_of(place)?;
        let mut has = false;
        if !self.part.index.may_have((leaf, block), fingerprint(place))? {
            return Ok(has);
        }
        self.visit_block(leaf, block, |found, partial| {
            if found == place {
                has = true;
                partial.map_or(Ok(()), &mut *visit)?;
            }
            Ok(found < place)
        })?;
        Ok(has)
    }
}

/// Places of several runs, merged: of a place in several runs there is the newest entry.
pub(super) struct MergedEntries {
    /// The parts, those of newer runs first.
    readings: Vec<Reading>,
    range: ByteRange,
    /// The place that was passed last.
    passed: Vec<u8>,
}

impl MergedEntries {
    /// The place that this is at, and the entry there; none at the end.
    ///
    /// # Errors
    /// When a row is no entry, or out of order.
    pub(super) fn at(&self) -> Result<Option<(&[u8], FoundEntry<'_>)>> {
        let mut least: Option<(&Reading, &[u8], &[u8], isize)> = None;
        for reading in &self.readings {
            if let Some((place, bytes, form)) = reading.row()
                && least.is_none_or(|(_, other, ..)| place < other)
            {
                least = Some((reading, place, bytes, form));
            }
        }
        let Some((reading, place, bytes, form)) = least else { return Ok(None) };
        if place <= &self.passed[..] {
            return Err(damaged(reading.path(), 0, "entries are not in order"));
        }
        let found = entry_of(place, bytes, form).ok_or_else(|| no_entry(reading.path(), 0))?;
        Ok(Some((place, found)))
    }

    /// Moves behind the place.
    ///
    /// # Errors
    /// When what has to be read is damaged.
    pub(super) fn step(&mut self) -> Result<()> {
        let MergedEntries { readings, range, passed } = self;
        let places = readings.iter().filter_map(|reading| Some(reading.row()?.0));
        let Some(place) = places.min() else { return Ok(()) };
        place.clone_into(passed);
        for reading in readings {
            if reading.row().is_some_and(|(other, ..)| other == passed) {
                reading.step(range)?;
            }
        }
        Ok(())
    }
}

impl StoredAccumulation for MappedAccumulation {
    fn get(
        &self,
        place: &[u8],
        visit: &mut dyn FnMut(StoredPartial<'_>) -> Result<()>,
    ) -> Result<()> {
        for part in self.runs.iter().filter_map(|run| run.part_of(place)) {
            if part.get(place, visit)? {
                break;
            }
        }
        Ok(())
    }

    fn for_each(
        &self,
        range: &ByteRange,
        visit: &mut dyn FnMut(&[u8], StoredPartial<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut entries = self.runs_from(0, range)?;
        while let Some((place, found)) = entries.at()? {
            if let Some(partial) = found {
                visit(place, partial)?;
            }
            entries.step()?;
        }
        Ok(())
    }

    fn digest_of(&self, place: &[u8], partial: StoredPartial<'_>) -> Digest {
        entry_form::digest_of(place, partial)
    }

    fn entries(&self) -> u64 {
        self.entries
    }
}

pub(super) fn no_entry(path: &Path, offset: u64) -> Error {
    damaged(path, offset, "a row is no entry of an accumulation")
}
