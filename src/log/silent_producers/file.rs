//! A file of silent producers, `N.silent`: immutable, sorted by digest.
//!
//! Everything is in blocks of 4,096 bytes. The first is the head:
//!
//! | bytes | head |
//! |---|---|
//! | 0..8 | `DIPTYCHP` |
//! | 8..12 | format version, 1 |
//! | 12..16 | checksum of bytes 0..12 and 16..4096 |
//! | 16..24 | `N`, the first epoch of the segment that was sealed with it |
//! | 24..32 | number of its producers |
//! | 32.. | zero |
//!
//! The others have 102 producers each, the last one fewer:
//!
//! | bytes | block |
//! |---|---|
//! | 0..4 | checksum of `N` and bytes 4..4096 |
//! | 4..8 | number of its producers |
//! | 8..16 | its number, from 0 |
//! | 16.. | the producers, 40 bytes each, sorted by digest |
//! | to 4096 | zero |
//!
//! | bytes | producer |
//! |---|---|
//! | 0..16 | digest of its id |
//! | 16..24 | next sequence that is due |
//! | 24..32 | epoch of its last append |
//! | 32..40 | fingerprint of that append, or 0 |
//!
//! A lookup verifies the blocks that it reads, so its cost does not grow with the file. `N` and the
//! block's number keep a block of another file, or of another place, from being taken for it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::checksummed_file::{check_version, u32_at, u64_at};
use super::super::layout::{Dir, damaged, silent_name};
use super::super::listed_file::{FileChecksum, check_len};
use super::super::producer_mark::Remembered;
use super::super::request_fingerprint::Fingerprint;
use super::{IdDigest, SilentRecord};
use diptych_base::error::Result;
use diptych_base::io::{File, Open};
use diptych_base::time::Epoch;

/// Bytes of the head, and of every block after it.
pub(super) const BLOCK: usize = 4096;
/// Bytes of a block before its first producer.
const BLOCK_HEAD: usize = 16;
/// Bytes of a producer.
const RECORD: usize = 40;
/// Producers of a full block.
pub(super) const PER_BLOCK: usize = (BLOCK - BLOCK_HEAD) / RECORD;

const MAGIC: [u8; 8] = *b"DIPTYCHP";
const VERSION: u32 = 1;
/// Blocks that are read or written at once in a pass over all of them.
const AT_ONCE: u64 = 64;

/// The manifest's entry of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SilentEntry {
    /// The first epoch of the segment that was sealed with it, which is its name.
    pub lower: Epoch,
    /// The number of its producers.
    pub count: u64,
    pub sum: FileChecksum,
}

impl SilentEntry {
    /// The file's name.
    pub(crate) fn name(&self) -> String {
        silent_name(self.lower)
    }

    /// The length of a file with so many producers.
    pub(super) fn len(count: u64) -> Option<u64> {
        count.div_ceil(PER_BLOCK as u64).checked_add(1)?.checked_mul(BLOCK as u64)
    }
}

/// A silent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SilentProducer {
    pub digest: IdDigest,
    pub left: SilentRecord,
}

impl SilentProducer {
    fn put(&self, block: &mut Vec<u8>) {
        block.extend(self.digest.0);
        block.extend(self.left.next.to_le_bytes());
        block.extend(self.left.last.epoch.to_le_bytes());
        let fingerprint = self.left.last.fingerprint.map_or(0, Fingerprint::get);
        block.extend(fingerprint.to_le_bytes());
    }

    fn at(block: &[u8], at: usize) -> SilentProducer {
        let mut digest = [0; 16];
        digest.copy_from_slice(&block[at..at + 16]);
        let epoch = u64_at(block, at + 24);
        let last = Remembered { epoch, fingerprint: Fingerprint::new(u64_at(block, at + 32)) };
        SilentProducer {
            digest: IdDigest(digest),
            left: SilentRecord { next: u64_at(block, at + 16), last },
        }
    }
}

/// An open file of silent producers. It stays readable when it is merged and removed.
#[derive(Clone, Debug)]
pub(crate) struct SilentFile {
    file: Arc<dyn File>,
    path: PathBuf,
    pub(super) entry: SilentEntry,
}

impl SilentFile {
    /// Opens the file that the manifest lists as `entry`, and checks its length and head.
    ///
    /// # Errors
    /// Damage, also where it is missing; a newer format; the disk's error.
    pub(crate) fn open(dir: &Dir, entry: SilentEntry) -> Result<SilentFile> {
        check_len(dir, &entry.name(), entry.sum)?;
        let path = dir.file(&entry.name());
        let file: Arc<dyn File> = dir.disk.open(&path, Open::Read)?.into();
        let head = file.read(0, BLOCK)?;
        if head[..8] != MAGIC {
            return Err(damaged(&path, 0, "this is not the file its name says"));
        }
        check_version(&path, u32_at(&head, 8), VERSION)?;
        if u32_at(&head, 12) != head_checksum(&head) {
            return Err(damaged(&path, 12, "the checksum does not match"));
        }
        let lower = u64_at(&head, 16);
        let count = u64_at(&head, 24);
        if (lower, count) != (entry.lower, entry.count) {
            let what = format!(
                "the file of epoch {lower} with {count} producers, MANIFEST says {} with {}",
                entry.lower, entry.count
            );
            return Err(damaged(&path, 16, what));
        }
        Ok(SilentFile { file, path, entry })
    }

    /// The number of blocks.
    pub(super) fn blocks(&self) -> u64 {
        self.entry.count.div_ceil(PER_BLOCK as u64)
    }

    /// Reads the producers in a block, at least one.
    ///
    /// # Errors
    /// Damage; the disk's error.
    pub(super) fn block(&self, number: u64) -> Result<Vec<SilentProducer>> {
        let bytes = self.file.read(place(number), BLOCK)?;
        self.decode(number, &bytes)
    }

    fn decode(&self, number: u64, bytes: &[u8]) -> Result<Vec<SilentProducer>> {
        let fail = |what: &str| damaged(&self.path, place(number), what);
        if u32_at(bytes, 0) != block_checksum(self.entry.lower, bytes) {
            return Err(fail("the checksum of the block does not match"));
        }
        let before = number * PER_BLOCK as u64;
        let count = self.entry.count.saturating_sub(before).min(PER_BLOCK as u64);
        if (u64::from(u32_at(bytes, 4)), u64_at(bytes, 8)) != (count, number) || count == 0 {
            return Err(fail("this is not the block of its place"));
        }
        let entries =
            (0..count as usize).map(|n| SilentProducer::at(bytes, BLOCK_HEAD + n * RECORD));
        let entries: Vec<_> = entries.collect();
        if !entries.is_sorted_by(|one, other| one.digest < other.digest) {
            return Err(fail("the producers are not in order"));
        }
        if entries.iter().any(|entry| entry.left.next == 0) {
            return Err(fail("a silent producer has appended nothing"));
        }
        Ok(entries)
    }

    /// All its producers, by digest.
    pub(crate) fn entries(&self) -> SilentProducers {
        let of = self.clone();
        SilentProducers { of, next: 0, read: Vec::new().into_iter(), last: None }
    }

    /// Reads several blocks from `number` on.
    fn some_blocks(&self, number: u64) -> Result<Vec<SilentProducer>> {
        let count = (self.blocks() - number).min(AT_ONCE);
        let bytes = self.file.read(place(number), count as usize * BLOCK)?;
        let mut entries = Vec::with_capacity(count as usize * PER_BLOCK);
        for (number, block) in (number..).zip(bytes.chunks_exact(BLOCK)) {
            entries.extend(self.decode(number, block)?);
        }
        Ok(entries)
    }
}

/// The position of a block in the file.
fn place(number: u64) -> u64 {
    (number + 1) * BLOCK as u64
}

fn head_checksum(head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..12]), &head[16..])
}

fn block_checksum(lower: Epoch, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&lower.to_le_bytes()), &block[4..])
}

/// The producers of a file, by digest. Nothing follows an error.
#[derive(Debug)]
pub(crate) struct SilentProducers {
    of: SilentFile,
    /// The block that is read next.
    next: u64,
    read: std::vec::IntoIter<SilentProducer>,
    last: Option<IdDigest>,
}

impl Iterator for SilentProducers {
    type Item = Result<SilentProducer>;

    fn next(&mut self) -> Option<Result<SilentProducer>> {
        if self.read.len() == 0 && self.next < self.of.blocks() {
            let number = self.next;
            let blocks = self.of.blocks();
            self.next = blocks;
            let entries = match self.of.some_blocks(number) {
                Ok(entries) => entries,
                Err(error) => return Some(Err(error)),
            };
            let first = entries.first().map(|entry| entry.digest);
            if self.last.is_some() && first <= self.last {
                let what = "the block is not behind the one before it";
                return Some(Err(damaged(&self.of.path, place(number), what)));
            }
            self.next = (number + AT_ONCE).min(blocks);
            self.last = entries.last().map(|entry| entry.digest);
            self.read = entries.into_iter();
        }
        self.read.next().map(Ok)
    }
}

/// Recomputes the checksums of a file, whatever its content.
pub(crate) fn reseal(bytes: &mut [u8]) {
    let mut blocks = bytes.chunks_exact_mut(BLOCK);
    let Some(head) = blocks.next() else { return };
    let sum = head_checksum(head);
    head[12..16].copy_from_slice(&sum.to_le_bytes());
    let lower = u64_at(head, 16);
    for block in blocks {
        let sum = block_checksum(lower, block);
        block[..4].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Writes the file of the segment that starts at `lower`; durable when this returns, the directory
/// is not.
///
/// # Errors
/// The errors of `entries`, or of the disk.
pub(super) fn write(
    dir: &Dir,
    lower: Epoch,
    entries: impl Iterator<Item = Result<SilentProducer>>,
) -> Result<SilentEntry> {
    let file = dir.disk.open(&dir.file(&silent_name(lower)), Open::Create)?;
    // An incomplete file has no head.
    file.write_at(0, &[0; BLOCK])?;
    let mut blocks = Blocks { file: &*file, lower, written: 0, crc: 0, bytes: Vec::new() };
    let mut count = 0;
    let mut block = Vec::with_capacity(BLOCK);
    for entry in entries {
        let entry = entry?;
        if count % PER_BLOCK as u64 == 0 {
            blocks.close(&mut block)?;
            block.resize(BLOCK_HEAD, 0);
        }
        entry.put(&mut block);
        count += 1;
    }
    blocks.close(&mut block)?;
    blocks.flush()?;
    let mut head = vec![0; BLOCK];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[16..24].copy_from_slice(&lower.to_le_bytes());
    head[24..32].copy_from_slice(&count.to_le_bytes());
    let sum = head_checksum(&head);
    head[12..16].copy_from_slice(&sum.to_le_bytes());
    file.write_at(0, &head)?;
    file.sync_data()?;
    let len = blocks.written * BLOCK;
    let crc = crc32c::crc32c_combine(crc32c::crc32c(&head), blocks.crc, len);
    Ok(SilentEntry { lower, count, sum: FileChecksum { len: (BLOCK + len) as u64, crc } })
}

/// The blocks of a file while it is written.
struct Blocks<'f> {
    file: &'f dyn File,
    lower: Epoch,
    /// Blocks in the file.
    written: usize,
    /// The checksum of all blocks.
    crc: u32,
    /// Blocks that are not in the file yet.
    bytes: Vec<u8>,
}

impl Blocks<'_> {
    /// Seals a block, unless it is empty.
    fn close(&mut self, block: &mut Vec<u8>) -> Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        let count = (block.len() - BLOCK_HEAD) / RECORD;
        let number = self.written + self.bytes.len() / BLOCK;
        block.resize(BLOCK, 0);
        block[4..8].copy_from_slice(&(count as u32).to_le_bytes());
        block[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        let sum = block_checksum(self.lower, block);
        block[..4].copy_from_slice(&sum.to_le_bytes());
        self.bytes.append(block);
        if self.bytes.len() >= AT_ONCE as usize * BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_at(place(self.written as u64), &self.bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &self.bytes);
        self.written += self.bytes.len() / BLOCK;
        self.bytes.clear();
        Ok(())
    }
}
