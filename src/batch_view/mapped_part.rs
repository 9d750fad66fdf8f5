//! A part with rows in order, mapped: a row is found by its key, and rows are read in order.
//!
//! A block's checksum is verified at the first read of one of its rows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_buffer::Buffer;

use super::block::{behind_block, damaged, read_block};
use super::block_index::{BlockIndex, BlockRows, RowBlock, fingerprint, halved};
use super::manifest::PartFile;
use super::row_codec::{HEAD, visit_rows};
use diptych_base::error::Result;
use diptych_base::limits::ROW_OFFSETS_BYTES_MAX;
use diptych_row::ByteRange;

/// One worker's part.
pub(super) struct MappedPart {
    pub(super) path: Arc<Path>,
    pub(super) file: Buffer,
    pub(super) index: BlockIndex,
    /// The number of blocks of rows that the manifest states.
    blocks: u64,
    /// The bytes of the offsets of rows that are kept.
    kept: AtomicUsize,
}

/// The blocks of an index that were passed: their number, and where the last one ends.
#[derive(Default)]
struct Passed {
    blocks: u64,
    end: u64,
}

/// A row in place: key, value, multiplicity.
pub(super) type Found<'a> = (&'a [u8], &'a [u8], isize);

/// A place in a part: in front of a row, or at the end.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    /// The block of the index's lowest level.
    leaf: usize,
    /// The block of rows within that leaf.
    block: usize,
    row: usize,
}

impl MappedPart {
    pub(super) fn open(part: &PartFile, path: Arc<Path>, file: Buffer) -> Result<MappedPart> {
        let index = BlockIndex::open(part, Arc::clone(&path), file.clone())?;
        Ok(MappedPart { path, file, index, blocks: part.blocks, kept: AtomicUsize::new(0) })
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

    /// Can the part have rows of a key? False as a rule where it has none, without reading rows
    /// unless keys share the first 1,024 bytes.
    pub(super) fn may_have(&self, key: &[u8]) -> Result<bool> {
        if self.index.leaves() == 0 {
            return Ok(false);
        }
        let print = fingerprint(key);
        let place = self.last_below(key)?;
        if self.index.may_have(place, print)? {
            return Ok(true);
        }
        // The first row of the key may begin the next block, whose separator begins the key then.
        let next = self.index.next_block(place)?;
        let next = next.filter(|(_, separator)| key.starts_with(separator));
        next.map_or(Ok(false), |(next, _)| self.index.may_have(next, print))
    }

    /// The last block that begins below a key.
    fn last_below(&self, key: &[u8]) -> Result<(usize, usize)> {
        self.index.last_below(key, |leaf, block| {
            let first = self.settled(Place { leaf, block, row: 0 }, true)?;
            let (place, Some(rows)) = first else { return Ok(false) };
            Ok(rows.row(&self.path, place.row)?.is_some_and(|(first, ..)| first < key))
        })
    }

    /// The blocks of rows that are the share of reader `reader` of `readers`, with their offsets,
    /// in order.
    pub(super) fn share(
        self: Arc<Self>,
        reader: usize,
        readers: usize,
    ) -> impl Iterator<Item = Result<(u64, Buffer)>> {
        let part = Arc::clone(&self);
        let mut passed = Passed::default();
        let offsets = (0..self.index.leaves()).flat_map(move |leaf| {
            let offsets = self.offsets_of(leaf, &mut passed);
            offsets.unwrap_or_else(|error| vec![Err(error)])
        });
        offsets.skip(reader).step_by(readers).map(move |offset| {
            let offset = offset?;
            Ok((offset, read_block(&part.path, &part.file, offset)?.0))
        })
    }

    /// The offsets of the blocks in a leaf, behind those that were `passed`. Behind the last leaf
    /// an error follows where the manifest states another number of blocks.
    fn offsets_of(&self, leaf: usize, passed: &mut Passed) -> Result<Vec<Result<u64>>> {
        let mut offsets = Vec::new();
        for block in self.index.blocks(leaf)? {
            if block.offset < passed.end {
                return Err(damaged(&self.path, block.offset, "blocks of the index overlap"));
            }
            passed.end = behind_block(&self.path, &self.file, block.offset)?;
            passed.blocks = passed.blocks.saturating_add(1);
            offsets.push(Ok(block.offset));
        }
        if leaf + 1 == self.index.leaves() && passed.blocks != self.blocks {
            let what =
                format!("the index has {} blocks, the manifest {}", passed.blocks, self.blocks);
            offsets.push(Err(damaged(&self.path, 0, what)));
        }
        Ok(offsets)
    }

    /// The place of the first row that is not `before`, which is true of some first rows, and the
    /// rows of its block.
    pub(super) fn seek(
        &self,
        key: &[u8],
        before: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(Place, Option<Arc<BlockRows>>)> {
        // A block may end with rows of the key that the next block begins with.
        let (leaf, block) = self.last_below(key)?;
        let mut place = Place { leaf, block, row: 0 };
        let mut walked = false;
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
            // The rows of one key may fill many blocks: they are searched from the second on.
            let passed = if std::mem::replace(&mut walked, true) {
                self.blocks_before(place, &before)?.max(1)
            } else {
                1
            };
            place = Place { block: place.block + passed, row: 0, ..place };
        }
    }

    /// The number of blocks behind the one at a place, in its leaf, whose first rows are `before`.
    fn blocks_before(&self, at: Place, before: impl Fn(&[u8], &[u8]) -> bool) -> Result<usize> {
        let behind = self.index.blocks(at.leaf)?.len().saturating_sub(at.block + 1);
        halved(behind, |ahead| {
            let place = Place { block: at.block + 1 + ahead, row: 0, ..at };
            let (place, Some(rows)) = self.settled(place, false)? else { return Ok(false) };
            let first = rows.row(&self.path, place.row)?;
            Ok(first.is_some_and(|(key, value, _)| before(key, value)))
        })
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
pub(super) struct Reading {
    part: Arc<MappedPart>,
    place: Place,
    /// The rows of the block at the place; none at the end of the part, or of the range.
    rows: Option<Arc<BlockRows>>,
}

impl Reading {
    /// The rows from a place on, as [`MappedPart::seek`] gives it, up to the end of `range`.
    pub(super) fn at(
        part: Arc<MappedPart>,
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

    /// The file of the part.
    pub(super) fn path(&self) -> &Path {
        &self.part.path
    }

    /// The row at the place.
    pub(super) fn row(&self) -> Option<Found<'_>> {
        self.rows.as_ref().and_then(|rows| rows.known(self.place.row))
    }

    /// Moves to the next row.
    pub(super) fn step(&mut self, range: &ByteRange) -> Result<()> {
        let next = Place { row: self.place.row + 1, ..self.place };
        match &self.rows {
            Some(rows) if next.row < rows.starts.len() => self.place = next,
            // Blocks that are read on the way are not looked up soon.
            _ => (self.place, self.rows) = self.part.settled(next, false)?,
        }
        self.end_with(range)
    }
}
