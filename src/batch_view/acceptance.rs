//! Since when the answers of a version are others than they were, though its name is the same.
//!
//! When a batch view that differs from what was served is accepted, who followed the old answers
//! cannot go on from where it was. So the boundary of the last such batch view is kept beside the
//! batch views, is part of every token of a place in the version's changes, and outlives restarts.
//!
//! A file that cannot be read must not be taken for one that is not there: tokens of before an
//! acceptance would be believed, and who brings one would go on from answers that were replaced. So
//! a number takes its place that is no boundary ([`lineage_in_force`]): no start fails by such a
//! file, and who followed begins with a snapshot.

use std::path::Path;

use super::block::damaged;
use super::paths::Identity;
use diptych_base::error::{Error, Result};
use diptych_base::io::{Disk, read_all, replace};
use diptych_base::time::Epoch;

const FILE: &str = "accepted";
/// Epoch, checksum.
const BYTES: usize = 8 + 4;
/// Beyond every boundary that a log will get to.
const NO_EPOCH: u64 = 1 << 63;

/// The boundary of the last batch view of this version that was accepted though it differed.
///
/// # Errors
/// Damage; what the disk reports.
pub fn lineage(disk: &dyn Disk, root: &Path, identity: &Identity) -> Result<Option<Epoch>> {
    let path = identity.dir(root).join(FILE);
    match read_all(disk, &path, BYTES as u64) {
        Ok(bytes) => parse(&path, &bytes),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Option<Epoch>> {
    let (Some((epoch, rest)), BYTES) = (bytes.split_first_chunk::<8>(), bytes.len()) else {
        return Err(damaged(path, 0, format!("{} bytes instead of {BYTES}", bytes.len())));
    };
    if rest != crc32c::crc32c(epoch).to_le_bytes() {
        return Err(damaged(path, 8, "the checksum is wrong"));
    }
    // What it says when an acceptance was taken back before there was one.
    Ok(Some(Epoch::from_le_bytes(*epoch)).filter(|epoch| *epoch > 0))
}

/// [`lineage`]; of a file that cannot be read, what takes its place, and why. That is the same for
/// as long as the file is as it is.
pub fn lineage_in_force(
    disk: &dyn Disk,
    root: &Path,
    identity: &Identity,
) -> (Option<Epoch>, Option<Error>) {
    let error = match lineage(disk, root, identity) {
        Ok(lineage) => return (lineage, None),
        Err(error) => error,
    };
    let path = identity.dir(root).join(FILE);
    let bytes = read_all(disk, &path, BYTES as u64).unwrap_or_default();
    let instead = NO_EPOCH | u64::from(crc32c::crc32c(&bytes));
    let path = path.display();
    let reason = error.reason();
    let message = format!(
        "{path}: which answers were replaced is not known, so who follows changes begins with a \
         snapshot: {reason}"
    );
    let error = Error::new(error.kind(), message).remedy(
        "leave it there until a batch view is accepted, which writes it anew: without it, who \
         followed answers that were replaced goes on as if they stood",
    );
    (Some(instead), Some(error))
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
