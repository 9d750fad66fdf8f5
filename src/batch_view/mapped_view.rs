//! A view read in place: its parts are mapped, and a row is found without reading the rows before.
//!
//! Opening a view reads the upper levels of its block indexes only. A block's checksum is verified
//! at the first read of one of its rows, and the offsets of its rows are kept: from then on a row
//! is found by binary search. So a view of any size answers at once, and damage is reported by the
//! read that meets it.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::block::{FRAME, damaged, read_block};
use super::block_index::{BlockIndex, RowBlock, halved};
use super::manifest::PartFile;
use super::row_codec::{HEAD, row_at, visit_rows};
use diptych_base::error::{Error, Kind, Result};
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
        Ok(MappedPart { path, file, index })
    }

    /// The bytes of a block, and the offsets of its rows.
    fn rows<'b>(&self, block: &'b RowBlock) -> Result<(&'b Buffer, &'b [u32])> {
        if let Some((bytes, starts)) = block.rows.get() {
            return Ok((bytes, starts));
        }
        let (bytes, _) = read_block(&self.path, &self.file, block.offset)?;
        let mut starts = Vec::new();
        let mut next = 0;
        visit_rows(&self.path, block.offset, &bytes, |key, value, _| {
            starts.push(next as u32);
            next += HEAD + key.len() + value.len();
            true
        })?;
        let (bytes, starts) = block.rows.get_or_init(|| (bytes, starts.into()));
        Ok((bytes, starts))
    }

    /// The row at a place.
    fn row(&self, place: Place) -> Result<Option<Found<'_>>> {
        if place.leaf >= self.index.leaves() {
            return Ok(None);
        }
        let Some(block) = self.index.blocks(place.leaf)?.get(place.block) else { return Ok(None) };
        let (bytes, starts) = self.rows(block)?;
        let Some(start) = starts.get(place.row) else { return Ok(None) };
        // Verified before; the bytes may be others now, if the file was changed.
        row_at(bytes, *start as usize).map(Some).ok_or_else(|| {
            let offset = block.offset + (FRAME + *start as usize) as u64;
            damaged(&self.path, offset, "a row has changed since it was first read")
        })
    }

    /// The place of the first row that is not `before`, which is true of some first rows.
    fn seek(&self, key: &[u8], before: impl Fn(&[u8], &[u8]) -> bool) -> Result<Place> {
        // A block may end with rows of the key that the next block begins with.
        let (leaf, block) = self.index.last_below(key, |leaf, block| {
            let first = self.row(self.settled(Place { leaf, block, row: 0 })?)?;
            Ok(first.is_some_and(|(first, ..)| first < key))
        })?;
        let mut place = Place { leaf, block, row: 0 };
        while place.leaf < self.index.leaves() {
            let Some(block) = self.index.blocks(place.leaf)?.get(place.block) else {
                place = Place { leaf: place.leaf + 1, ..Place::default() };
                continue;
            };
            let rows = self.rows(block)?.1.len();
            place.row = halved(rows, |row| {
                let row = self.row(Place { row, ..place })?;
                Ok(row.is_some_and(|(key, value, _)| before(key, value)))
            })?;
            if place.row < rows {
                break;
            }
            place = Place { block: place.block + 1, row: 0, ..place };
        }
        Ok(place)
    }

    /// The place after the row at a place.
    fn behind(&self, place: Place) -> Result<Place> {
        self.settled(Place { row: place.row + 1, ..place })
    }

    /// The place of the row at `place`, or of the next row.
    fn settled(&self, mut place: Place) -> Result<Place> {
        while place.leaf < self.index.leaves() {
            let blocks = self.index.blocks(place.leaf)?;
            // A block without rows is never written; one would be skipped.
            match blocks.get(place.block) {
                Some(block) if place.row < self.rows(block)?.1.len() => break,
                Some(_) => place = Place { block: place.block + 1, row: 0, ..place },
                None => place = Place { leaf: place.leaf + 1, ..Place::default() },
            }
        }
        Ok(place)
    }
}

/// A part being read in order.
struct Reading<'a> {
    part: &'a MappedPart,
    place: Place,
    row: Option<Found<'a>>,
}

impl<'a> Reading<'a> {
    fn at(part: &'a MappedPart, place: Place, range: &ByteRange) -> Result<Self> {
        let row = part.row(place)?.filter(|(key, ..)| range.is_before_end(key));
        Ok(Reading { part, place, row })
    }

    fn step(&mut self, range: &ByteRange) -> Result<()> {
        let place = self.part.behind(self.place)?;
        *self = Reading::at(self.part, place, range)?;
        Ok(())
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
        while let Some((key, value)) = least(&readings) {
            if filling.is_full() {
                return filling.end(true);
            }
            let mut multiplicity = 0;
            for reading in &mut readings {
                if let Some((one, other, times)) = reading.row
                    && (one, other) == (key, value)
                {
                    multiplicity += times;
                    reading.step(range)?;
                }
            }
            filling.push(key, value, multiplicity)?;
        }
        filling.end(false)
    }

    fn rows(&self) -> u64 {
        self.rows
    }
}

/// The least row that the readings are at.
fn least<'a>(readings: &[Reading<'a>]) -> Option<(&'a [u8], &'a [u8])> {
    let rows = readings.iter().filter_map(|reading| reading.row);
    rows.map(|(key, value, _)| (key, value)).min()
}
