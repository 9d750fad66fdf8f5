//! The durable mark: the frontier up to which the log is known to be on the disk.
//!
//! `MARK` holds two slots, 4 KiB apart, written in turns; the one with the higher counter counts. A
//! slot lies within one sector. It is overwritten after each sync and not synced itself: a power
//! failure may bring back an older mark, which claims less and is never wrong.

use super::checksummed_file::{u32_at, u64_at};
use super::layout::{Dir, MARK, damaged, persist};
use diptych_base::error::Result;
use diptych_base::io::{File, Open, replace};
use diptych_base::time::Epoch;

const SLOT_STRIDE: u64 = 4096;
const SLOT: usize = 40;
/// Bytes of the file.
pub(super) const MARK_BYTES: u64 = SLOT_STRIDE * 2;
const MAGIC: [u8; 4] = *b"DMRK";

/// The position up to which the log is durable: everything below `upper`; the newest frame ends at
/// byte `offset` of the frame file that starts at epoch `file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) upper: Epoch,
    pub(super) file: Epoch,
    pub(super) offset: u64,
}

impl Mark {
    fn slot(self, counter: u64) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[..4].copy_from_slice(&MAGIC);
        for (index, number) in [counter, self.upper, self.file, self.offset].iter().enumerate() {
            slot[8 + index * 8..16 + index * 8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32c::crc32c(&slot[8..]);
        slot[4..8].copy_from_slice(&sum.to_le_bytes());
        slot
    }

    fn parse(slot: &[u8]) -> Option<(u64, Mark)> {
        let valid = slot[..4] == MAGIC && u32_at(slot, 4) == crc32c::crc32c(&slot[8..SLOT]);
        let [upper, file, offset] = [16, 24, 32].map(|at| u64_at(slot, at));
        valid.then(|| (u64_at(slot, 8), Mark { upper, file, offset }))
    }
}

/// The content of `MARK`: the mark, and the offset of a broken slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundMark {
    pub(super) mark: Mark,
    pub(super) counter: u64,
    pub(super) broken: Option<u64>,
}

/// Reads the slots; one of them may be broken by a crash during a write.
///
/// # Errors
/// Damage when both are broken, missing when there is no such file.
pub(super) fn read_slots(dir: &Dir) -> Result<FoundMark> {
    let path = dir.file(MARK);
    let file = dir.disk.open(&path, Open::Read)?;
    parse_slots(dir, file.as_ref())
}

fn parse_slots(dir: &Dir, file: &dyn File) -> Result<FoundMark> {
    let first = Mark::parse(&file.read(0, SLOT)?);
    let second = Mark::parse(&file.read(SLOT_STRIDE, SLOT)?);
    let (found, broken) = match (first, second) {
        (Some(a), Some(b)) => (if a.0 > b.0 { a } else { b }, None),
        (Some(a), None) => (a, Some(SLOT_STRIDE)),
        (None, Some(b)) => (b, Some(0)),
        (None, None) => return Err(damaged(&dir.file(MARK), 0, "neither slot is whole")),
    };
    Ok(FoundMark { mark: found.1, counter: found.0, broken })
}

/// Reads the mark while a writer may be writing it.
///
/// # Errors
/// Damage when a slot stays broken: the newest mark may have been in it.
pub(super) fn read_mark(dir: &Dir) -> Result<FoundMark> {
    let path = dir.file(MARK);
    let file = dir.disk.open(&path, Open::Read)?;
    let mut tries = 0;
    loop {
        let found = parse_slots(dir, file.as_ref());
        match found {
            Ok(found @ FoundMark { broken: None, .. }) => return Ok(found),
            Ok(FoundMark { broken: Some(offset), .. }) if tries >= 100 => {
                return Err(damaged(&path, offset, "the slot is not whole")
                    .remedy("open the log for writing once: recovery rewrites the mark"));
            }
            Err(error) if tries >= 100 || !error.is_damaged() => return Err(error),
            _ => tries += 1,
        }
        std::thread::yield_now();
    }
}

/// Writes the mark.
#[derive(Debug)]
pub(super) struct MarkWriter {
    file: Box<dyn File>,
    counter: u64,
}

impl MarkWriter {
    /// Replaces the file durably by one whose two slots both hold `mark`.
    pub(super) fn create(dir: &Dir, mark: Mark) -> Result<Self> {
        // Odd counters belong to the first slot.
        let counter = read_slots(dir).map_or(0, |found| found.counter + 1) | 1;
        let mut bytes = vec![0; MARK_BYTES as usize];
        bytes[..SLOT].copy_from_slice(&mark.slot(counter));
        let second = SLOT_STRIDE as usize;
        bytes[second..second + SLOT].copy_from_slice(&mark.slot(counter + 1));
        let path = dir.file(MARK);
        replace(dir.disk.as_ref(), &path, &bytes)?;
        let file = dir.disk.open(&path, Open::Write)?;
        Ok(MarkWriter { file, counter: counter + 1 })
    }

    /// Advances the mark, in the page cache only; `mark` must be durable by now.
    pub(super) fn advance(&mut self, mark: Mark) -> Result<()> {
        self.counter += 1;
        let offset = (self.counter + 1) % 2 * SLOT_STRIDE;
        let slot = mark.slot(self.counter);
        // A failed write may have torn the slot, which readers would take for damage. Only what
        // readers see depends on this write, so it may be tried again.
        persist(|_| true, || self.file.write_at(offset, &slot))
    }

    /// The open file.
    pub(super) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data()
    }
}
