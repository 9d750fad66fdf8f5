//! Rebuilds under readers: a newer batch view takes its place in the index while all goes on.
//!
//! Whoever makes one (`diptych batch` in a process of its own, or this process, as a checkpoint),
//! it states its boundary F' first, and the serving process pins F': no merge crosses it. When the
//! batch view is whole, its digests are compared with what is served at F'. Equal: the base of the
//! index is replaced, in one swap, and no answer changes. Different: one of the two is wrong; the
//! first differing rows are reported, and what is served stays.
//!
//! A rebuild from all events can also be asked for: the same thread makes it, when it is its turn.
//!
//! The comparison is worth as much as the batch run is independent: one over all events
//! recomputes everything with other workers and other epochs; an incremental one shares the
//! accumulations it continues.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::checkpoint::{remove_old, remove_unfinished};
use super::checkpoint_pace::{Behind, Checkpoints, Pace};
use super::compatibility::check_log;
use super::deploy::accept;
use super::diff::contents;
use super::rebuild_queue::Desk;
use super::rebuilt::Rebuilt;
use super::registry::{Current, Running};
use super::retraction_recovery::{Mended, mend};
use super::{BatchOptions, LateWriter, Served, System, identity};
use crate::control::Rebuild;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::beside;
use diptych_base::limits::{DRIFT_ROWS, MEND_AGAIN, REBUILD_LOOK, WORKERS_GRACE};
use diptych_base::time::Epoch;
use diptych_batch_view::BatchView;
use diptych_dataflow::{Definition, Description};
use diptych_engine::{Cluster, ended_by};
use diptych_log::Reader;
use diptych_serving::{Index, Pin, Read};
use diptych_speed::LaneStatus;

/// How batch views are kept fresh while serving.
#[derive(Clone, Debug)]
pub struct RebuildOptions {
    /// When checkpoints are made.
    pub checkpoints: Checkpoints,
    /// How often to look for batch views that other processes make.
    pub look: Duration,
    /// Has a batch view that differs from what is served take its place.
    pub accept: bool,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        let checkpoints = Checkpoints::Never;
        RebuildOptions { checkpoints, look: REBUILD_LOOK, accept: false }
    }
}

/// The thread that looks after the batch views; dropping it gives up what it is making and ends it.
pub struct Rebuilds {
    stop: Arc<AtomicBool>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl System {
    /// Takes up newer batch views of what is served, and makes some, until the result is dropped;
    /// also of what is deployed meanwhile. `tell` hears of each, on the thread that does the work.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn rebuild_under_readers(
        &self,
        served: &Served,
        definitions: &[Definition],
        options: RebuildOptions,
        tell: impl Fn(Rebuilt) + Send + 'static,
    ) -> Result<Rebuilds> {
        let stop = Arc::<AtomicBool>::default();
        let from_start = served
            .entries
            .iter()
            .filter(|entry| definitions.iter().all(|flow| flow.name() != entry.description.name));
        // Indexes that are somebody else's matter.
        let left_out: Vec<Index> = from_start.map(|entry| entry.index.clone()).collect();
        served.desk.attend(true);
        let keeper = Keeper {
            system: self.clone(),
            current: Arc::clone(&served.current),
            late: served.late.clone(),
            desk: Arc::clone(&served.desk),
            reader: Arc::clone(&served.reader),
            left_out,
            stop: Arc::clone(&stop),
            options,
            tell,
        };
        let thread = std::thread::Builder::new()
            .name("rebuild".into())
            .spawn(move || keeper.run())
            .map_err(|error| Error::io("starting the thread that rebuilds", error))?;
        Ok(Rebuilds { stop, desk: Arc::clone(&served.desk), thread: Some(thread) })
    }
}

impl Drop for Rebuilds {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            self.desk.wake();
            // It may be in a user's function. A panic there was reported when it happened.
            ended_by(&[thread], Instant::now() + WORKERS_GRACE);
        }
    }
}

/// What the thread that looks after the batch views works with.
struct Keeper<T> {
    system: System,
    current: Arc<Current>,
    reader: Arc<Reader>,
    late: Option<LateWriter>,
    desk: Arc<Desk>,
    left_out: Vec<Index>,
    stop: Arc<AtomicBool>,
    options: RebuildOptions,
    tell: T,
}

impl<T: Fn(Rebuilt)> Keeper<T> {
    fn run(self) {
        let mut flows: Vec<Watched> = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            self.meet(&mut flows);
            for flow in &mut flows {
                self.mend(flow);
                for outcome in flow.look(&self.system, &self.options, &self.desk) {
                    self.report(flow.rebuilt(self.settle(flow, outcome, self.options.accept)));
                }
            }
            let Some(ask) = self.desk.next(self.options.look) else { continue };
            let asked = flows.iter_mut().find(|flow| flow.description.name == ask.dataflow);
            let outcome = match asked {
                None => Err(unknown(&ask.dataflow)),
                Some(flow) => {
                    let outcome = flow.rebuild(&self.system, ask.accept, &self.desk);
                    let outcome = self.settle(flow, outcome, ask.accept || self.options.accept);
                    self.report(flow.rebuilt(outcome.clone()));
                    outcome
                }
            };
            ask.answer(outcome);
        }
        self.desk.attend(false);
    }

    /// Looks after the versions that serve now.
    fn meet(&self, flows: &mut Vec<Watched>) {
        flows.retain(|flow| !flow.index.is_retired());
        for running in self.current.all() {
            let index = running.index();
            let same = |other: &Index| other.is_same(&index);
            if !self.left_out.iter().any(same) && !flows.iter().any(|flow| same(&flow.index)) {
                flows.push(Watched::new(running, &self.reader, &self.stop));
            }
        }
    }

    /// Has what differs serve, when that is wanted.
    fn settle(&self, flow: &Watched, outcome: Result<Rebuild>, wanted: bool) -> Result<Rebuild> {
        match outcome {
            Ok(Rebuild::Drift { boundary, rows }) if wanted => {
                let writer = self.late.as_ref().and_then(LateWriter::writer);
                let system = &self.system;
                let current = &self.current;
                let stop = Arc::clone(&self.stop);
                let frontier = accept(system, current, &flow.definition, boundary, writer, stop)?;
                Ok(Rebuild::Accepted { boundary, frontier, rows })
            }
            outcome => outcome,
        }
    }

    /// Has what stands still recomputed, and tries again after a while when that fails.
    fn mend(&self, flow: &mut Watched) {
        let Some(held) = flow.status.held().filter(|_| !flow.status.has_failed()) else { return };
        if flow.tried.is_some_and(|tried| tried.elapsed() < MEND_AGAIN) {
            return;
        }
        if !flow.told {
            flow.told = true;
            let dataflow = flow.description.name.clone();
            let because = held.to_string();
            self.report(Rebuilt::Mending { dataflow, because });
        }
        let dataflow = flow.description.name.clone();
        let writer = self.late.as_ref().and_then(LateWriter::writer);
        match mend(&self.system, &self.current, &dataflow, writer, &self.stop) {
            // Somebody deploys: at the next look that has ended.
            Ok(None) => {}
            Ok(Some(Mended { frontier, took })) => {
                self.report(Rebuilt::Mended { dataflow, frontier, took });
            }
            Err(error) => {
                flow.tried = Some(Instant::now());
                self.report(Rebuilt::Failed { dataflow, error });
            }
        }
    }

    fn report(&self, outcome: Rebuilt) {
        // What was given up at the end is no failure.
        let over = self.stop.load(Ordering::Acquire);
        if !(over && matches!(outcome, Rebuilt::Failed { .. })) {
            (self.tell)(outcome);
        }
    }
}

/// A dataflow whose batch views are looked after.
struct Watched {
    definition: Definition,
    description: Description,
    reader: Arc<Reader>,
    index: Index,
    pins: HashMap<Epoch, Pin>,
    /// Batch views up to here have been taken up, or refused.
    passed: Epoch,
    status: Arc<LaneStatus>,
    /// When it could not be recomputed.
    tried: Option<Instant>,
    /// Whether it was told that it is recomputed.
    told: bool,
    /// The checkpoints so far.
    pace: Pace,
    /// Whether batch runs are to be given up.
    stop: Arc<AtomicBool>,
}

impl Watched {
    fn new(running: Running, reader: &Arc<Reader>, stop: &Arc<AtomicBool>) -> Watched {
        let index = Index::clone(&running.index());
        let Running { definition, description, status, .. } = running;
        let pins = HashMap::new();
        let passed = 0;
        let stop = Arc::clone(stop);
        let reader = Arc::clone(reader);
        let pace = Pace::new();
        let tried = None;
        let told = false;
        Watched {
            definition,
            description,
            reader,
            index,
            pins,
            passed,
            status,
            tried,
            told,
            pace,
            stop,
        }
    }

    fn look(
        &mut self,
        system: &System,
        options: &RebuildOptions,
        desk: &Desk,
    ) -> Vec<Result<Rebuild>> {
        let failed = self.make(system, options, desk).err().map(Err);
        failed.into_iter().chain(self.take_up(system).transpose()).collect()
    }

    /// What is told of an outcome.
    fn rebuilt(&self, outcome: Result<Rebuild>) -> Rebuilt {
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

    /// Makes a batch view from all events, as far as they are visible, and takes it up.
    fn rebuild(&mut self, system: &System, accept: bool, desk: &Desk) -> Result<Rebuild> {
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
            self.batch(system, upto, false)?;
            desk.note(&self.description.name, Ok(()));
        }
        // Also when what is served was fed in place up to here, and has no batch view.
        let Some(outcome) = self.swap(system, upto)? else {
            let message = format!("epoch {upto} cannot be told from later ones any more");
            return Err(Error::new(Kind::Conflict, message).remedy("ask again"));
        };
        if let Rebuild::Swapped { .. } = outcome {
            remove_old(system, &self.description)?;
        }
        Ok(outcome)
    }

    /// Pins `upto` and makes a batch view there, beside what runs.
    fn batch(&mut self, system: &System, upto: Epoch, incremental: bool) -> Result<()> {
        // One that is made unasked is worth what it is for the next start, also when it cannot be
        // the base of the index: no bytes are held for that without end.
        let pin = if incremental { self.index.pin_within(upto) } else { self.index.pin(upto) };
        self.pins.insert(upto, pin?);
        let cluster = Cluster::local(1);
        let stop = Arc::clone(&self.stop);
        let range = Some(upto);
        let options =
            BatchOptions { cluster, upto: range, incremental, stop, ..Default::default() };
        let made = beside(|| system.batch(&self.definition, &options));
        if let Err(error) = &made {
            self.pins.remove(&upto);
            if !error.is_conflict() {
                remove_unfinished(system, &self.description);
            }
        }
        made.map(drop)
    }

    /// Makes a checkpoint when it is time, and notes at the desk what became of it.
    fn make(&mut self, system: &System, options: &RebuildOptions, desk: &Desk) -> Result<()> {
        let upto = self.index.frontier();
        if upto <= self.index.boundary() || options.checkpoints == Checkpoints::Never {
            return Ok(());
        }
        let identity = identity(&self.description);
        let newest = BatchView::boundaries(&*system.disk, &system.root, &identity);
        let newest = newest.inspect_err(|error| desk.note(&self.description.name, Err(error)))?;
        let from = newest.into_iter().rfind(|at| *at <= upto).unwrap_or(0);
        if from > 0 && self.pace.state == 0 {
            let view = BatchView::open(Arc::clone(&system.disk), &system.root, &identity, from);
            // What is wrong with it is told by who makes one.
            self.pace.state = view.map_or(1, |view| view.bytes().max(1));
        }
        if let Some(error) = self.pace.too_large(options.checkpoints) {
            return Err(error);
        }
        let reader = &self.reader;
        let behind = || Behind { epochs: upto - from, bytes: reader.bytes_from(from) };
        if !self.pace.is_due(options.checkpoints, behind) || !self.index.base_checked()? {
            return Ok(());
        }
        self.pace.begin();
        let made = match self.batch(system, upto, true) {
            Ok(()) => remove_old(system, &self.description),
            // Another process makes one: that will do.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        };
        self.pace.end(made.is_err());
        desk.note(&self.description.name, made.as_ref().copied());
        made
    }

    /// Pins what is being made, and puts what is finished into the index.
    fn take_up(&mut self, system: &System) -> Result<Option<Rebuild>> {
        let identity = identity(&self.description);
        let boundary = self.index.boundary();
        for begun in BatchView::begun(&*system.disk, &system.root, &identity)? {
            // Outside the index's times it cannot be compared, and is of no use here.
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

    /// Puts the batch view at `at` into the index, if it is what is served there. None when too
    /// much has come since: then the index stays as it is.
    fn swap(&mut self, system: &System, at: Epoch) -> Result<Option<Rebuild>> {
        self.passed = at;
        let pin = self.pins.remove(&at);
        // Earlier batch views are not taken up any more, whatever becomes of this one.
        self.pins.retain(|pinned, _| *pinned > at);
        if pin.as_ref().is_some_and(Pin::is_let_go) {
            return Ok(None);
        }
        let begun = Instant::now();
        let identity = identity(&self.description);
        let view = BatchView::open(Arc::clone(&system.disk), &system.root, &identity, at)?;
        check_log(&view, &self.reader)?;
        self.pace.state = view.bytes().max(1);
        let names: Vec<_> = self.description.views.iter().map(|view| &view.name).collect();
        let base = beside(|| view.base(&names, self.index.shards()))?;
        let pin = match pin {
            Some(pin) => pin,
            None => self.index.pin(at)?,
        };
        let outcome = match self.index.replace_base(&pin, base) {
            Ok(()) => Rebuild::Swapped { boundary: at, took: begun.elapsed() },
            Err(error) if error.is_damaged() => {
                Rebuild::Drift { boundary: at, rows: self.differing(&view)? }
            }
            Err(_) if pin.is_let_go() => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(outcome))
    }

    /// The first rows of all views that differ between what is served and `rebuilt`.
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

fn unknown(dataflow: &str) -> Error {
    let message = format!("no batch views are made of dataflow {dataflow:?} here");
    Error::new(Kind::Missing, message).remedy("name a dataflow that is served")
}
