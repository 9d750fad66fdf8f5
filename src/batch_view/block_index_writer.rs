//! Writer of the index of a part's blocks, while the blocks of rows are written.
//!
//! Each level has an open block, which is written when it is full; so what is in memory does not
//! grow with the part. A block of the lowest level is written behind the fingerprints of the keys
//! in the blocks that it names.

use bincode::Options;

use super::block::BlockWriter;
use super::block_index::{BlockEntry, ENTRY, LeafForm, LevelForm, fingerprint};
use super::manifest::codec;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{BATCH_VIEW_BLOCK_BYTES, BATCH_VIEW_FOOTER_BYTES_MAX};

/// The index of a part that is being written.
#[derive(Default)]
pub(super) struct IndexWriter {
    /// The open block of the lowest level, then those of the levels above.
    open: Vec<OpenBlock>,
    /// The number of keys in each block of rows that the open block of the lowest level names.
    keys: Vec<u32>,
    /// The fingerprints of these keys.
    fingerprints: Vec<u8>,
}

/// A block of the index that is not full.
#[derive(Default)]
struct OpenBlock {
    entries: Vec<BlockEntry>,
    bytes: usize,
}

impl OpenBlock {
    fn push(&mut self, entry: BlockEntry) {
        self.bytes += ENTRY + entry.1.len();
        self.entries.push(entry);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_VIEW_BLOCK_BYTES
    }
}

impl IndexWriter {
    /// Enters a block of rows with its separator. The block is to be written to `blocks` next.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn begin_block(
        &mut self,
        blocks: &mut BlockWriter,
        separator: Vec<u8>,
    ) -> Result<()> {
        if self.fingerprints.len() >= BATCH_VIEW_BLOCK_BYTES {
            self.close(0, blocks)?;
        }
        self.enter(0, blocks, |blocks| (blocks.len, separator))?;
        self.keys.push(0);
        Ok(())
    }

    /// Enters a key of the block of rows, once for each block that has it.
    pub(super) fn push_key(&mut self, key: &[u8]) {
        let Some(keys) = self.keys.last_mut() else { panic!("key {key:02x?} is in no block") };
        *keys += 1;
        self.fingerprints.extend_from_slice(&fingerprint(key).to_le_bytes());
    }

    /// Writes what is open. Gives the offset of the root.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn finish(mut self, blocks: &mut BlockWriter) -> Result<u64> {
        if self.open.is_empty() {
            self.open.push(OpenBlock::default());
        }
        let mut level = 0;
        loop {
            let is_root = level + 1 == self.open.len();
            let (offset, separator) = self.write(level, blocks)?;
            if is_root {
                return Ok(offset);
            }
            level += 1;
            self.enter(level, blocks, |_| (offset, separator))?;
        }
    }

    /// Adds an entry to a level, whose open block is written first where it is full.
    fn enter(
        &mut self,
        level: usize,
        blocks: &mut BlockWriter,
        entry: impl FnOnce(&BlockWriter) -> BlockEntry,
    ) -> Result<()> {
        if self.open.len() == level {
            self.open.push(OpenBlock::default());
        }
        if self.open[level].is_full() {
            self.close(level, blocks)?;
        }
        self.open[level].push(entry(blocks));
        Ok(())
    }

    /// Writes the open block of a level, and enters it in the level above.
    fn close(&mut self, level: usize, blocks: &mut BlockWriter) -> Result<()> {
        let entry = self.write(level, blocks)?;
        self.enter(level + 1, blocks, |_| entry)
    }

    /// Writes the open block of a level. Gives the entry for the level above.
    fn write(&mut self, level: usize, blocks: &mut BlockWriter) -> Result<BlockEntry> {
        let entries = std::mem::take(&mut self.open[level]).entries;
        let separator = entries.first().map(|(_, separator)| separator.clone()).unwrap_or_default();
        let codec = codec(BATCH_VIEW_FOOTER_BYTES_MAX);
        let block = if level == 0 {
            let fingerprints = blocks.len;
            blocks.push(&self.fingerprints, BATCH_VIEW_FOOTER_BYTES_MAX)?;
            self.fingerprints.clear();
            let keys = std::mem::take(&mut self.keys);
            codec.serialize(&LeafForm { level: 1, entries, fingerprints, keys })
        } else {
            codec.serialize(&LevelForm { level: level as u32 + 1, entries })
        };
        let block = block.map_err(|error| {
            let message = format!("a block of the index of blocks: {error}");
            Error::new(Kind::Input, message).remedy("report this: it is bounded")
        })?;
        let offset = blocks.len;
        blocks.push(&block, BATCH_VIEW_FOOTER_BYTES_MAX)?;
        Ok((offset, separator))
    }
}
