//! Blocks: a part's file is a sequence of byte blocks, each with its own checksum.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::File;

/// The magic bytes of a part of an accumulation, or of a view whose index is one block.
pub(super) const MAGIC: [u8; 8] = *b"DPTPART1";
/// The magic bytes of a part with rows in order and an index that has levels.
pub(super) const MAGIC_LEVELS: [u8; 8] = *b"DPTPART2";
/// The magic bytes of a part whose index has levels and fingerprints of keys.
pub(super) const MAGIC_FINGERPRINTS: [u8; 8] = *b"DPTPART3";
/// The bytes before each block: length and checksum.
pub(super) const FRAME: usize = 8;

/// The error for damage in a batch view, by file and offset.
pub(super) fn damaged(path: &Path, offset: u64, what: impl std::fmt::Display) -> Error {
    let place = path.display();
    Error::new(Kind::Damaged, format!("{place}, byte {offset}: {what}"))
        .remedy("use an older batch view, or rebuild this one from the log")
}

/// Writes a file of blocks from its beginning.
pub(super) struct BlockWriter {
    file: Box<dyn File>,
    /// The bytes written so far.
    pub(super) len: u64,
    /// The checksum of all bytes written so far.
    pub(super) crc: u32,
    pub(super) blocks: u64,
}

impl BlockWriter {
    pub(super) fn new(file: Box<dyn File>, magic: [u8; 8]) -> Result<Self> {
        let mut writer = BlockWriter { file, len: 0, crc: 0, blocks: 0 };
        writer.put(&magic)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(self.len, bytes)?;
        self.len += bytes.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        Ok(())
    }

    /// Appends a block of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// When it is too large, or the disk refuses.
    pub(super) fn push(&mut self, block: &[u8], bytes_max: u64) -> Result<()> {
        let len = block.len();
        if len as u64 > bytes_max {
            return Err(Error::new(
                Kind::Input,
                format!("a block of {len} bytes is over {bytes_max}"),
            )
            .remedy("write smaller blocks; a single row must fit into one"));
        }
        let length = (len as u32).to_le_bytes();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&length), block).to_le_bytes();
        // One write for frame and block: fewer calls, and the checksum of the file in one go.
        self.put(&[&length, &crc, block].concat())?;
        self.blocks += 1;
        Ok(())
    }

    /// Makes the file durable.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data()
    }
}

/// The length and the checksum that the block at `offset` states.
fn frame_at(path: &Path, file: &Buffer, offset: u64) -> Result<(u32, u32)> {
    let at = offset as usize;
    let Some(frame) = at.checked_add(FRAME).and_then(|end| file.get(at..end)) else {
        return Err(damaged(path, offset, "a block begins behind the end of the file"));
    };
    let word =
        |at: usize| u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    Ok((word(0), word(4)))
}

/// The offset behind the block at `offset`, by the length that it states.
pub(super) fn behind_block(path: &Path, file: &Buffer, offset: u64) -> Result<u64> {
    let (length, _) = frame_at(path, file, offset)?;
    Ok(offset.saturating_add(FRAME as u64).saturating_add(u64::from(length)))
}

/// The block at `offset`, and the offset after it.
pub(super) fn read_block(path: &Path, file: &Buffer, offset: u64) -> Result<(Buffer, u64)> {
    let (length, crc) = frame_at(path, file, offset)?;
    let len = length as usize;
    let start = offset as usize + FRAME;
    // The block is read in place: a wrong length allocates nothing.
    if file.len() - start < len {
        return Err(damaged(path, offset, "a block ends behind the end of the file"));
    }
    let block = file.slice_with_length(start, len);
    if crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), &block) != crc {
        return Err(damaged(path, offset, "the checksum of a block is wrong"));
    }
    Ok((block, (start + len) as u64))
}

/// The blocks of a mapped file without an index, in order.
pub(super) struct BlockReader {
    path: Arc<Path>,
    file: Buffer,
    offset: u64,
    left: u64,
}

impl BlockReader {
    pub(super) fn new(path: Arc<Path>, file: Buffer, blocks: u64) -> Result<Self> {
        if !file.starts_with(&MAGIC) {
            return Err(damaged(&path, 0, "this is not a part of a batch view"));
        }
        Ok(BlockReader { path, file, offset: MAGIC.len() as u64, left: blocks })
    }
}

impl Iterator for BlockReader {
    type Item = Result<Buffer>;

    fn next(&mut self) -> Option<Result<Buffer>> {
        self.left = self.left.checked_sub(1)?;
        let block = read_block(&self.path, &self.file, self.offset);
        Some(block.map(|(block, next)| {
            self.offset = next;
            block
        }))
    }
}
