//! Frames: one epoch each, as stored in a frame file.
//!
//! A frame is a head of 32 bytes, a bincode header, and one Arrow IPC record batch message per
//! schema. Each of the three has a checksum of its own, so that a reader of one stream checks only
//! what it reads. The head's checksum also covers the file's salt: bytes that merely look like a
//! frame (a log stored inside a log) are not taken for one. See README.md for the bytes.

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::arrow_ipc_message::encode_message;
use super::checksummed_file::{FORMAT, FORMAT_RETRACTIONS, decode, encode, u32_at, u64_at};
use super::producer_mark::{ProducerMark, Trimmed};
use super::request_fingerprint::Fingerprint;
use super::retraction::RetractedEvents;
use super::schemas::StoredSchema;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::Epoch;

/// Bytes of a frame's head.
pub(super) const HEAD: usize = 32;
/// Frames, headers and payloads start at multiples of this, as Arrow's buffers prefer.
pub(super) const ALIGN: usize = 64;

const MAGIC: [u8; 4] = *b"DFRM";

/// The content of a frame besides its rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) clock_us: i64,
    /// Schemas that are used here for the first time.
    pub(super) schemas: Vec<StoredSchema>,
    pub(super) producers: Vec<ProducerMark>,
    pub(super) trimmed: Vec<Trimmed>,
    pub(super) offsets: Vec<(String, String)>,
    pub(super) payloads: Vec<Payload>,
    /// The epoch's retractions: after the other fields, and only in frame files of the next format.
    #[serde(skip)]
    pub(super) section: Option<Section>,
}

/// The position of the corrections in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Section {
    /// Counted as that of a payload.
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) crc: u32,
}

/// The position of the rows of one schema, inside the frame.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) schema: u32,
    pub(super) rows: u64,
    /// Counted from the first multiple of 64 after the header.
    pub(super) offset: u64,
    /// Bytes of the message's metadata, prefix included.
    pub(super) meta_len: u32,
    /// Bytes of the message, metadata included.
    pub(super) len: u64,
    pub(super) crc: u32,
}

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHead {
    pub(super) epoch: Epoch,
    /// Bytes of the frame, head and padding included.
    pub(super) len: u64,
    pub(super) header_len: u32,
    pub(super) header_crc: u32,
}

impl FrameHead {
    fn bytes(&self, salt: u64) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.len.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.header_len.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.header_crc.to_le_bytes());
        let sum = head_sum(&bytes, salt);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Parses the head in the first 32 of `bytes`, if it is valid.
    pub(super) fn parse(bytes: &[u8], salt: u64) -> Option<FrameHead> {
        if bytes.len() < HEAD || bytes[..4] != MAGIC || u32_at(bytes, 4) != head_sum(bytes, salt) {
            return None;
        }
        let head = FrameHead {
            epoch: u64_at(bytes, 8),
            len: u64_at(bytes, 16),
            header_len: u32_at(bytes, 24),
            header_crc: u32_at(bytes, 28),
        };
        let bounded = head.header_len as usize <= limits::FRAME_HEADER_BYTES_MAX
            && (head.payload_base()..=limits::FRAME_BYTES_MAX).contains(&head.len)
            && head.len.is_multiple_of(ALIGN as u64);
        bounded.then_some(head)
    }

    /// The position from which payload offsets count, relative to the frame's start.
    pub(super) fn payload_base(&self) -> u64 {
        (HEAD as u64 + u64::from(self.header_len)).next_multiple_of(ALIGN as u64)
    }
}

/// Recomputes the checksum of the head in the first 32 of `bytes`.
pub(super) fn reseal(bytes: &mut [u8], salt: u64) {
    let sum = head_sum(bytes, salt);
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
}

fn head_sum(bytes: &[u8], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &bytes[8..HEAD])
}

impl Header {
    /// Encodes a header for a frame file of this version.
    fn encode(&self, version: u32) -> Result<Vec<u8>> {
        match version {
            FORMAT => encode(self),
            FORMAT_RETRACTIONS => encode(&(self, self.section)),
            _ => {
                let marks = self.producers.iter();
                let prints = marks.map(|mark| mark.fingerprint.map_or(0, Fingerprint::get));
                encode(&(self, self.section, prints.collect::<Vec<_>>()))
            }
        }
    }

    /// Decodes a header from a frame file of this version.
    pub(super) fn decode(version: u32, bytes: &[u8]) -> bincode::Result<Header> {
        match version {
            FORMAT => decode(bytes),
            FORMAT_RETRACTIONS => {
                decode(bytes).map(|(header, section)| Header { section, ..header })
            }
            _ => {
                let (mut header, section, prints): (Header, _, Vec<u64>) = decode(bytes)?;
                if prints.len() != header.producers.len() {
                    let prints = prints.len();
                    let marks = header.producers.len();
                    let what = format!("{prints} fingerprints of {marks} requests");
                    return Err(Box::new(bincode::ErrorKind::Custom(what)));
                }
                for (mark, print) in header.producers.iter_mut().zip(prints) {
                    mark.fingerprint = Fingerprint::new(print);
                }
                Ok(Header { section, ..header })
            }
        }
    }
}

/// Encodes the frame of `epoch`, for a frame file with this version and salt. Fills in the header's
/// payloads from `batches` (schema number and rows), and its section.
///
/// # Panics
/// If there are corrections and the version has no place for them.
pub(super) fn encode_frame(
    epoch: Epoch,
    version: u32,
    salt: u64,
    header: &mut Header,
    batches: &[(u32, RecordBatch)],
    corrections: &[RetractedEvents],
) -> Result<Vec<u8>> {
    assert!(corrections.is_empty() || version > FORMAT, "retractions in a file of format 1");
    let mut body = Vec::new();
    for (schema, rows) in batches {
        let offset = body.len() as u64;
        let meta_len = encode_message(rows, &mut body)?;
        let message = &body[offset as usize..];
        header.payloads.push(Payload {
            schema: *schema,
            rows: rows.num_rows() as u64,
            offset,
            meta_len,
            len: message.len() as u64,
            crc: crc32c::crc32c(message),
        });
        body.resize(body.len().next_multiple_of(ALIGN), 0);
    }
    if !corrections.is_empty() {
        let offset = body.len() as u64;
        let bytes = encode(&corrections)?;
        let len = bytes.len() as u64;
        let crc = crc32c::crc32c(&bytes);
        header.section = Some(Section { offset, len, crc });
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(ALIGN), 0);
    }
    let encoded = header.encode(version)?;
    let mut head = FrameHead {
        epoch,
        len: 0,
        header_len: encoded.len() as u32,
        header_crc: crc32c::crc32c(&encoded),
    };
    head.len = head.payload_base() + body.len() as u64;
    let over = encoded.len() > limits::FRAME_HEADER_BYTES_MAX;
    if over || head.len > limits::FRAME_BYTES_MAX {
        let message = format!("epoch {epoch} would take {} bytes on disk", head.len);
        return Err(Error::new(Kind::Input, message).remedy("append it in smaller pieces"));
    }
    let mut frame = Vec::with_capacity(head.len as usize);
    frame.extend(head.bytes(salt));
    frame.extend(encoded);
    frame.resize(head.payload_base() as usize, 0);
    frame.extend(body);
    Ok(frame)
}
