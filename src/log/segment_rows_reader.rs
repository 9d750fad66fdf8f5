//! Reads a segment's Arrow files in place, block by block.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arrow_array::{Array, RecordBatch, UInt64Array};
use arrow_buffer::Buffer;

use super::arrow_ipc_message::decode_message;
use super::erase::rewritten_history;
use super::layout::{Dir, damaged};
use super::listed_file::unlisted;
use super::manifest::{RowsEntry, SegmentEntry};
use super::row_chunk::{Chunk, Epochs};
use super::schemas::{KnownSchema, Schemas};
use super::segment::SegmentBlock;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// An Arrow file of a segment, mapped at the first read.
#[derive(Debug)]
pub(super) struct RowsReader {
    dir: Dir,
    path: PathBuf,
    len: u64,
    /// The identity of its log.
    identity: u64,
    pub(super) known: KnownSchema,
    map: OnceLock<Buffer>,
}

impl RowsReader {
    /// Prepares to read the file of `entry`; it is not opened yet.
    pub(super) fn new(
        dir: &Dir,
        identity: u64,
        segment: &SegmentEntry,
        entry: &RowsEntry,
        schemas: &Schemas,
    ) -> Result<Arc<Self>> {
        let path = dir.file(&segment.rows_name(entry, schemas));
        let Some(known) = schemas.get(entry.schema).cloned() else {
            let message = format!("schema {} is not in MANIFEST", entry.schema);
            return Err(damaged(&path, 0, message));
        };
        let dir = dir.clone();
        let len = entry.sum.len;
        let map = OnceLock::new();
        Ok(Arc::new(RowsReader { dir, path, len, identity, known, map }))
    }

    fn map(&self) -> Result<&Buffer> {
        if let Some(map) = self.map.get() {
            return Ok(map);
        }
        let map = self.dir.disk.map(&self.path).map_err(|e| unlisted(&self.path, e));
        let map = rewritten_history::explained(&self.dir, self.identity, map)?;
        if map.len() as u64 != self.len {
            let message = format!("the file has {} bytes, MANIFEST says {}", map.len(), self.len);
            return Err(damaged(&self.path, self.len.min(map.len() as u64), message));
        }
        Ok(self.map.get_or_init(|| map))
    }

    /// Reads the rows of a block in place. Its checksum, offsets and UTF-8 are verified.
    pub(super) fn chunk(&self, block: &SegmentBlock) -> Result<Chunk> {
        let map = self.map()?;
        let end = block.offset.checked_add(block.len).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(damaged(&self.path, block.offset, "a block ends behind the file"));
        }
        let message = map.slice_with_length(block.offset as usize, block.len as usize);
        if crc32c::crc32c(&message) != block.crc {
            let rows = block.rows;
            let what = format!("the checksum of the block of {rows} rows does not match");
            return Err(damaged(&self.path, block.offset, what));
        }
        let rows = decode_message(&message, block.meta_len, &self.known.sealed);
        let rows = rows.map_err(|e| damaged(&self.path, block.offset, e))?;
        self.split(&rows, block)
    }

    /// The number of rows of `epoch` at the end of these blocks: the rows before a block that
    /// continues the epoch.
    pub(super) fn rows_of(&self, epoch: Epoch, before: &[SegmentBlock]) -> Result<u64> {
        let mut rows = 0;
        for block in before.iter().rev().take_while(|block| block.last == epoch) {
            if block.first == epoch {
                rows += u64::from(block.rows);
            } else {
                let chunk = self.chunk(block)?;
                let last = (0..chunk.len()).rev();
                rows += last.take_while(|row| chunk.epochs.at(*row) == epoch).count() as u64;
            }
        }
        Ok(rows)
    }

    /// Splits `_epoch` from the user's columns.
    fn split(&self, rows: &RecordBatch, block: &SegmentBlock) -> Result<Chunk> {
        let mut columns = rows.columns().to_vec();
        let epochs = columns.pop();
        let epochs = epochs.as_ref().and_then(|e| e.as_any().downcast_ref::<UInt64Array>());
        let ends = epochs.and_then(|e| Some((*e.values().first()?, *e.values().last()?)));
        let expected = Some((block.first, block.last));
        let (Some(epochs), true) =
            (epochs, ends == expected && rows.num_rows() as u64 == u64::from(block.rows))
        else {
            let what = format!("the block's rows or epochs are not those of its record: {ends:?}");
            return Err(damaged(&self.path, block.offset, what));
        };
        let rows = RecordBatch::try_new(self.known.schema.clone(), columns);
        let rows = rows.map_err(|e| damaged(&self.path, block.offset, e))?;
        let stream = self.known.stream.clone();
        Ok(Chunk { stream, rows, epochs: Epochs::Each(epochs.clone()).simplest() })
    }
}
