//! Small files written whole: a magic word, the format version, a checksum, and a bincode body.
//!
//! | bytes | content |
//! |---|---|
//! | 0..8 | `DIPTYCH` and a letter for the kind of file |
//! | 8..12 | format version |
//! | 12..16 | CRC32C of all other bytes of the file |
//! | 16..24 | length of the body |
//! | 24.. | body, bincode 1.3, fixed-width little-endian integers |
//!
//! The version is checked first, since a newer format may place even the checksum elsewhere.

use std::path::Path;

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layout::damaged;
use diptych_base::error::{Error, Kind, Result};

/// The version of every file format of the log, unless the file needs another one.
pub(super) const FORMAT: u32 = 1;
/// The version of frame files and manifests with retractions. It is written only where there are
/// some, so that an older build reads what it can understand, and refuses the rest.
pub(super) const FORMAT_RETRACTIONS: u32 = 2;
/// The version of frame files that hold the fingerprints of producers' requests. New files have it.
pub(super) const FORMAT_FINGERPRINTS: u32 = 3;
/// The version of a state file that holds such fingerprints. It is written only where there are
/// some.
pub(super) const FORMAT_STATE: u32 = 2;
/// The version of a state file that holds producers by digest. It is written only where there are
/// some.
pub(super) const FORMAT_SILENT: u32 = 3;
/// The version of a manifest with marked parts after its body; see `manifest_parts.rs`.
pub(super) const FORMAT_WITH_PARTS: u32 = 3;

const HEAD: usize = 24;

/// The kinds of small files.
#[derive(Clone, Copy)]
pub(super) enum Envelope {
    Manifest = b'M' as isize,
    Epochs = b'E' as isize,
    State = b'S' as isize,
    Retractions = b'R' as isize,
}

impl Envelope {
    fn magic(self) -> [u8; 8] {
        let mut magic = *b"DIPTYCH\0";
        magic[7] = self as u8;
        magic
    }

    /// Encodes `value` as a file of this kind.
    pub(super) fn wrap<T: Serialize>(self, value: &T) -> Result<Vec<u8>> {
        Ok(self.seal(&encode(value)?))
    }

    /// The newest format of this kind that this build reads.
    fn newest(self) -> u32 {
        match self {
            Envelope::Manifest => FORMAT_WITH_PARTS,
            Envelope::State => FORMAT_SILENT,
            Envelope::Epochs | Envelope::Retractions => FORMAT,
        }
    }

    /// Wraps this body as a file of this kind.
    pub(super) fn seal(self, body: &[u8]) -> Vec<u8> {
        self.seal_as(FORMAT, body)
    }

    /// Wraps this body as a file of this kind in this version of the format.
    pub(super) fn seal_as(self, version: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend(self.magic());
        bytes.extend(version.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        let sum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Decodes the value in `bytes`, which were read from `path`.
    pub(super) fn unwrap<T: DeserializeOwned>(self, path: &Path, bytes: &[u8]) -> Result<T> {
        let (_, body) = self.open(path, bytes)?;
        decode(body).map_err(|e| damaged(path, HEAD as u64, e))
    }

    /// Checks `bytes`, which were read from `path`; returns the version and the body.
    pub(super) fn open<'b>(self, path: &Path, bytes: &'b [u8]) -> Result<(u32, &'b [u8])> {
        let Some((head, body)) = bytes.split_at_checked(HEAD) else {
            return Err(damaged(path, bytes.len() as u64, "the file is cut short"));
        };
        if head[..8] != self.magic() {
            return Err(damaged(path, 0, "this is not the file its name says"));
        }
        let version = u32_at(head, 8);
        check_version(path, version, self.newest())?;
        if u64_at(head, 16) != body.len() as u64 {
            let says = u64_at(head, 16);
            let message = format!("the body has {} bytes, the head says {says}", body.len());
            return Err(damaged(path, 16, message));
        }
        if u32_at(head, 12) != checksum(bytes) {
            return Err(damaged(path, 12, "the checksum does not match"));
        }
        Ok((version, body))
    }
}

/// The CRC of a whole file except the CRC itself.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// Refuses a format that is newer than this build's, or invalid.
pub(super) fn check_version(path: &Path, version: u32, newest: u32) -> Result<()> {
    match version {
        version if (FORMAT..=newest).contains(&version) => Ok(()),
        0 => Err(damaged(path, 8, "the format version is 0")),
        _ if version <= newest => Ok(()),
        _ => {
            let place = path.display();
            let message = format!("{place} has format {version}, this build reads up to {newest}");
            Err(Error::new(Kind::Newer, message).remedy("use the release that wrote it, or newer"))
        }
    }
}

/// bincode 1.3 with fixed-width integers and no trailing bytes.
fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding()
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let encoded = codec().with_limit(diptych_base::limits::TABLE_BYTES_MAX).serialize(value);
    encoded.map_err(|e| Error::new(Kind::Input, format!("cannot encode a table of the log: {e}")))
}

/// Decodes all of `bytes`; no allocation is larger than they could fill.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> bincode::Result<T> {
    codec().with_limit(bytes.len() as u64).deserialize(bytes)
}

/// The little-endian number at `at`.
///
/// # Panics
/// If `bytes` is shorter: callers have checked the length.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// The little-endian number at `at`.
///
/// # Panics
/// If `bytes` is shorter: callers have checked the length.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}
