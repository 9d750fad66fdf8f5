//! Removal of batch views: unfinished ones, and old ones that are not needed any more.

use std::path::Path;

use super::paths::{self, Identity};
use diptych_base::error::Result;
use diptych_base::io::Disk;
use diptych_base::time::Epoch;

/// Removes all files that do not belong to a finished batch view. The caller holds the writers'
/// lock.
pub(super) fn remove_unfinished(disk: &dyn Disk, dir: &Path, files: &[String]) -> Result<()> {
    let mut removed = false;
    for file in files {
        let Some(boundary) = paths::boundary_of(file) else { continue };
        let manifest = paths::manifest(boundary);
        let draft = *file == format!("{manifest}.tmp") || *file == paths::begun(boundary);
        if draft || !files.contains(&manifest) {
            disk.remove(&dir.join(file))?;
            removed = true;
        }
    }
    if removed { disk.sync_dir(dir) } else { Ok(()) }
}

/// Removes the finished batch views below `before`, and everything unfinished. Readers that have
/// one open keep what they have mapped; parts they have not mapped yet are gone.
///
/// # Errors
/// A conflict when a batch view is being written; what the disk reports.
pub fn remove_before(
    disk: &dyn Disk,
    root: &Path,
    identity: &Identity,
    before: Epoch,
) -> Result<()> {
    remove_if(disk, root, identity, |boundary| boundary < before)
}

/// Removes the finished batch views whose boundary is in the list, and everything unfinished; see
/// [`remove_before`].
///
/// # Errors
/// As [`remove_before`].
pub fn remove_these(
    disk: &dyn Disk,
    root: &Path,
    identity: &Identity,
    boundaries: &[Epoch],
) -> Result<()> {
    remove_if(disk, root, identity, |boundary| boundaries.contains(&boundary))
}

fn remove_if(
    disk: &dyn Disk,
    root: &Path,
    identity: &Identity,
    unwanted: impl Fn(Epoch) -> bool,
) -> Result<()> {
    let dir = identity.dir(root);
    let _lock = disk.lock(&dir.join("lock"))?;
    let files = disk.list(&dir)?;
    // The manifests first, and durably: parts without one are unfinished, never half a view.
    for file in &files {
        let old = paths::boundary_of(file).filter(|boundary| unwanted(*boundary));
        if old.is_some_and(|boundary| *file == paths::manifest(boundary)) {
            disk.remove(&dir.join(file))?;
        }
    }
    disk.sync_dir(&dir)?;
    remove_unfinished(disk, &dir, &disk.list(&dir)?)
}
