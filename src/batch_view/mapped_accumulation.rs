//! An accumulation read in place: its parts are mapped, and the entry of a place is found without
//! reading the others.
//!
//! A look-up reads one block, checks it, and keeps nothing: places are in the order of a hash, so
//! the next look-up is elsewhere. The parts of the workers that wrote them are ranges of places
//! that do not overlap, which is checked when they are opened.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::accumulation_writer::{IN_RANGE, WIDE};
use super::block::{MAGIC, damaged, read_block};
use super::block_index::BlockIndex;
use super::manifest::PartFile;
use super::row_codec::{row_at, visit_rows};
use diptych_base::error::{Error, Result};
use diptych_row::{ByteRange, StoredAccumulation, StoredPartial};

/// The bytes of a place before its key: the hash of the key.
const HASH: usize = 8;

/// An accumulation of a batch view, read from its files. The files are mapped: it stays readable
/// when their names are removed.
pub struct MappedAccumulation {
    /// The parts that have entries, in the order of their places.
    parts: Vec<MappedPart>,
    entries: u64,
}

/// One worker's part.
struct MappedPart {
    path: Arc<Path>,
    file: Buffer,
    index: BlockIndex,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl MappedAccumulation {
    /// Opens an accumulation from its mapped parts; none when one of them cannot be searched.
    pub(super) fn open<'a>(
        parts: impl Iterator<Item = (&'a PartFile, Result<(Arc<Path>, Buffer)>)>,
    ) -> Result<Option<MappedAccumulation>> {
        let mut opened: Vec<MappedPart> = Vec::new();
        let mut entries = 0_u64;
        for (part, mapped) in parts {
            let (path, file) = mapped?;
            if part.blocks == 0 {
                continue;
            }
            if file.starts_with(&MAGIC) {
                return Ok(None);
            }
            entries = entries.saturating_add(part.rows);
            opened.push(MappedPart::open(part, path, file)?);
        }
        opened.sort_by(|a, b| a.first.cmp(&b.first));
        for pair in opened.windows(2) {
            if pair[0].last >= pair[1].first {
                let other = pair[0].path.display();
                let what = format!("its places overlap with those of {other}");
                return Err(damaged(&pair[1].path, 0, what));
            }
        }
        Ok(Some(MappedAccumulation { parts: opened, entries }))
    }
}

impl MappedPart {
    fn open(part: &PartFile, path: Arc<Path>, file: Buffer) -> Result<MappedPart> {
        let index = BlockIndex::open(part, Arc::clone(&path), file.clone())?;
        if index.leaves() == 0 {
            return Err(damaged(&path, part.footer, "the index of blocks is empty"));
        }
        let opened = MappedPart { path, file, index, first: Vec::new(), last: Vec::new() };
        let leaf = opened.index.leaves().saturating_sub(1);
        let block = opened.index.blocks(leaf)?.len().saturating_sub(1);
        let (mut first, mut last) = (Vec::new(), Vec::new());
        opened.visit_block(0, 0, |place, _| {
            place.clone_into(&mut first);
            Ok(false)
        })?;
        opened.visit_block(leaf, block, |place, _| {
            place.clone_into(&mut last);
            Ok(true)
        })?;
        Ok(MappedPart { first, last, ..opened })
    }

    /// Calls `visit` with the entries of a block, in order, until it gives false.
    fn visit_block(
        &self,
        leaf: usize,
        block: usize,
        mut visit: impl FnMut(&[u8], StoredPartial<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let Some(block) = self.index.blocks(leaf)?.get(block) else { return Ok(true) };
        let offset = block.offset;
        let (bytes, _) = read_block(&self.path, &self.file, offset)?;
        let mut outcome = Ok(true);
        visit_rows(&self.path, offset, &bytes, |place, bytes, form| {
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
    ) -> Result<StoredPartial<'b>> {
        match form {
            IN_RANGE | WIDE if place.len() >= HASH => {
                Ok(StoredPartial { bytes, wide: form == WIDE })
            }
            _ => Err(no_entry(&self.path, offset)),
        }
    }

    /// The block in which a place is, if it is in the part.
    fn block_of(&self, place: &[u8]) -> Result<(usize, usize)> {
        // A block may begin with the place itself.
        let behind = [place, &[0]].concat();
        self.index.last_below(&behind, |leaf, block| {
            let mut below = false;
            self.visit_block(leaf, block, |first, _| {
                below = first < &behind[..];
                Ok(false)
            })?;
            Ok(below)
        })
    }

    fn get(
        &self,
        place: &[u8],
        visit: &mut dyn FnMut(StoredPartial<'_>) -> Result<()>,
    ) -> Result<()> {
        let (leaf, block) = self.block_of(place)?;
        self.visit_block(leaf, block, |found, partial| {
            if found == place {
                visit(partial)?;
            }
            Ok(found < place)
        })?;
        Ok(())
    }

    fn for_each(
        &self,
        range: &ByteRange,
        visit: &mut dyn FnMut(&[u8], StoredPartial<'_>) -> Result<()>,
    ) -> Result<()> {
        let (first_leaf, first_block) = self.block_of(&range.start)?;
        let mut last: Vec<u8> = Vec::new();
        for leaf in first_leaf..self.index.leaves() {
            let from = if leaf == first_leaf { first_block } else { 0 };
            for block in from..self.index.blocks(leaf)?.len() {
                let go_on = self.visit_block(leaf, block, |place, partial| {
                    if place < &range.start[..] {
                        return Ok(true);
                    }
                    if !range.is_before_end(place) {
                        return Ok(false);
                    }
                    if place <= &last[..] {
                        return Err(damaged(&self.path, 0, "entries are not in order"));
                    }
                    place.clone_into(&mut last);
                    visit(place, partial)?;
                    Ok(true)
                })?;
                if !go_on {
                    return Ok(());
                }
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
        let after = self.parts.partition_point(|part| &part.first[..] <= place);
        match after.checked_sub(1).map(|at| &self.parts[at]) {
            Some(part) if place <= &part.last[..] => part.get(place, visit),
            _ => Ok(()),
        }
    }

    fn for_each(
        &self,
        range: &ByteRange,
        visit: &mut dyn FnMut(&[u8], StoredPartial<'_>) -> Result<()>,
    ) -> Result<()> {
        let inside =
            |part: &&MappedPart| part.last >= range.start && range.is_before_end(&part.first);
        self.parts.iter().filter(inside).try_for_each(|part| part.for_each(range, visit))
    }

    fn entries(&self) -> u64 {
        self.entries
    }
}

fn no_entry(path: &Path, offset: u64) -> Error {
    damaged(path, offset, "a row is no entry of an accumulation")
}

/// The entries of a block in order, as blocks in the engine's form: those in range, and the wide
/// ones.
pub(super) fn as_blocks(path: &Path, block: &[u8]) -> Vec<Result<Buffer>> {
    /// The bytes of the count before the entries.
    const COUNT: usize = 8;
    /// The flag in the count of a block of wide partials.
    const WIDE_BLOCK: u64 = 1 << 63;
    let mut blocks = [0, WIDE_BLOCK].map(|form| (form, vec![0; COUNT]));
    let mut start = 0;
    while start < block.len() {
        let Some((place, partial, form)) = row_at(block, start) else {
            return vec![Err(damaged(path, start as u64, "a row reaches over its block"))];
        };
        start += super::row_codec::HEAD + place.len() + partial.len();
        let (IN_RANGE | WIDE, Some(key)) = (form, place.get(HASH..)) else {
            return vec![Err(no_entry(path, start as u64))];
        };
        let (count, bytes) = &mut blocks[usize::from(form == WIDE)];
        *count += 1;
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(partial);
    }
    let filled = blocks.into_iter().filter(|(_, bytes)| bytes.len() > COUNT);
    filled
        .map(|(count, mut bytes)| {
            bytes[..COUNT].copy_from_slice(&count.to_le_bytes());
            Ok(Buffer::from_vec(bytes))
        })
        .collect()
}
