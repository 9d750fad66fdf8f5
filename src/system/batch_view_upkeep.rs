//! The batch views of one served dataflow: checkpoints are made, and finished batch views are taken
//! up as the base of its index.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::check_batch_view_fits::check_log;
use super::checkpoint::{remove_old, remove_unfinished};
use super::checkpoint_pace::{Behind, CheckpointPace, Checkpoints, CheckpointsUnderWay};
use super::diff_versions::contents;
use super::memory_budget::MemoryBudget;
use super::rebuild_outcome::Rebuilt;
use super::rebuild_queue::RebuildQueue;
use super::restore_batch_view::{stored_base, stored_state};
use super::system::System;
use super::version_registry::Running;
use super::{BatchOptions, RebuildOptions, identity};
use crate::control::Rebuild;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::beside;
use diptych_base::limits::DRIFT_ROWS;
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, FileCheck, remove_these};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::Reader;
use diptych_serving::{Index, Pin, Read};
use diptych_speed::LaneStatus;

/// A dataflow whose batch views the keeper makes and takes up.
pub(super) struct WatchedRun {
    pub(super) definition: Definition,
    pub(super) description: Description,
    reader: Arc<Reader>,
    pub(super) index: Index,
    pins: HashMap<Epoch, Pin>,
    /// Batch views up to here have been taken up, or refused.
    passed: Epoch,
    pub(super) status: Arc<LaneStatus>,
    /// The time of the last failed recompute.
    pub(super) tried: Option<Instant>,
    /// Was it reported that the dataflow is recomputed?
    pub(super) told: bool,
    /// The checkpoints so far.
    pace: CheckpointPace,
    /// Cancels batch runs when it becomes true.
    stop: Arc<AtomicBool>,
    /// The checkpoints of all dataflows that are being made.
    under_way: Arc<CheckpointsUnderWay>,
    /// Was the batch view that it started from, and reads in place, checked whole?
    checked: bool,
}

impl WatchedRun {
    pub(super) fn new(
        running: Running,
        index: Index,
        reader: &Arc<Reader>,
        stop: &Arc<AtomicBool>,
        under_way: &Arc<CheckpointsUnderWay>,
    ) -> WatchedRun {
        let Running { definition, description, status, .. } = running;
        WatchedRun {
            definition,
            description,
            reader: Arc::clone(reader),
            index,
            pins: HashMap::new(),
            passed: 0,
            status,
            tried: None,
            told: false,
            pace: CheckpointPace::new(),
            stop: Arc::clone(stop),
            under_way: Arc::clone(under_way),
            checked: false,
        }
    }

    pub(super) fn look(
        &mut self,
        system: &System,
        options: &RebuildOptions,
        budget: &MemoryBudget,
        queue: &RebuildQueue,
    ) -> Vec<Result<Rebuild>> {
        let damaged = self.check_start(system, queue).err().map(Err);
        let is_over = self.tell_memory(budget);
        let failed = self.make(system, options, is_over, queue).err().map(Err);
        damaged.into_iter().chain(failed).chain(self.take_up(system).transpose()).collect()
    }

    /// Checks the files of the batch view that the dataflow started from, all of them, once: the
    /// start left that to the reads that meet them. A damaged batch view is removed, so that the
    /// next start does not find it; what was mapped stays readable.
    ///
    /// # Errors
    /// The damage.
    fn check_start(&mut self, system: &System, queue: &RebuildQueue) -> Result<()> {
        let boundary = self.index.boundary();
        if std::mem::replace(&mut self.checked, true) || !self.index.is_stored() {
            return Ok(());
        }
        let identity = identity(&self.description);
        let disk = Arc::clone(&system.disk);
        let whole = BatchView::open(disk, &system.root, &identity, boundary)
            .and_then(|view| beside(|| view.verify()));
        match whole {
            Err(error) if error.is_damaged() => {
                self.status.tell_sound(0);
                remove_these(&*system.disk, &system.root, &identity, &[boundary])?;
                queue.note(&self.description.name, Err(&error));
                Err(error)
            }
            Ok(()) => {
                self.status.tell_sound(boundary);
                Ok(())
            }
            // It may have been removed meanwhile, because there are newer ones.
            Err(_) => Ok(()),
        }
    }

    /// The report of an outcome.
    pub(super) fn rebuilt(&self, outcome: Result<Rebuild>) -> Rebuilt {
        let dataflow = self.description.name.clone();
        match outcome {
            Ok(Rebuild::Swapped { boundary, took }) => {
                Rebuilt::Swapped { dataflow, boundary, took }
            }
            Ok(Rebuild::Drift { boundary, rows }) => Rebuilt::Drift { dataflow, boundary, rows },
            Ok(Rebuild::Accepted { boundary, frontier, rows }) => {
                Rebuilt::Accepted { dataflow, boundary, frontier, rows }
            }
            Err(error) => Rebuilt::Failed { dataflow, error },
        }
    }

    /// Makes a batch view from all visible events, and takes it up.
    pub(super) fn rebuild(
        &mut self,
        system: &System,
        options: &RebuildOptions,
        accept: bool,
        queue: &RebuildQueue,
    ) -> Result<Rebuild> {
        let upto = self.index.frontier();
        if upto == 0 || !self.index.base_checked()? {
            let error = Error::new(Kind::Conflict, "the dataflow has not reached its boundary");
            return Err(error.remedy("ask again when it has; /readyz says so"));
        }
        let there =
            BatchView::boundaries(&*system.disk, &system.root, &identity(&self.description));
        let there = there?.contains(&upto);
        if there && !accept {
            let message = format!("there is a batch view at F = {upto}, and no epoch since");
            return Err(Error::new(Kind::Conflict, message)
                .remedy("rebuild after the next epoch; `verify` recomputes and writes nothing"));
        }
        if !there {
            self.batch(system, upto, None, options.memory)?;
            queue.note(&self.description.name, Ok(()));
        }
        // Also when the served dataflow was fed in place up to here, and has no batch view.
        let Some(outcome) = self.swap(system, upto)? else {
            let message = format!("epoch {upto} cannot be told from later ones any more");
            return Err(Error::new(Kind::Conflict, message).remedy("ask again"));
        };
        if let Rebuild::Swapped { .. } = outcome {
            remove_old(system, &self.description)?;
        }
        Ok(outcome)
    }

    /// Pins `upto` and makes a batch view there, beside the running dataflow: from all events, or
    /// from the newest batch view, which is at `from`.
    fn batch(
        &mut self,
        system: &System,
        upto: Epoch,
        from: Option<Epoch>,
        memory: Option<u64>,
    ) -> Result<()> {
        let incremental = from.is_some();
        // An automatic batch view is useful for the next start, also when it cannot become the base
        // of the index: so the pin is bounded in bytes.
        let pin = if incremental { self.index.pin_within(upto) } else { self.index.pin(upto) };
        self.pins.insert(upto, pin?);
        let cluster = Cluster::local(1);
        let stop = Arc::clone(&self.stop);
        let range = Some(upto);
        let options =
            BatchOptions { cluster, upto: range, incremental, memory, stop, ..Default::default() };
        // A checkpoint costs what has changed: reading all files would cost the state. Those that
        // are not known to be sound are checked, and damaged ones passed over.
        let sound = from.is_some_and(|from| self.status.is_sound(from));
        let check = if sound { FileCheck::AsRead } else { FileCheck::Whole };
        let made = beside(|| system.batch_checking(check, &self.definition, &options));
        self.status.tell_sound(if made.is_ok() { upto } else { 0 });
        if let Err(error) = &made {
            self.pins.remove(&upto);
            if !error.is_conflict() {
                remove_unfinished(system, &self.description);
            }
        }
        made.map(drop)
    }

    /// Tells what the dataflow has in memory; gives whether some has to leave.
    fn tell_memory(&self, budget: &MemoryBudget) -> bool {
        budget.tell(&self.description.name, self.stays_in_files(), || {
            let views = self.index.status().views;
            let views: usize = views.iter().map(|view| view.memory_bytes).sum();
            self.status.state_size().resident_bytes.saturating_add(views as u64)
        })
    }

    /// Is its state in files, so that memory has only what came since?
    fn stays_in_files(&self) -> bool {
        self.index.keeps_views_in_files() && self.description.state_in_files
    }

    /// Makes a checkpoint when one is due, also because memory `is_over` its budget, and records
    /// its outcome at the queue of rebuilds.
    fn make(
        &mut self,
        system: &System,
        options: &RebuildOptions,
        is_over: bool,
        queue: &RebuildQueue,
    ) -> Result<()> {
        let upto = self.index.frontier();
        let never = options.checkpoints == Checkpoints::Never && !is_over;
        if upto <= self.index.boundary() || never {
            return Ok(());
        }
        let identity = identity(&self.description);
        let newest = BatchView::boundaries(&*system.disk, &system.root, &identity);
        let newest = newest.inspect_err(|error| queue.note(&self.description.name, Err(error)))?;
        let from = newest.into_iter().rfind(|at| *at <= upto).unwrap_or(0);
        if from > 0 && self.pace.state == 0 {
            let view = BatchView::open(Arc::clone(&system.disk), &system.root, &identity, from);
            // An error here is reported when the next batch view is made.
            match view {
                Ok(view) => self.pace.know(&view, self.stays_in_files()),
                Err(_) => self.pace.state = 1,
            }
        }
        if let Some(error) = self.pace.too_large(options.checkpoints) {
            return Err(error);
        }
        let reader = &self.reader;
        let behind = || Behind { epochs: upto - from, bytes: reader.bytes_from(from) };
        let due = is_over && self.pace.may_relieve();
        if !(due || self.pace.is_due(options.checkpoints, behind)) || !self.index.base_checked()? {
            return Ok(());
        }
        let Some(_room) = self.under_way.begin(self.pace.bytes_in_memory()) else {
            // Due at a later look, when the others are made.
            return Ok(());
        };
        self.pace.begin();
        let made = match self.batch(system, upto, Some(from), options.memory) {
            Ok(()) => remove_old(system, &self.description),
            // Another process makes one, which is enough.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        };
        self.pace.end(made.is_err());
        queue.note(&self.description.name, made.as_ref().copied());
        made
    }

    /// Pins the boundaries of batch views in the making, and puts finished ones into the index.
    fn take_up(&mut self, system: &System) -> Result<Option<Rebuild>> {
        let identity = identity(&self.description);
        let boundary = self.index.boundary();
        for begun in BatchView::begun(&*system.disk, &system.root, &identity)? {
            // A batch view outside the index's times cannot be compared, and is of no use.
            if begun > boundary.max(self.passed)
                && !self.pins.contains_key(&begun)
                && let Ok(pin) = self.index.pin(begun)
            {
                self.pins.insert(begun, pin);
            }
        }
        let finished = BatchView::boundaries(&*system.disk, &system.root, &identity)?;
        let frontier = self.index.frontier();
        let newest = finished.into_iter().rfind(|at| *at <= frontier && *at > self.passed);
        let newest = newest.filter(|at| *at > boundary);
        newest.map_or(Ok(None), |at| self.swap(system, at))
    }

    /// Puts the batch view at `at` into the index, if it equals the served views there. None when
    /// the pin was let go because too much has come since: then the index stays as it is.
    fn swap(&mut self, system: &System, at: Epoch) -> Result<Option<Rebuild>> {
        self.passed = at;
        let pin = self.pins.remove(&at);
        // Earlier batch views are not taken up any more, also when this one fails.
        self.pins.retain(|pinned, _| *pinned > at);
        if pin.as_ref().is_some_and(Pin::is_let_go) {
            return Ok(None);
        }
        let begun = Instant::now();
        let identity = identity(&self.description);
        let view = BatchView::open(Arc::clone(&system.disk), &system.root, &identity, at)?;
        check_log(&view, &self.reader)?;
        self.pace.know(&view, self.stays_in_files());
        let pin = match pin {
            Some(pin) => pin,
            None => self.index.pin(at)?,
        };
        let outcome = match self.replace_base(&pin, &view) {
            Ok(()) => Rebuild::Swapped { boundary: at, took: begun.elapsed() },
            Err(error) if error.is_damaged() => {
                Rebuild::Drift { boundary: at, rows: self.differing(&view)? }
            }
            Err(_) if pin.is_let_go() => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(outcome))
    }

    /// Puts the views of `view` in the place of everything before it.
    fn replace_base(&self, pin: &Pin, view: &BatchView) -> Result<()> {
        if self.index.keeps_views_in_files() {
            let stored = stored_base(&self.description, view)?;
            let state = stored_state(&self.description, view)?;
            beside(|| self.index.replace_stored_base(pin, stored))?;
            // The views are the same there, so the accumulations are, too.
            if let Some(state) = state {
                self.status.offer_state(state);
            }
            return Ok(());
        }
        let names: Vec<_> = self.description.views.iter().map(|view| &view.name).collect();
        let base = beside(|| view.base(&names, self.index.shards()))?;
        self.index.replace_base(pin, base)
    }

    /// The first rows of all views that differ between the served views and `rebuilt`.
    fn differing(&self, rebuilt: &BatchView) -> Result<Vec<String>> {
        let ours = self.index.snapshot(Read::AsOf(rebuilt.boundary() - 1))?;
        let theirs = contents(rebuilt)?;
        let mut rows = Vec::new();
        for (id, view) in ours.views().iter().enumerate() {
            for row in ours.difference(id, &theirs, id).take(DRIFT_ROWS) {
                let row = row?;
                let cells = view.schema.decode(&row.key, &row.value)?;
                let cells: Vec<_> = cells.iter().map(ToString::to_string).collect();
                let sign = if row.multiplicity > 0 { "only rebuilt" } else { "only served" };
                rows.push(format!("{} ({}): {sign}", view.name, cells.join(", ")));
            }
        }
        Ok(rows)
    }
}
