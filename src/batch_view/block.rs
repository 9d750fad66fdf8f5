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

/// The offset behind the block at `offset`, by the length that it states.
pub(super) fn behind_block(path: &Path, file: &Buffer, offset: u64) -> Result<u64> {
    let at = usize::try_from(offset).ok();
    let length = at.and_then(|at| file.get(at..at.checked_add(4)?));
    let Some([a, b, c, d]) = length else {
        return Err(damaged(path, offset, "a block begins behind the end of the file"));
    };
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    Ok(offset.saturating_add(FRAME as u64).saturating_add(length))
}

/// The block at `offset`, and the offset after it.
pub(super) fn read_block(path: &Path, file: &Buffer, offset: u64) -> Result<(Buffer, u64)> {
    let at = offset as usize;
    let fail = |what: &str| Err(damaged(path, offset, what));
    let Some(frame) = at.checked_add(FRAME).and_then(|end| file.get(at..end)) else {
        return fail("a block begins behind the end of the file");
    };
    let (length, crc) = frame.split_at(4);
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let len = word(length) as usize;
    let start = at + FRAME;
    // The block is read in place: a wrong length allocates nothing.
    if file.len() - start < len {
        return fail("a block ends behind the end of the file");
    }
    let block = file.slice_with_length(start, len);
    if crc32c::crc32c_append(crc32c::crc32c(length), &block) != word(crc) {
        return fail("the checksum of a block is wrong");
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
