//! A view read in place: its parts are mapped, and a row is found without reading the rows before.
//!
//! Opening a view reads the upper levels of its block indexes only. A block's checksum is verified
//! at the first read of one of its rows, and the offsets of its rows are kept, up to a bound: from
//! then on a row is found by binary search, without another check. So a view of any size answers at
//! once, and damage is reported by the read that meets it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_buffer::Buffer;

use super::block::read_block;
use super::block_index::{BlockIndex, BlockRows, RowBlock, halved};
use super::manifest::PartFile;
use super::row_codec::{HEAD, visit_rows};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::ROW_OFFSETS_BYTES_MAX;
use diptych_row::ByteRange;
use diptych_serving::{Cursor, Filling, Page, Row, StoredView};

/// A view of a batch view, read from its files. The files are mapped: the view stays readable when
/// their names are removed.
pub struct MappedView {
    parts: Vec<MappedPart>,
    rows: u64,
}

/// One worker's part.
struct MappedPart {
    path: Arc<Path>,
    file: Buffer,
    index: BlockIndex,
    /// The bytes of the offsets of rows that are kept.
    kept: AtomicUsize,
}

/// A row in place: key, value, multiplicity.
type Found<'a> = (&'a [u8], &'a [u8], isize);

/// A place in a part: in front of a row, or at the end.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The block of the index's lowest level.
    leaf: usize,
    /// The block of rows within that leaf.
    block: usize,
    row: usize,
}

impl MappedPart {
    fn open(part: &PartFile, path: Arc<Path>, file: Buffer) -> Result<MappedPart> {
        let index = BlockIndex::open(part, Arc::clone(&path), file.clone())?;
        Ok(MappedPart { path, file, index, kept: AtomicUsize::new(0) })
    }

    /// The rows of a block, which is checked at the first read. `keep` has the offsets of its rows
    /// kept for later reads, up to a bound for all blocks.
    fn rows(&self, block: &RowBlock, keep: bool) -> Result<Arc<BlockRows>> {
        if let Some(rows) = block.rows.get() {
            return Ok(Arc::clone(rows));
        }
        let (bytes, _) = read_block(&self.path, &self.file, block.offset)?;
        let mut starts = Vec::new();
        let mut next = 0;
        visit_rows(&self.path, block.offset, &bytes, |key, value, _| {
            starts.push(next as u32);
            next += HEAD + key.len() + value.len();
            true
        })?;
        let rows = Arc::new(BlockRows { bytes, starts: starts.into(), offset: block.offset });
        let size = size_of_val(&*rows.starts);
        if keep && self.kept.fetch_add(size, Ordering::Relaxed) < ROW_OFFSETS_BYTES_MAX {
            return Ok(Arc::clone(block.rows.get_or_init(|| rows)));
        }
        Ok(rows)
    }

    /// The rows of the block at a place; none at the end.
    fn block(&self, place: Place, keep: bool) -> Result<Option<Arc<BlockRows>>> {
        if place.leaf >= self.index.leaves() {
            return Ok(None);
        }
        let block = self.index.blocks(place.leaf)?.get(place.block);
        block.map(|block| self.rows(block, keep)).transpose()
    }

    /// The place of the first row that is not `before`, which is true of some first rows, and the
    /// rows of its block.
    fn seek(
        &self,
        key: &[u8],
        before: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(Place, Option<Arc<BlockRows>>)> {
        // A block may end with rows of the key that the next block begins with.
        let (leaf, block) = self.index.last_below(key, |leaf, block| {
            let first = self.settled(Place { leaf, block, row: 0 }, true)?;
            let (place, Some(rows)) = first else { return Ok(false) };
            Ok(rows.row(&self.path, place.row)?.is_some_and(|(first, ..)| first < key))
        })?;
        let mut place = Place { leaf, block, row: 0 };
        loop {
            let (found, rows) = self.settled(place, true)?;
            place = found;
            let Some(rows) = rows else { return Ok((place, None)) };
            place.row = halved(rows.starts.len(), |row| {
                let row = rows.row(&self.path, row)?;
                Ok(row.is_some_and(|(key, value, _)| before(key, value)))
            })?;
            if place.row < rows.starts.len() {
                return Ok((place, Some(rows)));
            }
            place = Place { block: place.block + 1, row: 0, ..place };
        }
    }

    /// The place of the row at `place`, or of the first row after it, and the rows of its block.
    fn settled(&self, mut place: Place, keep: bool) -> Result<(Place, Option<Arc<BlockRows>>)> {
        while place.leaf < self.index.leaves() {
            match self.block(place, keep)? {
                // A block without rows is never written; one would be skipped.
                Some(rows) if place.row < rows.starts.len() => return Ok((place, Some(rows))),
                Some(_) => place = Place { block: place.block + 1, row: 0, ..place },
                None => place = Place { leaf: place.leaf + 1, ..Place::default() },
            }
        }
        Ok((place, None))
    }
}

/// A part being read in order.
struct Reading<'a> {
    part: &'a MappedPart,
    place: Place,
    /// The rows of the block at the place; none at the end of the part, or of the range.
    rows: Option<Arc<BlockRows>>,
}

impl<'a> Reading<'a> {
    fn at(
        part: &'a MappedPart,
        (place, rows): (Place, Option<Arc<BlockRows>>),
        range: &ByteRange,
    ) -> Result<Self> {
        let mut reading = Reading { part, place, rows };
        reading.end_with(range)?;
        Ok(reading)
    }

    /// Ends the reading where the range ends.
    fn end_with(&mut self, range: &ByteRange) -> Result<()> {
        let Some(rows) = &self.rows else { return Ok(()) };
        let row = rows.row(&self.part.path, self.place.row)?;
        if !row.is_some_and(|(key, ..)| range.is_before_end(key)) {
            self.rows = None;
        }
        Ok(())
    }

    /// The row at the place.
    fn row(&self) -> Option<Found<'_>> {
        self.rows.as_ref().and_then(|rows| rows.known(self.place.row))
    }

    fn step(&mut self, range: &ByteRange) -> Result<()> {
        let next = Place { row: self.place.row + 1, ..self.place };
        match &self.rows {
            Some(rows) if next.row < rows.starts.len() => self.place = next,
            // Blocks that are read on the way are not looked up soon.
            _ => (self.place, self.rows) = self.part.settled(next, false)?,
        }
        self.end_with(range)
    }
}

impl MappedView {
    /// Opens a view from its mapped parts.
    pub(super) fn open<'a>(
        parts: impl Iterator<Item = (&'a PartFile, Result<(Arc<Path>, Buffer)>)>,
    ) -> Result<MappedView> {
        let mut view = MappedView { parts: Vec::new(), rows: 0 };
        for (part, mapped) in parts {
            let (path, file) = mapped?;
            view.rows = view.rows.checked_add(part.rows).ok_or_else(too_many)?;
            view.parts.push(MappedPart::open(part, path, file)?);
        }
        Ok(view)
    }

    /// The first `limit` rows of a range, without a bound on their bytes.
    pub(super) fn first(&self, range: &ByteRange, limit: usize) -> Result<Vec<Row>> {
        let mut page = self.page(range, None, limit)?;
        let mut rows = std::mem::take(&mut page.rows);
        while let Some(behind) = page.next.filter(|_| rows.len() < limit) {
            page = self.page(range, Some(&behind), limit - rows.len())?;
            rows.append(&mut page.rows);
        }
        Ok(rows)
    }
}

fn too_many() -> Error {
    let message = "a manifest states more rows than can be counted";
    Error::new(Kind::Damaged, message).remedy("rebuild the batch view")
}

impl StoredView for MappedView {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8], isize)) -> Result<()> {
        let range = ByteRange::between(key.to_vec()..=key.to_vec());
        let rows = self.first(&range, usize::MAX)?;
        rows.iter().for_each(|row| visit(&row.value, row.multiplicity));
        Ok(())
    }

    fn page(&self, range: &ByteRange, behind: Option<&Cursor>, limit: usize) -> Result<Page> {
        let mut readings = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let place = match behind {
                Some(cursor) if cursor.key() >= &range.start[..] => {
                    part.seek(cursor.key(), |key, value| cursor.is_behind(key, value))?
                }
                _ => part.seek(&range.start, |key, _| key < &range.start[..])?,
            };
            readings.push(Reading::at(part, place, range)?);
        }
        let mut filling = Filling::new(behind, limit);
        let mut passed = Vec::new();
        while let Some((key, value)) = least(&readings) {
            if filling.is_full() {
                return filling.end(true);
            }
            let mut multiplicity = 0;
            for (number, reading) in readings.iter().enumerate() {
                if let Some((one, other, times)) = reading.row()
                    && (one, other) == (key, value)
                {
                    multiplicity += times;
                    passed.push(number);
                }
            }
            filling.push(key, value, multiplicity)?;
            for number in passed.drain(..) {
                readings[number].step(range)?;
            }
        }
        filling.end(false)
    }

    fn rows(&self) -> u64 {
        self.rows
    }
}

/// The least row that the readings are at.
fn least<'a>(readings: &'a [Reading<'_>]) -> Option<(&'a [u8], &'a [u8])> {
    let rows = readings.iter().filter_map(Reading::row);
    rows.map(|(key, value, _)| (key, value)).min()
}
