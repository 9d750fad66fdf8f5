//! Rebuilds under readers: a newer batch view replaces the base of the index while serving goes on.
//!
//! A batch run (`diptych batch` in a process of its own, or a checkpoint of this process) announces
//! its boundary F' first, and the serving process pins F': no merge crosses it. When the batch view
//! is whole, its digests are compared with those of the served views at F'. Equal: the base of the
//! index is replaced, in one swap, and no answer changes. Different: one of the two is wrong; the
//! first differing rows are reported, and the served views stay.
//!
//! A rebuild from all events can also be requested. Each dataflow has a thread of its own that
//! makes and takes up its batch views, so no dataflow waits for the batch run of another.
//!
//! The comparison is worth as much as the batch run is independent: one over all events
//! recomputes everything with other workers and other epochs; an incremental one shares the
//! accumulations it continues.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::batch_view_upkeep::WatchedRun;
use super::checkpoint_pace::{Checkpoints, CheckpointsUnderWay};
use super::deploy::accept;
use super::memory_budget::MemoryBudget;
use super::rebuild_outcome::Rebuilt;
use super::rebuild_queue::RebuildQueue;
use super::retraction_recovery::{RetractionRecovery, recover};
use super::system::System;
use super::version_registry::{Current, Running};
use super::{Served, WriterSlot};
use crate::control::{Rebuild, Turn};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{REBUILD_LOOK, RECOVERY_RETRY, WORKERS_GRACE};
use diptych_base::lock_mutex::lock;
use diptych_dataflow::Definition;
use diptych_engine::ended_by;
use diptych_log::Reader;
use diptych_serving::Index;
use diptych_speed::LaneStatus;

/// The options for batch views while serving.
#[derive(Clone, Debug)]
pub struct RebuildOptions {
    /// The policy of checkpoints.
    pub checkpoints: Checkpoints,
    /// The interval of looking for batch views that other processes make.
    pub look: Duration,
    /// Has a batch view serve though it differs from the served views.
    pub accept: bool,
    /// The bytes that views and accumulations of all dataflows may have in memory together. With
    /// more, a checkpoint is due of those with the largest part, whatever `checkpoints` says, and
    /// what it has leaves memory. Of use where
    /// [views stay in files](diptych_serving::IndexOptions::views_in_files). By default any.
    pub memory: Option<u64>,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        let checkpoints = Checkpoints::Never;
        RebuildOptions { checkpoints, look: REBUILD_LOOK, accept: false, memory: None }
    }
}

/// A handle to the threads that make and take up batch views, one for each dataflow; dropping the
/// handle cancels their batch runs and ends them.
pub struct Rebuilds {
    stop: Arc<AtomicBool>,
    queue: Arc<RebuildQueue>,
    thread: Option<JoinHandle<()>>,
}

impl System {
    /// Takes up newer batch views of the served dataflows, and makes some, until the result is
    /// dropped; also of versions deployed meanwhile. A batch run that takes long delays no other
    /// dataflow. `tell` is called with each outcome, on the thread that does the work, with one at
    /// a time.
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
        // Indexes that another part looks after.
        let left_out: Vec<Index> = from_start.map(|entry| entry.index.clone()).collect();
        served.queue.attend(true);
        let keeper = Keeper {
            system: self.clone(),
            current: Arc::clone(&served.current),
            late: served.late.clone(),
            queue: Arc::clone(&served.queue),
            reader: Arc::clone(&served.reader),
            left_out,
            stop: Arc::clone(&stop),
            budget: MemoryBudget::new(options.memory),
            options,
            under_way: Arc::default(),
            tell: Mutex::new(tell),
        };
        let thread = std::thread::Builder::new()
            .name("rebuild".into())
            .spawn(move || Arc::new(keeper).run())
            .map_err(|error| {
                served.queue.attend(false);
                Error::io("starting the thread that rebuilds", error)
            })?;
        Ok(Rebuilds { stop, queue: Arc::clone(&served.queue), thread: Some(thread) })
    }
}

impl Drop for Rebuilds {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.queue.attend(false);
        if let Some(thread) = self.thread.take() {
            // It waits for the others; one may be in a user's function. A panic there was reported
            // when it happened.
            ended_by(&[thread], Instant::now() + WORKERS_GRACE);
        }
    }
}

/// The keeper: what the threads that make and take up batch views work with.
struct Keeper<T> {
    system: System,
    current: Arc<Current>,
    reader: Arc<Reader>,
    late: Option<WriterSlot>,
    queue: Arc<RebuildQueue>,
    left_out: Vec<Index>,
    stop: Arc<AtomicBool>,
    options: RebuildOptions,
    budget: MemoryBudget,
    under_way: Arc<CheckpointsUnderWay>,
    tell: Mutex<T>,
}

/// A version that serves, and the thread that makes and takes up its batch views.
struct Attended {
    dataflow: String,
    index: Index,
    status: Arc<LaneStatus>,
    thread: JoinHandle<()>,
}

impl<T: Fn(Rebuilt) + Send + 'static> Keeper<T> {
    /// Starts a thread for each version that serves, until told to stop.
    fn run(self: Arc<Self>) {
        let mut attended = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            self.meet(&mut attended);
            let known = |name: &str| attended.iter().any(|one| one.dataflow == name);
            let ask = self.queue.next(self.options.look, |name| !known(name));
            let Some(ask) = ask else { continue };
            // It may have been deployed since.
            self.meet(&mut attended);
            if attended.iter().any(|one| one.dataflow == ask.dataflow) {
                self.queue.put_back(ask);
            } else {
                let error = unknown(&ask.dataflow);
                ask.answer(Err(error));
            }
        }
        let threads: Vec<_> = attended.into_iter().map(|one| one.thread).collect();
        ended_by(&threads, Instant::now() + WORKERS_GRACE);
    }

    /// Starts a thread for each version that serves now and has none.
    fn meet(self: &Arc<Self>, attended: &mut Vec<Attended>) {
        // The thread of a version that does not serve any more ends by itself, after the batch run
        // that it is in. One that has panicked is replaced.
        attended.retain(|one| !one.thread.is_finished());
        for running in self.current.all() {
            let index = Index::clone(&running.index());
            let status = Arc::clone(&running.status);
            // In a cutover, readers have the new index a moment before the registry has the rest.
            let is_attended =
                |one: &Attended| one.index.is_same(&index) && Arc::ptr_eq(&one.status, &status);
            let left_out = self.left_out.iter().any(|other| other.is_same(&index));
            if left_out || attended.iter().any(is_attended) {
                continue;
            }
            let keeper = Arc::clone(self);
            let dataflow = running.name().to_owned();
            let watched = index.clone();
            let work = move || keeper.look_after(running, watched);
            let thread = std::thread::Builder::new().name(format!("rebuild {dataflow}"));
            match thread.spawn(work) {
                Ok(thread) => attended.push(Attended { dataflow, index, status, thread }),
                // Tried again at the next look.
                Err(error) => {
                    let error = Error::io("starting the thread that rebuilds", error);
                    self.report(Rebuilt::Failed { dataflow, error });
                }
            }
        }
    }

    /// Makes and takes up the batch views of one version, until another serves.
    fn look_after(&self, running: Running, index: Index) {
        let mut flow = WatchedRun::new(running, index, &self.reader, &self.stop, &self.under_way);
        while !self.is_over(&flow) {
            self.recover(&mut flow);
            if self.is_over(&flow) {
                break;
            }
            for outcome in flow.look(&self.system, &self.options, &self.budget, &self.queue) {
                self.report(flow.rebuilt(self.settle(&flow, outcome, self.options.accept)));
            }
            let name = &flow.description.name;
            let Some(ask) = self.queue.next(self.options.look, |asked| asked == name) else {
                continue;
            };
            if self.is_over(&flow) {
                // The thread of the next version answers.
                self.queue.put_back(ask);
                break;
            }
            let options = &self.options;
            let outcome = flow.rebuild(&self.system, options, ask.accept, &self.queue);
            let outcome = self.settle(&flow, outcome, ask.accept || self.options.accept);
            self.report(flow.rebuilt(outcome.clone()));
            ask.answer(outcome);
        }
        // A version that takes over tells its own at each look.
        self.budget.forget(&flow.description.name);
    }

    /// Whether serving ends, or another version of the dataflow serves.
    fn is_over(&self, flow: &WatchedRun) -> bool {
        let serves = self.current.has_status(&flow.description.name, &flow.status);
        self.stop.load(Ordering::Acquire) || flow.index.is_retired() || !serves
    }

    /// Waits until no version is being deployed.
    ///
    /// # Errors
    /// When serving ends before.
    fn turn(&self) -> Result<Turn> {
        loop {
            match self.current.turn() {
                Err(error) if error.is_conflict() && !self.stop.load(Ordering::Acquire) => {
                    std::thread::sleep(self.options.look);
                }
                turn => return turn,
            }
        }
    }

    /// Has a batch view that differs serve, when that is `wanted`.
    fn settle(&self, flow: &WatchedRun, outcome: Result<Rebuild>, wanted: bool) -> Result<Rebuild> {
        match outcome {
            Ok(Rebuild::Drift { boundary, rows }) if wanted => {
                let writer = self.late.as_ref().and_then(WriterSlot::writer);
                let system = &self.system;
                let current = &self.current;
                let stop = Arc::clone(&self.stop);
                let turn = self.turn()?;
                let definition = &flow.definition;
                let frontier = accept(system, current, definition, boundary, writer, stop, turn)?;
                Ok(Rebuild::Accepted { boundary, frontier, rows })
            }
            outcome => outcome,
        }
    }

    /// Recomputes a dataflow that is held, and tries again after a while when that fails.
    fn recover(&self, flow: &mut WatchedRun) {
        let Some(held) = flow.status.held().filter(|_| !flow.status.has_failed()) else { return };
        if flow.tried.is_some_and(|tried| tried.elapsed() < RECOVERY_RETRY) {
            return;
        }
        if !flow.told {
            flow.told = true;
            let dataflow = flow.description.name.clone();
            let because = held.to_string();
            self.report(Rebuilt::Recovering { dataflow, because });
        }
        let dataflow = flow.description.name.clone();
        let writer = self.late.as_ref().and_then(WriterSlot::writer);
        match recover(&self.system, &self.current, &dataflow, writer, &self.stop) {
            // A deployment is under way: try again at the next look.
            Ok(None) => {}
            Ok(Some(RetractionRecovery { frontier, took })) => {
                self.report(Rebuilt::Recovered { dataflow, frontier, took });
            }
            Err(error) => {
                flow.tried = Some(Instant::now());
                self.report(Rebuilt::Failed { dataflow, error });
            }
        }
    }

    fn report(&self, outcome: Rebuilt) {
        // A recompute cancelled by the end of serving is not a failure.
        let over = self.stop.load(Ordering::Acquire);
        if !(over && matches!(outcome, Rebuilt::Failed { .. })) {
            (lock(&self.tell))(outcome);
        }
    }
}

fn unknown(dataflow: &str) -> Error {
    let message = format!("no batch views are made of dataflow {dataflow:?} here");
    Error::new(Kind::Missing, message).remedy("name a dataflow that is served")
}
