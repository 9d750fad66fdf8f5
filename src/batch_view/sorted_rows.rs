//! Writer of rows in order: blocks of rows, and the index that finds the block of a key.

use super::block::BlockWriter;
use super::block_index::{self, BlockEntry};
use super::manifest::PartFile;
use super::row_codec::put_row;
use diptych_base::error::Result;
use diptych_base::limits::BATCH_VIEW_BLOCK_BYTES_MAX;

/// The rows of one part, in order.
pub(super) struct SortedRows {
    blocks: BlockWriter,
    part: PartFile,
    /// The length at which a block is closed.
    target: usize,
    block: Vec<u8>,
    last: Option<(Vec<u8>, Vec<u8>)>,
    /// The lowest level of the index.
    index: Vec<BlockEntry>,
}

impl SortedRows {
    /// Begins the rows of `part`, in blocks of about `target` bytes.
    pub(super) fn new(blocks: BlockWriter, part: PartFile, target: usize) -> SortedRows {
        SortedRows { blocks, part, target, block: Vec::new(), last: None, index: Vec::new() }
    }

    /// Appends a row with its multiplicity.
    ///
    /// Panics when the row does not come after the one before, or its multiplicity is zero.
    ///
    /// # Errors
    /// When the row is too large, or the disk refuses.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8], multiplicity: isize) -> Result<()> {
        assert!(multiplicity != 0, "row {key:02x?}, {value:02x?} is there zero times");
        if self.block.len() >= self.target {
            self.flush()?;
        }
        if self.block.is_empty() {
            let last = self.last.as_ref().map(|(key, _)| &key[..]);
            self.index.push((self.blocks.len, block_index::separator(last, key)));
        }
        if let Some((last_key, last_value)) = &mut self.last {
            assert!(
                (&last_key[..], &last_value[..]) < (key, value),
                "row {key:02x?}, {value:02x?} comes after {last_key:02x?}, {last_value:02x?}"
            );
            last_key.clear();
            last_key.extend_from_slice(key);
            last_value.clear();
            last_value.extend_from_slice(value);
        } else {
            self.last = Some((key.to_vec(), value.to_vec()));
        }
        put_row(key, value, multiplicity, &mut self.block);
        self.part.rows += 1;
        self.part.added += 1;
        self.part.digest.add(key, value, multiplicity);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.blocks.push(&self.block, BATCH_VIEW_BLOCK_BYTES_MAX as u64)?;
        self.block.clear();
        Ok(())
    }

    /// Writes the open block and the index of blocks.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn finish(mut self) -> Result<(BlockWriter, PartFile)> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        self.part.blocks = self.blocks.blocks;
        self.part.footer = block_index::write(&mut self.blocks, self.index)?;
        Ok((self.blocks, self.part))
    }
}
