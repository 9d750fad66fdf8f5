//! The record of the version that was deployed into a running process: the binary may have several
//! versions of a dataflow, and a restart has to serve this one.

use std::path::{Path, PathBuf};

use super::block::damaged;
use super::paths::Identity;
use diptych_base::error::Result;
use diptych_base::io::{Disk, read_all, replace};
use diptych_base::limits::VERSION_RECORD_BYTES_MAX;

const FILE: &str = "current";
const CRC: usize = 4;

/// The path of the record, beside the directories of the dataflow's versions.
fn place(root: &Path, dataflow: &str) -> PathBuf {
    let mut place = Identity::new(dataflow, "").dir(root);
    place.pop();
    place.join(FILE)
}

/// The recorded version of a dataflow; none when none was recorded.
///
/// # Errors
/// Damage; what the disk reports.
pub fn recorded_version(disk: &dyn Disk, root: &Path, dataflow: &str) -> Result<Option<String>> {
    let path = place(root, dataflow);
    let mut bytes = match read_all(disk, &path, VERSION_RECORD_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = |offset, what: &str| {
        damaged(&path, offset, what).remedy("remove this file: the first version serves then")
    };
    let Some(at) = bytes.len().checked_sub(CRC) else {
        return Err(damaged(0, "it is shorter than its checksum"));
    };
    let stated = bytes.split_off(at);
    if stated != crc32c::crc32c(&bytes).to_le_bytes() {
        return Err(damaged(at as u64, "the checksum is wrong"));
    }
    let version = String::from_utf8(bytes);
    // An empty version is written when the first record is taken back.
    let version = version.map_err(|_| damaged(0, "a version that is no text"))?;
    Ok(Some(version).filter(|version| !version.is_empty()))
}

/// Records the version of a dataflow that serves, durably.
///
/// # Errors
/// What the disk reports.
pub fn record_version(
    disk: &dyn Disk,
    root: &Path,
    dataflow: &str,
    version: Option<&str>,
) -> Result<()> {
    let path = place(root, dataflow);
    if let Some(dir) = path.parent() {
        disk.create_dir(dir)?;
    }
    let version = version.unwrap_or_default().as_bytes();
    let bytes = [version, &crc32c::crc32c(version).to_le_bytes()].concat();
    replace(disk, &path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_base::io::SimDisk;

    #[test]
    fn what_was_recorded_is_found_or_damaged() {
        let disk = SimDisk::new();
        let root = Path::new("data");
        assert_eq!(recorded_version(&disk, root, "a b").expect("nothing"), None);
        record_version(&disk, root, "a b", Some("2")).expect("written");
        assert_eq!(recorded_version(&disk, root, "a b").expect("read").as_deref(), Some("2"));
        assert_eq!(recorded_version(&disk, root, "a").expect("read"), None);
        let path = place(root, "a b");
        let whole = read_all(&disk, &path, 100).expect("bytes");
        assert_eq!(whole, [b'2', 0x17, 0x6a, 0xa5, 0x83], "as it was written ever since");
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            replace(&disk, &path, &broken).expect("written");
            let error = recorded_version(&disk, root, "a b").expect_err("damaged");
            assert!(error.is_damaged() && error.to_string().contains("current"), "{error}");
        }
        record_version(&disk, root, "a b", None).expect("written");
        assert_eq!(recorded_version(&disk, root, "a b").expect("read"), None);
    }
}
