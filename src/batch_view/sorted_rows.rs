//! Writer of rows in order: blocks of rows, and the index that finds the block of a key.

use super::block::BlockWriter;
use super::block_index::separator;
use super::block_index_writer::IndexWriter;
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
    index: IndexWriter,
}

impl SortedRows {
    /// Begins the rows of `part`, in blocks of about `target` bytes.
    pub(super) fn new(blocks: BlockWriter, part: PartFile, target: usize) -> SortedRows {
        let index = IndexWriter::default();
        SortedRows { blocks, part, target, block: Vec::new(), last: None, index }
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
        let last = self.last.as_ref().map(|(key, _)| &key[..]);
        let is_new_key = self.block.is_empty() || last != Some(key);
        if self.block.is_empty() {
            self.index.begin_block(&mut self.blocks, separator(last, key))?;
        }
        if is_new_key {
            self.index.push_key(key);
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
        self.part.blocks += 1;
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
        self.part.footer = self.index.finish(&mut self.blocks)?;
        Ok((self.blocks, self.part))
    }
}
