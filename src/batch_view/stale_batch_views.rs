//! Stale batch views: finds and removes those of a history that an erasure has replaced.
//!
//! When events are erased from the log, every batch view made before holds rows derived from them.
//! The directories are therefore searched as they are on the disk, so that versions that the
//! present binary does not have are found, too.

use std::path::{Path, PathBuf};

use super::gc::remove_unfinished;
use super::manifest::BatchViewManifest;
use super::paths::{self, Identity};
use diptych_base::error::Result;
use diptych_base::io::{Disk, Lock, replace};
use diptych_base::time::{Branch, Epoch};

/// The depth of the search below `views`: dataflow, version, and one for safety.
const DEPTH: usize = 3;

/// A directory with batch views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchViewDir(PathBuf);

/// The facts of a batch view's manifest that decide whether it is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleFacts {
    /// The boundary: history is `[0, boundary)`.
    pub boundary: Epoch,
    /// The dataflow's identity and the log's; none when the manifest cannot be read.
    pub of: Option<(Identity, String)>,
}

/// All directories with batch views below `root`.
///
/// # Errors
/// When one cannot be read.
pub fn homes(disk: &dyn Disk, root: &Path) -> Result<Vec<BatchViewDir>> {
    let mut found = Vec::new();
    let mut level = vec![root.join("views")];
    for _ in 0..=DEPTH {
        let mut below = Vec::new();
        for dir in level {
            let files = match disk.list(&dir) {
                Ok(files) => files,
                Err(error) if error.is_missing() => continue,
                Err(error) => return Err(error),
            };
            below.extend(disk.dirs(&dir)?.iter().map(|name| dir.join(name)));
            if files.iter().any(|file| paths::boundary_of(file).is_some()) {
                found.push(BatchViewDir(dir));
            }
        }
        level = below;
    }
    Ok(found)
}

impl BatchViewDir {
    /// The directory of a version's batch views.
    pub fn of(root: &Path, identity: &Identity) -> BatchViewDir {
        BatchViewDir(identity.dir(root))
    }

    /// Takes the lock that keeps writers out while it is held.
    ///
    /// # Errors
    /// A conflict when a batch view is being written.
    pub fn lock(&self, disk: &dyn Disk) -> Result<Box<dyn Lock>> {
        disk.lock(&self.0.join("lock"))
    }

    /// The finished batch views, ascending; none when there is no directory.
    ///
    /// # Errors
    /// When the directory cannot be read, or a batch view is of a newer format.
    pub fn views(&self, disk: &dyn Disk) -> Result<Vec<StaleFacts>> {
        let files = match disk.list(&self.0) {
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            files => files?,
        };
        let manifests = files.iter().filter_map(|file| {
            paths::boundary_of(file).filter(|boundary| *file == paths::manifest(*boundary))
        });
        let stated = manifests.map(|boundary| {
            let of = match BatchViewManifest::read(disk, &self.0.join(paths::manifest(boundary))) {
                Ok(BatchViewManifest { dataflow, version, meta, .. }) => {
                    Some((Identity { dataflow, version }, meta.log_identity))
                }
                Err(error) if error.is_damaged() => None,
                Err(error) => return Err(error),
            };
            Ok(StaleFacts { boundary, of })
        });
        stated.collect()
    }

    /// Are there files of unfinished batch views? They are being written, or a process was killed
    /// while writing or removing them.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn has_unfinished(&self, disk: &dyn Disk) -> Result<bool> {
        let files = disk.list(&self.0)?;
        let mut boundaries = files.iter().filter_map(|file| paths::boundary_of(file));
        Ok(boundaries.any(|boundary| !files.contains(&paths::manifest(boundary))))
    }

    /// Removes the batch views for which `goes` is true, and everything unfinished, durably. The
    /// caller holds the lock. Gives the removed ones.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn remove(
        &self,
        disk: &dyn Disk,
        goes: impl Fn(&StaleFacts) -> bool,
    ) -> Result<Vec<StaleFacts>> {
        let mut gone = self.views(disk)?;
        gone.retain(|stated| goes(stated));
        // The manifests first, and durably: parts without one are unfinished, never half a view.
        for stated in &gone {
            disk.remove(&self.0.join(paths::manifest(stated.boundary)))?;
        }
        disk.sync_dir(&self.0)?;
        remove_unfinished(disk, &self.0, &disk.list(&self.0)?)?;
        Ok(gone)
    }

    /// Assigns a batch view to the log with this identity. The caller holds the lock, and knows
    /// that the events it was made from are unchanged.
    ///
    /// # Errors
    /// When there is no such batch view, it is damaged, or the disk refuses.
    pub fn belongs(&self, disk: &dyn Disk, boundary: Epoch, log_identity: &str) -> Result<()> {
        let path = self.0.join(paths::manifest(boundary));
        let mut manifest = BatchViewManifest::read(disk, &path)?;
        log_identity.clone_into(&mut manifest.meta.log_identity);
        replace(disk, &path, &manifest.to_bytes()?)?;
        // The branch of its last epoch does not exist in the new history.
        match super::last_epoch_stamp::read(disk, &self.0, boundary)? {
            Some((clock, _)) => {
                let branch = Some(log_identity.parse::<Branch>()?);
                super::last_epoch_stamp::rewrite(disk, &self.0, boundary, (clock, branch))
            }
            None => Ok(()),
        }
    }
}
