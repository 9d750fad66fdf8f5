//! Frame files: the write-ahead part of the log, a sequence of frames.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;

use super::arrow_ipc_message::decode_message;
use super::checksummed_file::{FORMAT_FINGERPRINTS, check_version, decode, u32_at, u64_at};
use super::frame::{ALIGN, FrameHead, HEAD, Header, Payload, Section};
use super::layout::{Dir, damaged, frames_name};
use super::retraction::Corrections;
use super::schemas::Schemas;
use diptych_base::error::{Error, Result};
use diptych_base::io::{File, Open};
use diptych_base::time::Epoch;

/// Bytes before the first frame.
pub(super) const FILE_HEAD: u64 = 64;

const MAGIC: [u8; 8] = *b"DIPTYCHF";
/// Bytes read at once in the search for frames after damage.
const SEARCH_BYTES: u64 = 1 << 20;

/// An open frame file.
#[derive(Clone, Debug)]
pub(super) struct FrameFile {
    pub(super) file: Arc<dyn File>,
    pub(super) path: std::path::PathBuf,
    /// The epoch of its first frame.
    pub(super) first: Epoch,
    pub(super) salt: u64,
    /// The file's format version.
    pub(super) version: u32,
}

/// A frame found in a file. Its payloads are not verified.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) epoch: Epoch,
    /// Where the frame starts in the file.
    pub(super) offset: u64,
    /// Bytes of the frame.
    pub(super) len: u64,
    /// The position from which payload offsets count, in the file.
    pub(super) payload_base: u64,
    pub(super) header: Header,
}

impl Frame {
    /// Where the next frame starts.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

impl FrameFile {
    /// Creates the file for the frames from `first` on. Its name appears only once its content is
    /// durable, so a frame file with a bad head is always damage.
    ///
    /// # Errors
    /// `Err(Ok(_))` before the rename: nothing has changed. `Err(Err(_))` from the rename on: the
    /// file may or may not be there.
    pub(super) fn create(
        dir: &Dir,
        first: Epoch,
        version: u32,
        salt: u64,
    ) -> Result<Self, Result<Error, Error>> {
        let path = dir.file(&frames_name(first));
        let draft = dir.file(&format!("{}.tmp", frames_name(first)));
        let mut head = [0; FILE_HEAD as usize];
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&version.to_le_bytes());
        head[16..24].copy_from_slice(&first.to_le_bytes());
        head[24..32].copy_from_slice(&salt.to_le_bytes());
        let sum = file_sum(&head);
        head[12..16].copy_from_slice(&sum.to_le_bytes());
        let write = || {
            dir.check_lock()?;
            let file = dir.disk.open(&draft, Open::Create)?;
            file.write_at(0, &head)?;
            file.sync_data()?;
            Ok(file)
        };
        let file = write().map_err(Ok)?;
        dir.disk.rename(&draft, &path).map_err(Err)?;
        dir.sync().map_err(Err)?;
        Ok(FrameFile { file: file.into(), path, first, salt, version })
    }

    /// Opens the file whose first epoch is `first`.
    pub(super) fn open(dir: &Dir, first: Epoch, how: Open) -> Result<Self> {
        let path = dir.file(&frames_name(first));
        let file: Arc<dyn File> = dir.disk.open(&path, how)?.into();
        let head = file.read(0, FILE_HEAD as usize)?;
        if head[..8] != MAGIC {
            return Err(damaged(&path, 0, "this is no frame file"));
        }
        let version = u32_at(&head, 8);
        check_version(&path, version, FORMAT_FINGERPRINTS)?;
        if u32_at(&head, 12) != file_sum(&head) {
            return Err(damaged(&path, 12, "the checksum of the file's head does not match"));
        }
        if u64_at(&head, 16) != first {
            let says = u64_at(&head, 16);
            let message = format!("the file starts at epoch {says}, its name says {first}");
            return Err(damaged(&path, 16, message));
        }
        Ok(FrameFile { file, path, first, salt: u64_at(&head, 24), version })
    }

    /// The frame at `offset`, which must be that of `epoch` and end at `end` or before.
    ///
    /// # Errors
    /// Damage with the place, unless the disk fails. Payloads are not checked.
    pub(super) fn frame(&self, offset: u64, end: u64, epoch: Epoch) -> Result<Frame> {
        if end.saturating_sub(offset) < HEAD as u64 {
            return Err(self.damage(offset, "the frame is cut short"));
        }
        let bytes = self.file.read(offset, HEAD)?;
        let Some(head) = FrameHead::parse(&bytes, self.salt) else {
            return Err(self.damage(offset, "no frame starts here"));
        };
        if head.epoch != epoch {
            let message = format!("the frame of epoch {} where {epoch} is due", head.epoch);
            return Err(self.damage(offset, message));
        }
        if head.len > end - offset {
            let message = format!("{} of the frame's {} bytes are there", end - offset, head.len);
            return Err(self.damage(offset, message));
        }
        let header = self.file.read(offset + HEAD as u64, head.header_len as usize)?;
        if crc32c::crc32c(&header) != head.header_crc {
            return Err(self.damage(offset, "the checksum of the frame's header does not match"));
        }
        let header = Header::decode(self.version, &header).map_err(|e| self.damage(offset, e))?;
        let room = head.len - head.payload_base();
        let within = |offset: u64, len| offset.checked_add(len).is_some_and(|end| end <= room);
        let section = header.section.as_ref().is_none_or(|s| within(s.offset, s.len));
        if !section || !header.payloads.iter().all(|p| within(p.offset, p.len)) {
            return Err(self.damage(offset, "a payload lies outside its frame"));
        }
        let payload_base = offset + head.payload_base();
        Ok(Frame { epoch, offset, len: head.len, payload_base, header })
    }

    /// The frame at `offset` as [`frame`](FrameFile::frame) gives it, payloads verified.
    pub(super) fn verified(&self, offset: u64, end: u64, epoch: Epoch) -> Result<Frame> {
        let frame = self.frame(offset, end, epoch)?;
        for payload in &frame.header.payloads {
            self.payload(frame.payload_base, payload)?;
        }
        self.corrections(&frame)?;
        Ok(frame)
    }

    /// The retractions of a frame; none if it has none.
    pub(super) fn corrections(&self, frame: &Frame) -> Result<Option<Corrections>> {
        let Some(Section { offset, len, crc }) = frame.header.section else { return Ok(None) };
        let offset = frame.payload_base + offset;
        let bytes = self.file.read(offset, len as usize)?;
        if crc32c::crc32c(&bytes) != crc {
            return Err(self.damage(offset, "the checksum of the retractions does not match"));
        }
        let all = decode(&bytes).map_err(|e| self.damage(offset, e))?;
        Ok(Some(Corrections { epoch: frame.epoch, all }))
    }

    /// Reads and verifies a payload's bytes.
    pub(super) fn payload(&self, payload_base: u64, payload: &Payload) -> Result<Vec<u8>> {
        let offset = payload_base + payload.offset;
        let bytes = self.file.read(offset, payload.len as usize)?;
        if crc32c::crc32c(&bytes) != payload.crc {
            return Err(self.damage(offset, "the checksum of the rows does not match"));
        }
        Ok(bytes)
    }

    /// Reads and decodes a payload's rows.
    pub(super) fn rows(&self, base: u64, payload: &Payload, all: &Schemas) -> Result<RecordBatch> {
        let offset = base + payload.offset;
        let bytes = Buffer::from(self.payload(base, payload)?);
        let Some(known) = all.get(payload.schema) else {
            return Err(self.damage(offset, format!("schema {} is unknown", payload.schema)));
        };
        let rows = decode_message(&bytes, payload.meta_len, &known.schema);
        let rows = rows.map_err(|e| self.damage(offset, e))?;
        if rows.num_rows() as u64 != payload.rows {
            let message = format!("{} rows, the header says {}", rows.num_rows(), payload.rows);
            return Err(self.damage(offset, message));
        }
        Ok(rows)
    }

    /// Finds a frame later than `epoch` in `[offset, end)`, if there is one. Frames start at
    /// multiples of 64, so only those are tried.
    pub(super) fn later(&self, offset: u64, end: u64, epoch: Epoch) -> Result<Option<u64>> {
        let mut at = offset.next_multiple_of(ALIGN as u64);
        while at + HEAD as u64 <= end {
            let window = self.file.read(at, (end - at).min(SEARCH_BYTES) as usize)?;
            for (index, bytes) in window.chunks(ALIGN).enumerate() {
                let head = FrameHead::parse(bytes, self.salt);
                if head.is_some_and(|head| head.epoch > epoch) {
                    return Ok(Some(at + (index * ALIGN) as u64));
                }
            }
            at += SEARCH_BYTES;
        }
        Ok(None)
    }

    /// An error of damage in this file.
    pub(super) fn damage(&self, offset: u64, what: impl std::fmt::Display) -> Error {
        damaged(&self.path, offset, what)
    }
}

fn file_sum(head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..12]), &head[16..FILE_HEAD as usize])
}
