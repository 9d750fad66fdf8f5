//! Since when the answers of a version are others than they were, though its name is the same.
//!
//! When a batch view that differs from what was served is accepted, who followed the old answers
//! cannot go on from where it was. So the boundary of the last such batch view is kept beside the
//! batch views, is part of every token of a place in the version's changes, and outlives restarts.

use std::path::Path;

use super::block::damaged;
use super::names::Identity;
use crate::error::Result;
use crate::io::{Disk, read_all, replace};
use crate::time::Epoch;

const FILE: &str = "accepted";
/// Epoch, checksum.
const BYTES: usize = 8 + 4;

/// The boundary of the last batch view of this version that was accepted though it differed.
///
/// # Errors
/// Damage; what the disk reports.
pub fn lineage(disk: &dyn Disk, root: &Path, identity: &Identity) -> Result<Option<Epoch>> {
    let path = identity.dir(root).join(FILE);
    let bytes = match read_all(disk, &path, BYTES as u64) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let (Some((epoch, rest)), BYTES) = (bytes.split_first_chunk::<8>(), bytes.len()) else {
        return Err(damaged(&path, 0, format!("{} bytes instead of {BYTES}", bytes.len())));
    };
    if rest != crc32c::crc32c(epoch).to_le_bytes() {
        return Err(damaged(&path, 8, "the checksum is wrong"));
    }
    // What it says when an acceptance was taken back before there was one.
    Ok(Some(Epoch::from_le_bytes(*epoch)).filter(|epoch| *epoch > 0))
}

/// States it, durably.
///
/// # Errors
/// What the disk reports.
pub fn set_lineage(
    disk: &dyn Disk,
    root: &Path,
    identity: &Identity,
    lineage: Option<Epoch>,
) -> Result<()> {
    let dir = identity.dir(root);
    disk.create_dir(&dir)?;
    let epoch = lineage.unwrap_or(0).to_le_bytes();
    let bytes = [&epoch[..], &crc32c::crc32c(&epoch).to_le_bytes()].concat();
    replace(disk, &dir.join(FILE), &bytes)
}
