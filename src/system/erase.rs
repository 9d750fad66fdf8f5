//! Erasing events from history, and everything that was derived from them.
//!
//! The log's part is `log/erase`. Here its batch views follow: those of dataflows that read the
//! stream are removed as soon as the new history is in force, before anything is recomputed,
//! because they hold what must go; whoever is killed in between leaves none that is used, for they
//! name the history before, and the next writer removes them. What they said is in memory until it
//! has been compared with what the new history says.

use std::sync::Arc;

use super::diff::index_of;
use super::{BatchOptions, System, identity};
use diptych_base::error::{Error, Result};
use diptych_base::io::{Lock, RealClock, RealRandom};
use diptych_base::time::Epoch;
use diptych_batch_view::{Home, Identity, Stated, homes};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::{self as log, Chooser, Erased, Reader};
use diptych_serving::{Digest, Index, Read, Rewritten, Snapshot, ViewDiff, view_diffs};

/// Which events are to be erased, and what is recomputed.
pub struct EraseOptions<'a> {
    /// The stream they are in.
    pub stream: &'a str,
    /// Chooses among the events of a schema; see [`Reader::places`].
    pub choose: &'a dyn Fn(&arrow_schema::SchemaRef) -> Result<Option<Chooser>>,
    /// Why, for the record.
    pub reason: &'a str,
    /// What is recomputed and compared, of the dataflows that read the stream.
    pub recompute: &'a [Definition],
    /// Also those of them that had no batch view; what they would have said is computed before.
    pub also_without: bool,
    /// Dataflows of this binary: batch views of those that do not read the stream are kept.
    pub known: &'a [Definition],
    /// Who recomputes.
    pub cluster: Cluster,
    /// How many keys of each view are given with their rows.
    pub samples: usize,
}

/// What an erasure did to a data directory.
#[derive(Debug)]
pub struct ErasedData {
    /// What it did to the log.
    pub log: Erased,
    /// The dataflows that were recomputed.
    pub dataflows: Vec<ErasedDataflow>,
    /// Batch views that were removed: dataflow, version, boundary.
    pub removed: Vec<(String, String, Epoch)>,
    /// What was not recomputed, and why.
    pub failed: Vec<Error>,
}

/// What an erasure did to the answers of a dataflow.
#[derive(Debug)]
pub struct ErasedDataflow {
    /// Its name.
    pub dataflow: String,
    /// Its version.
    pub version: String,
    /// Both sides are of the history below this epoch.
    pub boundary: Epoch,
    /// Its views.
    pub views: Vec<ErasedView>,
}

/// What an erasure did to a view.
#[derive(Debug)]
pub struct ErasedView {
    /// Rows and digest before.
    pub before: (u64, Digest),
    /// Rows and digest now.
    pub after: (u64, Digest),
    /// The rows that differ.
    pub diff: ViewDiff,
}

/// A dataflow whose answers are to be compared.
struct Before {
    definition: Definition,
    description: Description,
    boundary: Epoch,
    index: Index,
}

/// What is known of the batch views before the history changes.
#[derive(Default)]
struct Prepared {
    locks: Vec<Box<dyn Lock>>,
    locked: Vec<Home>,
    before: Vec<Before>,
    /// Batch views that do not depend on the stream.
    stay: Vec<(Home, Epoch)>,
}

impl System {
    /// Erases events from the log, removes the batch views that were derived from them, recomputes
    /// and compares. None when no event matches; then nothing is changed, but what an interrupted
    /// erasure left is removed.
    ///
    /// # Errors
    /// A conflict when the log or a batch view is being written; and as [`log::erase`]. What fails
    /// afterwards is in [`ErasedData::failed`].
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
            // One that was made since then is being written: what comes of it is refused.
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

    /// Where there are batch views: those that are restored from, and those of the past.
    fn homes(&self) -> Result<Vec<Home>> {
        let mut found = homes(&*self.disk, &self.root)?;
        found.extend(homes(&*self.disk, &self.past())?);
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
                let home = Home::of(&self.root, &identity(&description));
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

    /// Recomputes a dataflow and compares.
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

    /// Removes the batch views of histories before an erasure, which one that was interrupted has
    /// left. Where somebody is writing, they are left to the next one.
    pub(super) fn remove_former(&self, reader: &Reader) -> Result<()> {
        let erasures = reader.erasures();
        if erasures.is_empty() {
            return Ok(());
        }
        let former: Vec<_> = erasures.iter().map(log::Erasure::former).collect();
        let goes = |stated: &Stated| former.iter().any(|identity| is_of(stated, identity));
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

/// What an index is told of the history it serves.
pub(super) fn rewritten(reader: &Reader) -> Option<Rewritten> {
    let last = reader.erasures().pop()?;
    let mark = format!("e{}", &reader.identity()[..8]);
    Some(Rewritten { mark, at: last.at().to_string() })
}

fn reads(description: &Description, stream: &str) -> bool {
    description.streams.iter().any(|info| info.name == stream)
}

fn is_of(stated: &Stated, log_identity: &str) -> bool {
    stated.of.as_ref().is_some_and(|(_, of)| of == log_identity)
}

fn named(stated: Stated) -> (String, String, Epoch) {
    let unknown = || (Identity::new("?", "?"), String::new());
    let (Identity { dataflow, version }, _) = stated.of.unwrap_or_else(unknown);
    (dataflow, version, stated.boundary)
}

/// How many rows a view has, each as often as it is there, and their digest.
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
