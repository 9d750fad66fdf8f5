//! Backups: consistent copies of a data directory, made while another process writes it.

use std::path::Path;
use std::sync::Arc;

use super::system::System;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{RealDisk, RealRandom};
use diptych_base::time::Epoch;
use diptych_batch_view::{Identity, lineage_in_force, set_lineage};
use diptych_dataflow::Definition;
use diptych_log::inspect;

/// The contents of a backup, or of a directory restored from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The first epoch that is not in the backup.
    pub upper: Epoch,
    /// Batch views: dataflow, version, boundary.
    pub batch_views: Vec<(String, String, Epoch)>,
    /// Bytes copied.
    pub bytes: u64,
}

impl System {
    /// Copies the log up to its last sealed epoch, and the newest whole batch view of each of the
    /// dataflows, to the directory `to` on this machine's disk, then reads the copied log back and
    /// verifies every checksum.
    ///
    /// # Errors
    /// A conflict when `to` is not empty; damage in the copied files (the copy is of no use then);
    /// what the disks report.
    pub fn backup(&self, definitions: &[Definition], to: &Path) -> Result<Backup> {
        let target = System { disk: Arc::new(RealDisk), root: to.to_owned() };
        target.disk.create_dir(to)?;
        if let Some(name) = target.disk.list(to)?.first() {
            let message = format!("{} is not empty: it has {name}", to.display());
            return Err(Error::new(Kind::Conflict, message).remedy("choose a new directory"));
        }
        let reader = self.reader()?;
        // Batch views before the log: the epochs they were made from are then in the copy.
        let mut views = Vec::new();
        for definition in definitions {
            views.extend(self.newest(&definition.describe()?, Epoch::MAX)?.0);
        }
        let log = reader.copy_to(Arc::clone(&target.disk), &to.join("log"), &RealRandom)?;
        let mut backup = Backup { upper: log.upper, batch_views: Vec::new(), bytes: log.bytes };
        for view in views {
            if view.log_identity() == reader.identity() && view.boundary() <= log.upper {
                backup.bytes += view.copy_to(&target.disk, to)?;
                let identity = view.identity();
                let (known, unreadable) = lineage_in_force(&*self.disk, &self.root, &identity);
                unreadable.iter().for_each(|error| tracing::warn!("{error}"));
                if let Some(boundary) = known {
                    set_lineage(&*target.disk, to, &identity, Some(boundary))?;
                }
                let Identity { dataflow, version } = identity;
                backup.batch_views.push((dataflow, version, view.boundary()));
            }
        }
        for definition in definitions {
            self.copy_record(definition.name(), &target)?;
        }
        let check = inspect::check(Arc::clone(&target.disk), to.join("log"))?;
        match check.damage.into_iter().next() {
            Some(error) => Err(error.within("the copy")),
            None => Ok(backup),
        }
    }
}
