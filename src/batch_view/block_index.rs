//! The index of a view part's blocks: finds the block of a key without reading the others.
//!
//! The index has levels. An entry is the offset of a block and a *separator*: the shortest bytes
//! that are above every key before the block and not above its first. The entries of the blocks of
//! rows are the lowest level, and are stored in blocks themselves; the level above has an entry for
//! each of those; and so on, up to one block, the root. A separator is cut after some bytes, so a
//! block of the index is bounded for keys of any length and number: where keys begin alike for
//! longer, their blocks are told apart by their first rows.
//!
//! Beside each block of the lowest level are the *fingerprints* of the keys in its blocks of rows,
//! two bytes of a hash of each key. Where none of a block is that of a key, the block does not have
//! the key, and it is not read. A key that is not there has one by chance once in some hundred
//! times.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow_buffer::Buffer;
use bincode::Options;
use serde::{Deserialize, Serialize};

use super::block::{FRAME, MAGIC, MAGIC_FINGERPRINTS, MAGIC_LEVELS, damaged, read_block};
use super::manifest::{PartFile, codec};
use super::row_codec::row_at;
use diptych_base::error::Result;
use diptych_base::hash_buckets::key_hash;
use diptych_base::limits::{
    BATCH_VIEW_BLOCK_BYTES, BATCH_VIEW_FOOTER_BYTES_MAX, BATCH_VIEW_SEPARATOR_BYTES,
};

/// The bytes of an entry beside its separator: an offset, a length, and a number of keys.
pub(super) const ENTRY: usize = 8 + 8 + 4;
const _: () = assert!(
    ((BATCH_VIEW_BLOCK_BYTES + BATCH_VIEW_SEPARATOR_BYTES + 2 * ENTRY) as u64)
        < BATCH_VIEW_FOOTER_BYTES_MAX,
    "a block of the index can be read"
);
const _: () = assert!(
    2 * (BATCH_VIEW_SEPARATOR_BYTES + ENTRY) <= BATCH_VIEW_BLOCK_BYTES,
    "each level has at most half the blocks of the one below"
);

/// The offset of a block, and its separator.
pub(super) type BlockEntry = (u64, Vec<u8>);

/// A block of the index.
#[derive(Serialize, Deserialize)]
pub(super) struct LevelForm {
    /// The level: 1 when the entries are of blocks of rows.
    pub(super) level: u32,
    pub(super) entries: Vec<BlockEntry>,
}

/// A block of the lowest level, in parts with fingerprints.
#[derive(Serialize, Deserialize)]
pub(super) struct LeafForm {
    pub(super) level: u32,
    pub(super) entries: Vec<BlockEntry>,
    /// The offset of the block of fingerprints.
    pub(super) fingerprints: u64,
    /// The number of keys in each block of rows.
    pub(super) keys: Vec<u32>,
}

/// A block of the index, as it was read.
struct IndexBlock {
    level: u32,
    entries: Vec<BlockEntry>,
    /// The offset of the fingerprints, and the number of keys in each block of rows.
    fingerprints: Option<(u64, Vec<u32>)>,
}

/// The separator of a block that begins with `first`, after one that ends with `last`.
pub(super) fn separator(last: Option<&[u8]>, first: &[u8]) -> Vec<u8> {
    let Some(last) = last else { return Vec::new() };
    let shared = last.iter().zip(first).take_while(|(a, b)| a == b).count();
    first[..(shared + 1).min(first.len()).min(BATCH_VIEW_SEPARATOR_BYTES)].to_vec()
}

/// The fingerprint of a key: a part whose index has none that is equal does not have the key.
pub(super) fn fingerprint(key: &[u8]) -> u16 {
    key_hash(key) as u16
}

/// A block of rows in the index.
pub(super) struct RowBlock {
    pub(super) offset: u64,
    pub(super) separator: Vec<u8>,
    /// Which of the leaf's fingerprints are those of its keys.
    keys: Range<usize>,
    /// Its rows, where they are kept once the checksum has been verified.
    pub(super) rows: OnceLock<Arc<BlockRows>>,
}

/// The rows of a block whose checksum has been verified.
pub(super) struct BlockRows {
    pub(super) bytes: Buffer,
    /// The offset of each row in the bytes.
    pub(super) starts: Box<[u32]>,
    /// The offset of the block in its file.
    pub(super) offset: u64,
}

impl BlockRows {
    /// Key, value and multiplicity of a row; none behind the last.
    ///
    /// # Errors
    /// When the bytes are others than at the first read.
    pub(super) fn row(&self, path: &Path, row: usize) -> Result<Option<(&[u8], &[u8], isize)>> {
        let Some(start) = self.starts.get(row) else { return Ok(None) };
        row_at(&self.bytes, *start as usize).map(Some).ok_or_else(|| {
            let offset = self.offset + (FRAME + *start as usize) as u64;
            damaged(path, offset, "a row has changed since it was first read")
        })
    }

    /// As [`BlockRows::row`], for a row that was read before.
    pub(super) fn known(&self, row: usize) -> Option<(&[u8], &[u8], isize)> {
        row_at(&self.bytes, *self.starts.get(row)? as usize)
    }
}

/// A block of the lowest level: read when a key is first looked up in it.
struct Leaf {
    entry: BlockEntry,
    blocks: OnceLock<LeafBlocks>,
}

struct LeafBlocks {
    blocks: Box<[RowBlock]>,
    /// Two bytes for each key, in the order of the blocks; none in parts of older formats, and
    /// where they are damaged: rows are read then.
    fingerprints: Option<Buffer>,
}

/// The index of a part. The levels above the lowest are in memory.
pub(super) struct BlockIndex {
    path: Arc<Path>,
    file: Buffer,
    leaves: Vec<Leaf>,
}

impl BlockIndex {
    /// Reads the upper levels of a part's index; the whole index of a part of format 1, which is
    /// one block.
    ///
    /// # Errors
    /// When the file is not a part, or the index is damaged.
    pub(super) fn open(part: &PartFile, path: Arc<Path>, file: Buffer) -> Result<BlockIndex> {
        let mut index = BlockIndex { path, file, leaves: Vec::new() };
        if part.blocks > (index.file.len() / FRAME) as u64 {
            let blocks = part.blocks;
            let what = format!("{} bytes, the manifest has {blocks} blocks", index.file.len());
            return Err(damaged(&index.path, 0, what));
        }
        match index.file.get(..MAGIC.len()) {
            Some(magic) if magic == MAGIC => index.one_block(part)?,
            Some(magic) if magic == MAGIC_LEVELS || magic == MAGIC_FINGERPRINTS => {
                index.levels(part)?;
            }
            _ => return Err(damaged(&index.path, 0, "this is not a part of a batch view")),
        }
        Ok(index)
    }

    fn one_block(&mut self, part: &PartFile) -> Result<()> {
        let (footer, _) = read_block(&self.path, &self.file, part.footer)?;
        let entries: Vec<BlockEntry> = codec(BATCH_VIEW_FOOTER_BYTES_MAX)
            .deserialize(&footer)
            .map_err(|error| damaged(&self.path, part.footer, error))?;
        self.check(entries.len() as u64 == part.blocks, entries.len(), part)?;
        let entry = (part.footer, Vec::new());
        let blocks = LeafBlocks { blocks: blocks_of(entries, None), fingerprints: None };
        self.leaves = vec![Leaf { entry, blocks: OnceLock::from(blocks) }];
        Ok(())
    }

    fn levels(&mut self, part: &PartFile) -> Result<()> {
        let mut level = self.read(part.footer)?;
        let mut entries = vec![(part.footer, Vec::new())];
        while level.level > 1 {
            let below = level.level - 1;
            entries = level.entries;
            self.check(entries.len() as u64 <= part.blocks, entries.len(), part)?;
            if entries.is_empty() {
                return Err(damaged(&self.path, part.footer, "a block of the index is empty"));
            }
            if below == 1 {
                break;
            }
            let mut all = Vec::new();
            for (offset, _) in &entries {
                let next = self.read(*offset)?;
                if next.level != below {
                    return Err(damaged(&self.path, *offset, "a block of the index is elsewhere"));
                }
                all.extend(next.entries);
                self.check(all.len() as u64 <= part.blocks, all.len(), part)?;
            }
            level = IndexBlock { level: below, entries: all, fingerprints: None };
        }
        let leaf = |entry| Leaf { entry, blocks: OnceLock::new() };
        self.leaves = entries.into_iter().map(leaf).collect();
        Ok(())
    }

    fn check(&self, fits: bool, found: usize, part: &PartFile) -> Result<()> {
        let stated = part.blocks;
        let what = || format!("{found} blocks, the manifest has {stated}");
        if fits { Ok(()) } else { Err(damaged(&self.path, part.footer, what())) }
    }

    /// A block of the index.
    fn read(&self, offset: u64) -> Result<IndexBlock> {
        let (block, _) = read_block(&self.path, &self.file, offset)?;
        let codec = codec(BATCH_VIEW_FOOTER_BYTES_MAX);
        let has_fingerprints = self.file.starts_with(&MAGIC_FINGERPRINTS);
        let read = if has_fingerprints && block.starts_with(&1_u32.to_le_bytes()) {
            codec.deserialize(&block).map(|LeafForm { level, entries, fingerprints, keys }| {
                IndexBlock { level, entries, fingerprints: Some((fingerprints, keys)) }
            })
        } else {
            let read = codec.deserialize(&block);
            read.map(|LevelForm { level, entries }| IndexBlock {
                level,
                entries,
                fingerprints: None,
            })
        };
        read.map_err(|error| damaged(&self.path, offset, error))
    }

    fn leaf_blocks(&self, offset: u64) -> Result<LeafBlocks> {
        let IndexBlock { level, entries, fingerprints } = self.read(offset)?;
        if level != 1 {
            return Err(damaged(&self.path, offset, "a block of the index is elsewhere"));
        }
        let Some((fingerprints, keys)) = fingerprints else {
            return Ok(LeafBlocks { blocks: blocks_of(entries, None), fingerprints: None });
        };
        if keys.len() != entries.len() {
            let what = format!("{} blocks, the keys of {}", entries.len(), keys.len());
            return Err(damaged(&self.path, offset, what));
        }
        let all = keys.iter().fold(0_u64, |sum, keys| sum.saturating_add(u64::from(*keys)));
        let is_whole = |bytes: &Buffer| bytes.len() as u64 == all.saturating_mul(2);
        let read = read_block(&self.path, &self.file, fingerprints);
        let fingerprints = read.ok().map(|(bytes, _)| bytes).filter(is_whole);
        Ok(LeafBlocks { blocks: blocks_of(entries, Some(&keys)), fingerprints })
    }

    fn leaf(&self, leaf: usize) -> Result<&LeafBlocks> {
        let Leaf { entry: (offset, _), blocks } = &self.leaves[leaf];
        if let Some(blocks) = blocks.get() {
            return Ok(blocks);
        }
        let read = self.leaf_blocks(*offset)?;
        Ok(blocks.get_or_init(|| read))
    }

    /// The block of rows behind one, and its separator; none behind the last.
    ///
    /// # Errors
    /// When the block of the index is damaged.
    pub(super) fn next_block(
        &self,
        (leaf, block): (usize, usize),
    ) -> Result<Option<((usize, usize), &[u8])>> {
        if let Some(next) = self.blocks(leaf)?.get(block + 1) {
            return Ok(Some(((leaf, block + 1), &next.separator)));
        }
        let next = self.leaves.get(leaf + 1);
        Ok(next.map(|next| ((leaf + 1, 0), &next.entry.1[..])))
    }

    /// Can a block of rows have a key with this fingerprint? True where there are no fingerprints,
    /// false behind the last block of the leaf.
    ///
    /// # Errors
    /// When the block of the index is damaged.
    pub(super) fn may_have(&self, (leaf, block): (usize, usize), print: u16) -> Result<bool> {
        let LeafBlocks { blocks, fingerprints } = self.leaf(leaf)?;
        let Some(fingerprints) = fingerprints else { return Ok(true) };
        let Some(RowBlock { keys, .. }) = blocks.get(block) else { return Ok(false) };
        let prints = fingerprints.get(keys.start * 2..keys.end * 2).unwrap_or_default();
        Ok(prints.chunks_exact(2).any(|bytes| bytes == print.to_le_bytes()))
    }

    /// The number of blocks in the lowest level.
    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    /// The blocks of rows in a block of the lowest level.
    ///
    /// # Errors
    /// When that block is damaged.
    pub(super) fn blocks(&self, leaf: usize) -> Result<&[RowBlock]> {
        Ok(&self.leaf(leaf)?.blocks)
    }

    /// The last block that begins below `key`, as leaf and place in it; the first of all when none
    /// does. `first_is_below` reads the first row of a block and tells whether it is below `key`.
    ///
    /// # Errors
    /// When a block that has to be read is damaged.
    pub(super) fn last_below(
        &self,
        key: &[u8],
        first_is_below: impl Fn(usize, usize) -> Result<bool>,
    ) -> Result<(usize, usize)> {
        let below = |separator: &[u8], leaf, block| {
            // A cut separator cannot order such a key and the block's first key.
            if separator.len() == BATCH_VIEW_SEPARATOR_BYTES && key.starts_with(separator) {
                return first_is_below(leaf, block);
            }
            Ok(separator < key)
        };
        let leaf = halved(self.leaves.len(), |leaf| below(&self.leaves[leaf].entry.1, leaf, 0))?;
        let leaf = leaf.saturating_sub(1);
        if leaf >= self.leaves.len() {
            return Ok((leaf, 0));
        }
        let blocks = self.blocks(leaf)?;
        let block = halved(blocks.len(), |block| below(&blocks[block].separator, leaf, block))?;
        Ok((leaf, block.saturating_sub(1)))
    }
}

/// The blocks of a leaf, each with so many `keys`.
fn blocks_of(entries: Vec<BlockEntry>, keys: Option<&[u32]>) -> Box<[RowBlock]> {
    let mut keys = keys.unwrap_or_default().iter();
    let mut end = 0_usize;
    let block = |(offset, separator)| {
        let start = end;
        end = keys.next().map_or(end, |keys| end.saturating_add(*keys as usize));
        RowBlock { offset, separator, keys: start..end, rows: OnceLock::new() }
    };
    entries.into_iter().map(block).collect()
}

/// The number of leading items, out of `count`, that are `before`; found by binary search.
///
/// # Errors
/// What `before` reports.
pub(super) fn halved(count: usize, before: impl Fn(usize) -> Result<bool>) -> Result<usize> {
    let mut start = 0;
    let mut end = count;
    while start < end {
        let middle = start + (end - start) / 2;
        if before(middle)? {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_separator_separates(
            last in prop::collection::vec(0_u8..3, 0..6),
            first in prop::collection::vec(0_u8..3, 0..6),
        ) {
            prop_assume!(last < first);
            let found = separator(Some(&last), &first);
            prop_assert!(last < found && found <= first, "{:?}", found);
            // No shorter separator works.
            prop_assert!(first[..found.len() - 1] <= last[..]);
        }
    }

    #[test]
    fn a_separator_is_bounded() {
        let last = vec![7; 1 << 20];
        let first = [vec![7; 1 << 20], vec![1]].concat();
        assert_eq!(separator(Some(&last), &first).len(), BATCH_VIEW_SEPARATOR_BYTES);
        assert_eq!(separator(Some(&first), &first).len(), BATCH_VIEW_SEPARATOR_BYTES);
        assert!(separator(None, &first).is_empty());
    }
}
