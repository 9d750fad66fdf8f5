//! Erasure of events from history, and from everything that was derived from them.
//!
//! The log's part is `log/erase`. This module handles the batch views: those of dataflows that read
//! the stream are removed as soon as the new history is in force, before anything is recomputed,
//! because they hold erased data; a process killed in between leaves none that is used, since they
//! name the former history, and the next writer removes them. Their rows are in memory until they
//! have been compared with those of the new history.

use std::sync::Arc;

use super::diff_versions::index_of;
use super::system::System;
use super::{BatchOptions, identity};
use diptych_base::error::{Error, Result};
use diptych_base::io::{Lock, RealClock, RealRandom};
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchViewDir, Identity, StaleFacts, homes};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::{self as log, Chooser, Erased, Reader};
use diptych_serving::{Digest, Index, Read, Rewritten, Snapshot, ViewDiff, view_diffs};

/// The options of an erasure: the events to erase, and the dataflows to recompute.
pub struct EraseOptions<'a> {
    /// The stream of the events.
    pub stream: &'a str,
    /// Gives the function that chooses events of a schema; see [`Reader::places`].
    pub choose: &'a dyn Fn(&arrow_schema::SchemaRef) -> Result<Option<Chooser>>,
    /// The reason, for the record.
    pub reason: &'a str,
    /// The dataflows to recompute and compare, as far as they read the stream.
    pub recompute: &'a [Definition],
    /// Also recomputes those of them without a batch view, whose former answers are computed first.
    pub also_without: bool,
    /// Dataflows of this binary: batch views of those that do not read the stream are kept.
    pub known: &'a [Definition],
    /// The workers that recompute.
    pub cluster: Cluster,
    /// The number of keys of each view that are given with their rows.
    pub samples: usize,
}

/// The effects of an erasure on a data directory.
#[derive(Debug)]
pub struct ErasedData {
    /// The effects on the log.
    pub log: Erased,
    /// The dataflows that were recomputed.
    pub dataflows: Vec<ErasedDataflow>,
    /// Batch views that were removed: dataflow, version, boundary.
    pub removed: Vec<(String, String, Epoch)>,
    /// The errors of dataflows that were not recomputed.
    pub failed: Vec<Error>,
}

/// The effects of an erasure on the answers of a dataflow.
#[derive(Debug)]
pub struct ErasedDataflow {
    /// Its name.
    pub dataflow: String,
    /// Its version.
    pub version: String,
    /// The boundary: both sides are of the history below this epoch.
    pub boundary: Epoch,
    /// Its views.
    pub views: Vec<ErasedView>,
}

/// The effects of an erasure on a view.
#[derive(Debug)]
pub struct ErasedView {
    /// Rows and digest before.
    pub before: (u64, Digest),
    /// Rows and digest now.
    pub after: (u64, Digest),
    /// The rows that differ.
    pub diff: ViewDiff,
}

/// A dataflow whose answers are to be compared, with those from before.
struct Before {
    definition: Definition,
    description: Description,
    boundary: Epoch,
    index: Index,
}

/// The state of the batch views before the history changes.
#[derive(Default)]
struct Prepared {
    locks: Vec<Box<dyn Lock>>,
    locked: Vec<BatchViewDir>,
    before: Vec<Before>,
    /// Batch views that do not depend on the stream.
    stay: Vec<(BatchViewDir, Epoch)>,
}

impl System {
    /// Erases events from the log, removes the batch views that were derived from them, recomputes
    /// and compares. None when no event matches; then nothing is changed, but the remains of an
    /// interrupted erasure are removed.
    ///
    /// # Errors
    /// A conflict when the log or a batch view is being written; and as [`log::erase`]. Later
    /// failures are in [`ErasedData::failed`].
    pub fn erase(&self, options: &EraseOptions<'_>) -> Result<Option<ErasedData>> {
        let mut prepared = Prepared::default();
        let found = log::erase(
            Arc::clone(&self.disk),
            self.root.join("log"),
            &RealClock,
            &RealRandom,
            log::EraseRequest {
                stream: options.stream,
                reason: options.reason,
                choose: options.choose,
                ready: &mut || {
                    prepared = self.prepare_erasure(options)?;
                    Ok(())
                },
            },
        )?;
        let reader = self.reader()?;
        let Some(log) = found else {
            self.remove_former(&reader)?;
            return Ok(None);
        };
        let Prepared { locks, locked, before, stay } = prepared;
        let disk = &*self.disk;
        let mut failed = Vec::new();
        let now = reader.identity();
        for (home, boundary) in &stay {
            failed.extend(home.belongs(disk, *boundary, &now).err());
        }
        let mut removed = Vec::new();
        for home in self.homes()? {
            // A directory made since then has a writer, whose batch view will be refused.
            let lock = (!locked.contains(&home)).then(|| home.lock(disk)).transpose();
            let gone = lock.and_then(|_lock| home.remove(disk, |stated| !is_of(stated, &now)));
            match gone {
                Ok(gone) => removed.extend(gone.into_iter().map(named)),
                Err(error) => failed.push(error.within("a batch view of before is still there")),
            }
        }
        drop(locks);
        let mut dataflows = Vec::new();
        for before in before {
            let name = before.description.name.clone();
            match self.erased_dataflow(before, options) {
                Ok(dataflow) => dataflows.push(dataflow),
                Err(error) => failed.push(error.within(format!("{name} is not recomputed"))),
            }
        }
        Ok(Some(ErasedData { log, dataflows, removed, failed }))
    }

    /// The directories with batch views: those to restore from, those of the past, and those that
    /// a killed run has left between its steps.
    fn homes(&self) -> Result<Vec<BatchViewDir>> {
        let mut found = homes(&*self.disk, &self.root)?;
        found.extend(homes(&*self.disk, &self.past())?);
        found.extend(homes(&*self.disk, &self.steps())?);
        Ok(found)
    }

    /// Locks all batch views, and reads those that will be compared.
    fn prepare_erasure(&self, options: &EraseOptions<'_>) -> Result<Prepared> {
        let disk = &*self.disk;
        let mut prepared = Prepared { locked: self.homes()?, ..Prepared::default() };
        for home in &prepared.locked {
            prepared.locks.push(home.lock(disk).map_err(|error| {
                error.within("nothing is erased").remedy("let the batch run end, or stop it")
            })?);
        }
        let reader = self.reader()?;
        let upper = reader.upper()?;
        let now = reader.identity();
        for definition in options.known {
            let description = definition.describe()?;
            if !reads(&description, options.stream) {
                let home = BatchViewDir::of(&self.root, &identity(&description));
                let views = home.views(disk)?.into_iter().filter(|stated| is_of(stated, &now));
                prepared.stay.extend(views.map(|stated| (home.clone(), stated.boundary)));
            }
        }
        for definition in options.recompute {
            let description = definition.describe()?;
            if !reads(&description, options.stream) {
                continue;
            }
            let (found, damaged) = self.newest(&description, upper)?;
            let whole = found.filter(|view| view.log_identity() == now);
            let (boundary, index) = match whole {
                Some(view) => (view.boundary(), index_of(&view)?),
                None if options.also_without || !damaged.is_empty() => {
                    let cluster = options.cluster.clone();
                    (upper, self.recompute(definition, upper, cluster, true)?)
                }
                None => continue,
            };
            let definition = definition.clone();
            prepared.before.push(Before { definition, description, boundary, index });
        }
        Ok(prepared)
    }

    /// Recomputes a dataflow and compares its answers with those from before.
    fn erased_dataflow(&self, old: Before, options: &EraseOptions<'_>) -> Result<ErasedDataflow> {
        let Before { definition, description, boundary, index } = old;
        let batch = BatchOptions {
            cluster: options.cluster.clone(),
            upto: Some(boundary),
            ..BatchOptions::default()
        };
        self.batch(&definition, &batch)?;
        let view = self.batch_view(&description.name, &description.version, boundary)?;
        let before = index.snapshot(Read::Latest)?;
        let now = index_of(&view)?;
        let after = now.snapshot(Read::Latest)?;
        let diffs = view_diffs(&before, &after, options.samples)?;
        let views = diffs.into_iter().map(|diff| {
            let before = size(&before, &diff.view)?;
            let after = size(&after, &diff.view)?;
            Ok(ErasedView { before, after, diff })
        });
        let views = views.collect::<Result<_>>()?;
        let Description { name: dataflow, version, .. } = description;
        Ok(ErasedDataflow { dataflow, version, boundary, views })
    }

    /// Removes the batch views of histories before an erasure, which an interrupted erasure has
    /// left. Where a writer holds the lock, they are left to the next call.
    pub(super) fn remove_former(&self, reader: &Reader) -> Result<()> {
        let erasures = reader.erasures();
        if erasures.is_empty() {
            return Ok(());
        }
        let former: Vec<_> = erasures.iter().map(log::Erasure::former).collect();
        let goes = |stated: &StaleFacts| former.iter().any(|identity| is_of(stated, identity));
        for home in self.homes()? {
            let former = home.views(&*self.disk)?.iter().any(goes);
            if former || home.has_unfinished(&*self.disk)? {
                match home.lock(&*self.disk) {
                    Ok(_lock) => drop(home.remove(&*self.disk, goes)?),
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// The mark of the rewritten history for an index; none when no events were erased.
pub(super) fn rewritten(reader: &Reader) -> Option<Rewritten> {
    let last = reader.erasures().pop()?;
    let mark = format!("e{}", &reader.identity()[..8]);
    Some(Rewritten { mark, at: last.at().to_string() })
}

fn reads(description: &Description, stream: &str) -> bool {
    description.streams.iter().any(|info| info.name == stream)
}

fn is_of(stated: &StaleFacts, log_identity: &str) -> bool {
    stated.of.as_ref().is_some_and(|(_, of)| of == log_identity)
}

fn named(stated: StaleFacts) -> (String, String, Epoch) {
    let unknown = || (Identity::new("?", "?"), String::new());
    let (Identity { dataflow, version }, _) = stated.of.unwrap_or_else(unknown);
    (dataflow, version, stated.boundary)
}

/// The number of rows of a view, counted with multiplicity, and their digest.
fn size(snapshot: &Snapshot, view: &str) -> Result<(u64, Digest)> {
    let mut rows = 0;
    let mut digest = Digest::default();
    if let Some(id) = snapshot.views().iter().position(|info| info.name == view) {
        for row in snapshot.scan(id) {
            let row = row?;
            rows += row.multiplicity.unsigned_abs() as u64;
            digest.add(&row.key, &row.value, row.multiplicity);
        }
    }
    Ok((rows, digest))
}
