//! When the last epoch of a batch view's history was sealed: a file beside its manifest.
//!
//! A log may be rolled back to an older copy of itself and grow beyond the boundary again, under
//! the same identity. Its epochs are then others than those the batch view was made from, and the
//! clock that the last of them recorded tells: it was sealed anew. The file is optional, so that
//! batch views of before it stay good, and builds of before it do not mind.

use std::path::Path;

use super::block::damaged;
use super::names;
use crate::error::Result;
use crate::io::{Disk, Open, read_all};
use crate::time::Epoch;

const MAGIC: [u8; 8] = *b"DPTCLOCK";
/// Magic, clock, checksum of both.
const BYTES: usize = 8 + 8 + 4;

/// Writes it, durably; its name lasts once the directory is synced.
pub(super) fn write(disk: &dyn Disk, dir: &Path, boundary: Epoch, clock_us: i64) -> Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&clock_us.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let file = disk.open(&dir.join(names::sealed(boundary)), Open::Create)?;
    file.write_at(0, &bytes)?;
    file.sync_data()
}

/// Reads it; none when there is no such file.
pub(super) fn read(disk: &dyn Disk, dir: &Path, boundary: Epoch) -> Result<Option<i64>> {
    let path = dir.join(names::sealed(boundary));
    let bytes = match read_all(disk, &path, BYTES as u64) {
        Err(error) if error.is_missing() => return Ok(None),
        bytes => bytes?,
    };
    let parts = bytes.split_last_chunk::<4>().filter(|_| bytes.len() == BYTES);
    let Some((stated, sum)) = parts.filter(|(stated, _)| stated.starts_with(&MAGIC)) else {
        return Err(damaged(&path, 0, "this is not when a batch view's last epoch was sealed"));
    };
    match stated.last_chunk() {
        Some(clock) if *sum == crc32c::crc32c(stated).to_le_bytes() => {
            Ok(Some(i64::from_le_bytes(*clock)))
        }
        _ => Err(damaged(&path, 8, "the checksum is wrong")),
    }
}
