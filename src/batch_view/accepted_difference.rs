//! The lineage of a version: the boundary of its last batch view that was accepted though it
//! differed from the served views.
//!
//! After such an acceptance the same version gives other answers, and a subscriber to the old ones
//! cannot resume. So the boundary is kept in a file beside the batch views, is part of every change
//! token of the version, and outlives restarts.
//!
//! A damaged file must not be taken for a missing one: tokens from before an acceptance would be
//! believed, and their subscribers would go on from answers that were replaced. So a number that is
//! no boundary takes its place ([`lineage_in_force`]): no start fails because of such a file, and
//! subscribers begin again with a snapshot.

use std::path::Path;

use super::block::damaged;
use super::paths::Identity;
use diptych_base::error::{Error, Result};
use diptych_base::io::{Disk, read_all, replace};
use diptych_base::time::Epoch;

const FILE: &str = "accepted";
/// The length of the file: epoch, checksum.
const BYTES: usize = 8 + 4;
/// An epoch beyond every boundary that a log can reach.
const NO_EPOCH: u64 = 1 << 63;

/// The boundary of the last batch view of this version that was accepted though it differed; none
/// when there was none.
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
    // 0 is written when the first acceptance is taken back.
    Ok(Some(Epoch::from_le_bytes(*epoch)).filter(|epoch| *epoch > 0))
}

/// The [`lineage`]; for a file that cannot be read, the number that takes its place, and the error.
/// The number stays the same as long as the file does.
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

/// Writes the lineage, durably.
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
