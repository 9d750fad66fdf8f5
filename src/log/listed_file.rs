//! A file that the manifest lists: its length and checksum, and how it is read.

use serde::{Deserialize, Serialize};

use super::layout::{Dir, damaged};
use diptych_base::error::{Error, Result};
use diptych_base::io::{Open, read_all};
use diptych_base::limits;

/// A file's length in bytes and the CRC32C of all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileChecksum {
    pub(super) len: u64,
    pub(super) crc: u32,
}

impl FileChecksum {
    pub(super) fn of(bytes: &[u8]) -> Self {
        FileChecksum { len: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
    }
}

/// Checks that a listed file exists with its listed length; its content is not read.
pub(super) fn check_len(dir: &Dir, name: &str, sum: FileChecksum) -> Result<()> {
    let path = dir.file(name);
    let file = dir.disk.open(&path, Open::Read).map_err(|e| unlisted(&path, e))?;
    let len = file.len()?;
    if len == sum.len {
        return Ok(());
    }
    let message = format!("the file has {len} bytes, MANIFEST says {}", sum.len);
    Err(damaged(&path, len.min(sum.len), message))
}

/// Reads the whole of a listed file and checks it.
pub(super) fn read_listed(dir: &Dir, name: &str, sum: FileChecksum) -> Result<Vec<u8>> {
    check_len(dir, name, sum)?;
    let path = dir.file(name);
    let bytes = read_all(dir.disk.as_ref(), &path, limits::TABLE_BYTES_MAX)?;
    if FileChecksum::of(&bytes) == sum {
        return Ok(bytes);
    }
    Err(damaged(&path, 0, "the file's checksum is not the one MANIFEST has"))
}

/// Turns the error of a missing listed file into damage.
pub(super) fn unlisted(path: &std::path::Path, error: Error) -> Error {
    if error.is_missing() {
        damaged(path, 0, "MANIFEST lists this file, it is missing")
    } else {
        error
    }
}
