//! The names of a batch view's files and directories.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use diptych_base::time::Epoch;

/// The identity of batch views: a dataflow and its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The name of the dataflow.
    pub dataflow: String,
    /// Its version.
    pub version: String,
}

impl Identity {
    /// The version `version` of the dataflow called `dataflow`.
    pub fn new(dataflow: impl Into<String>, version: impl Into<String>) -> Self {
        Identity { dataflow: dataflow.into(), version: version.into() }
    }

    /// The directory of its batch views, below `root`.
    pub fn dir(&self, root: &Path) -> PathBuf {
        root.join("views").join(file_safe(&self.dataflow)).join(file_safe(&self.version))
    }
}

/// Encodes any text as a file name: letters, digits, `-`, `_` are kept, all other bytes become
/// `%XX`. Different texts get different names.
fn file_safe(name: &str) -> String {
    let mut safe = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    // An empty name would be the directory above.
    if safe.is_empty() { "%".into() } else { safe }
}

/// The kind of a part's contents: an accumulation or a view.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(super) enum PartKind {
    Accumulation,
    View,
}

/// The name of a part's file, of run `run`.
pub(super) fn part(
    boundary: Epoch,
    (kind, name): (PartKind, &str),
    worker: u64,
    run: u64,
) -> String {
    let kind = match kind {
        PartKind::Accumulation => "accumulation",
        PartKind::View => "view",
    };
    let of_worker = format!("{boundary:020}.{kind}.{}.{worker}", file_safe(name));
    if run == 0 { of_worker } else { format!("{of_worker}.{run}") }
}

/// The name of the manifest, whose presence makes the parts a batch view.
pub(super) fn manifest(boundary: Epoch) -> String {
    format!("{boundary:020}.manifest")
}

/// The name of the file with the stamp of the last epoch.
pub(super) fn sealed(boundary: Epoch) -> String {
    format!("{boundary:020}.sealed")
}

/// The name of the file that marks a batch view in the making, from the moment its boundary is
/// decided.
pub(super) fn begun(boundary: Epoch) -> String {
    format!("{boundary:020}.begun")
}

/// The boundary in a file's name; none for other files.
pub(super) fn boundary_of(file: &str) -> Option<Epoch> {
    let (digits, _) = file.split_once('.')?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_stay_apart(a in ".{0,6}", b in ".{0,6}") {
            prop_assert_eq!(a == b, file_safe(&a) == file_safe(&b));
            let path = Identity::new(a, "..").dir(Path::new("root"));
            prop_assert_eq!(path.components().count(), 4);
            prop_assert!(path.starts_with("root/views") && path.ends_with("%2E%2E"));
        }
    }

    #[test]
    fn a_file_names_its_boundary() {
        assert_eq!(boundary_of(&part(7, (PartKind::View, "a.b"), 1, 2)), Some(7));
        assert_eq!(boundary_of(&manifest(Epoch::MAX)), Some(Epoch::MAX));
        assert_eq!(boundary_of("lock"), None);
    }
}
