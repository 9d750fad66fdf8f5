//! The stamp of a batch view's last epoch: the clock and the branch of the last epoch of its
//! history, in a file beside the manifest.
//!
//! A log may be rolled back to an older copy of itself and grow beyond the boundary again, under
//! the same identity. Its epochs then differ from those the batch view was made from, which the
//! branch of the last of them shows. Batch views from before there were branches have the clock
//! only, which shows it as long as the clock has moved on; those from before this file have
//! neither.

use std::path::Path;

use super::block::damaged;
use super::paths;
use diptych_base::error::Result;
use diptych_base::io::{Disk, Open, read_all, replace};
use diptych_base::time::{Branch, Epoch};

/// The magic bytes of the present form: magic, clock, branch, checksum of all three.
const MAGIC: [u8; 8] = *b"DPTSEAL2";
const BYTES: usize = 8 + 8 + 8 + 4;
/// The magic bytes of the first form: magic, clock, checksum of both.
const MAGIC_CLOCK: [u8; 8] = *b"DPTCLOCK";
const BYTES_CLOCK: usize = 8 + 8 + 4;

/// Writes the stamp of a new batch view, durably; its name lasts once the directory is synced.
pub(super) fn write(
    disk: &dyn Disk,
    dir: &Path,
    boundary: Epoch,
    stated: (i64, Option<Branch>),
) -> Result<()> {
    let file = disk.open(&dir.join(paths::sealed(boundary)), Open::Create)?;
    file.write_at(0, &to_bytes(stated))?;
    file.sync_data()
}

/// Replaces the stamp of a batch view, durably.
pub(super) fn rewrite(
    disk: &dyn Disk,
    dir: &Path,
    boundary: Epoch,
    stated: (i64, Option<Branch>),
) -> Result<()> {
    replace(disk, &dir.join(paths::sealed(boundary)), &to_bytes(stated))
}

/// The bytes of a stamp; in the first form when there is no branch.
fn to_bytes((clock_us, branch): (i64, Option<Branch>)) -> Vec<u8> {
    let mut bytes = if branch.is_some() { MAGIC } else { MAGIC_CLOCK }.to_vec();
    bytes.extend_from_slice(&clock_us.to_le_bytes());
    bytes.extend(branch.iter().flat_map(|branch| branch.0.to_le_bytes()));
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// Reads the stamp of a batch view; none when there is no such file.
pub(super) fn read(
    disk: &dyn Disk,
    dir: &Path,
    boundary: Epoch,
) -> Result<Option<(i64, Option<Branch>)>> {
    let path = dir.join(paths::sealed(boundary));
    let bytes = match read_all(disk, &path, BYTES as u64) {
        Err(error) if error.is_missing() => return Ok(None),
        bytes => bytes?,
    };
    let strange = || damaged(&path, 0, "this is not when a batch view's last epoch was sealed");
    let Some((stated, sum)) = bytes.split_last_chunk::<4>() else { return Err(strange()) };
    let word = |at: usize| stated[at..].first_chunk().copied().map(u64::from_le_bytes);
    let found = match (stated.first_chunk(), bytes.len()) {
        (Some(&MAGIC), BYTES) => word(8).zip(word(16).map(|branch| Some(Branch(branch)))),
        (Some(&MAGIC_CLOCK), BYTES_CLOCK) => word(8).zip(Some(None)),
        _ => return Err(strange()),
    };
    match found {
        Some((clock, branch)) if *sum == crc32c::crc32c(stated).to_le_bytes() => {
            Ok(Some((clock.cast_signed(), branch)))
        }
        _ => Err(damaged(&path, 8, "the checksum is wrong")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_base::io::SimDisk;

    #[test]
    fn both_forms_are_read_and_damage_is_refused() {
        let disk = SimDisk::new();
        let dir = Path::new("views");
        disk.create_dir(dir).expect("a directory");
        assert_eq!(read(&disk, dir, 7).expect("nothing"), None);
        for stated in [(-5, None), (9, Some(Branch(u64::MAX)))] {
            rewrite(&disk, dir, 7, stated).expect("written");
            assert_eq!(read(&disk, dir, 7).expect("read"), Some(stated));
            let path = dir.join(paths::sealed(7));
            let whole = read_all(&disk, &path, 100).expect("bytes");
            assert_eq!(whole.len(), if stated.1.is_some() { BYTES } else { BYTES_CLOCK });
            for at in 0..whole.len() {
                let mut broken = whole.clone();
                broken[at] ^= 1;
                replace(&disk, &path, &broken).expect("written");
                assert!(read(&disk, dir, 7).is_err_and(|error| error.is_damaged()), "{at}");
            }
            replace(&disk, &path, &whole[..whole.len() - 1]).expect("written");
            assert!(read(&disk, dir, 7).is_err_and(|error| error.is_damaged()));
        }
    }
}
