//! A view read in place: its parts are mapped, and a row is found without reading what is before.
//!
//! What is opened are the indexes of blocks; a block's checksum and its rows are looked at when the
//! first row of it is wanted, and where its rows begin is kept: from then on a row is found by
//! halving. So a view answers at once however large it is, and damage is found by who meets it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow_buffer::Buffer;
use bincode::Options;

use super::block::{FRAME, MAGIC, damaged, read_block};
use super::manifest::{Part, codec};
use super::rows::{HEAD, row_at, visit_rows};
use crate::error::{Error, Kind, Result};
use crate::limits::BATCH_VIEW_FOOTER_BYTES_MAX;
use crate::row::ByteRange;
use crate::serving::{Cursor, Filling, Page, Row, StoredView};

/// A view of a batch view, read from its files. They are mapped: it goes on reading when their
/// names are removed.
pub struct MappedView {
    parts: Vec<MappedPart>,
    rows: u64,
}

/// One worker's part.
struct MappedPart {
    path: Arc<Path>,
    file: Buffer,
    blocks: Vec<Block>,
}

struct Block {
    offset: u64,
    first_key: Vec<u8>,
    /// The bytes of its rows and where each begins, once its checksum was found right.
    rows: OnceLock<(Buffer, Box<[u32]>)>,
}

/// A row where it lies.
type Found<'a> = (&'a [u8], &'a [u8], isize);

/// A place in a part: in front of a row, or at the end.
#[derive(Clone, Copy)]
struct Place {
    block: usize,
    row: usize,
}

impl MappedPart {
    fn open(part: &Part, path: Arc<Path>, file: Buffer) -> Result<MappedPart> {
        if file.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err(damaged(&path, 0, "this is not a part of a batch view"));
        }
        let (footer, _) = read_block(&path, &file, part.footer)?;
        let index: Vec<(u64, Vec<u8>)> = codec(BATCH_VIEW_FOOTER_BYTES_MAX)
            .deserialize(&footer)
            .map_err(|error| damaged(&path, part.footer, error))?;
        if index.len() as u64 != part.blocks {
            let what = format!("{} blocks, the manifest has {}", index.len(), part.blocks);
            return Err(damaged(&path, part.footer, what));
        }
        let block = |(offset, first_key)| Block { offset, first_key, rows: OnceLock::new() };
        Ok(MappedPart { path, file, blocks: index.into_iter().map(block).collect() })
    }

    /// The bytes of a block, and where its rows begin.
    fn rows(&self, block: usize) -> Result<&(Buffer, Box<[u32]>)> {
        let Block { offset, rows, .. } = &self.blocks[block];
        if let Some(rows) = rows.get() {
            return Ok(rows);
        }
        let (bytes, _) = read_block(&self.path, &self.file, *offset)?;
        let mut starts = Vec::new();
        let mut next = 0;
        visit_rows(&self.path, *offset, &bytes, |key, value, _| {
            starts.push(next as u32);
            next += HEAD + key.len() + value.len();
            true
        })?;
        Ok(rows.get_or_init(|| (bytes, starts.into())))
    }

    /// The row at a place.
    fn row(&self, place: Place) -> Result<Option<Found<'_>>> {
        if place.block >= self.blocks.len() {
            return Ok(None);
        }
        let (bytes, starts) = self.rows(place.block)?;
        let start = starts[place.row] as usize;
        // Looked at before; what is there now may be something else, if the file was changed.
        row_at(bytes, start).map(Some).ok_or_else(|| {
            let offset = self.blocks[place.block].offset + (FRAME + start) as u64;
            damaged(&self.path, offset, "a row has changed since it was first read")
        })
    }

    /// The place of the first row that is not `before`, which is true of some first rows.
    fn seek(&self, key: &[u8], before: impl Fn(&[u8], &[u8]) -> bool) -> Result<Place> {
        // A block may end with the rows of the key that the next one begins with.
        let after = self.blocks.partition_point(|block| block.first_key[..] < *key);
        let mut place = Place { block: after.saturating_sub(1), row: 0 };
        while place.block < self.blocks.len() {
            let rows = self.rows(place.block)?.1.len();
            let mut end = rows;
            while place.row < end {
                let middle = place.row + (end - place.row) / 2;
                match self.row(Place { row: middle, ..place })? {
                    Some((key, value, _)) if before(key, value) => place.row = middle + 1,
                    _ => end = middle,
                }
            }
            if place.row < rows {
                break;
            }
            place = Place { block: place.block + 1, row: 0 };
        }
        Ok(place)
    }

    /// The place behind the row at a place.
    fn behind(&self, place: Place) -> Result<Place> {
        let rows = self.rows(place.block)?.1.len();
        let mut next = Place { row: place.row + 1, ..place };
        if next.row >= rows {
            next = Place { block: place.block + 1, row: 0 };
            // A block without rows is never written; it would not hold anybody up either.
            while next.block < self.blocks.len() && self.rows(next.block)?.1.is_empty() {
                next.block += 1;
            }
        }
        Ok(next)
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
    /// The view whose parts these are.
    pub(super) fn open<'a>(
        parts: impl Iterator<Item = (&'a Part, Result<(Arc<Path>, Buffer)>)>,
    ) -> Result<MappedView> {
        let mut view = MappedView { parts: Vec::new(), rows: 0 };
        for (part, mapped) in parts {
            let (path, file) = mapped?;
            view.rows = view.rows.checked_add(part.rows).ok_or_else(too_many)?;
            view.parts.push(MappedPart::open(part, path, file)?);
        }
        Ok(view)
    }

    /// The first `limit` rows of a range, however long they are.
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

/// The first row of all.
fn least<'a>(readings: &[Reading<'a>]) -> Option<(&'a [u8], &'a [u8])> {
    let rows = readings.iter().filter_map(|reading| reading.row);
    rows.map(|(key, value, _)| (key, value)).min()
}
