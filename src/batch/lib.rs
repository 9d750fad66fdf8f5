//! **The batch layer**: the function over all of history `[0, F)`, as fast as possible, into a
//! batch view on disk.
//!
//! Every part of the log is read by one worker of one process, in parallel; all of history is fed
//! at the time `F - 1`, so a key costs one update however often it occurred. The run writes the
//! accumulations and the views at F, from which the speed layer restores; the files are the same
//! whichever layer writes them.
//!
//! A run may also continue an earlier batch view: its accumulations, and the events since, fed at
//! the same time. Accumulations are commutative, so the result is the same to the byte; the cost
//! follows the state and the new events.
//!
//! With several processes each worker writes its own files; process 0 writes the manifest when all
//! have reported theirs as durable.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use timely::worker::Worker;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::anonymous_bytes;
use diptych_base::limits;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchViewWriter, Meta};
use diptych_dataflow::{Definition, Description};
use diptych_engine::{
    AccumulationBlocks, Alarm, Capture, Cluster, History, Lane, Progress, Reports, StatePlace,
    StoredState, abort_on_panic, agree, history, watch, worker_of,
};
use diptych_log::Reader;
use diptych_serving::{Index, Publish, Read};

/// The inputs of a batch run.
pub struct Job {
    /// The dataflow to run.
    pub definition: Definition,
    /// The description of the dataflow.
    pub description: Description,
    /// The reader of the log.
    pub reader: Arc<Reader>,
    /// The first epoch that is not read.
    pub boundary: Epoch,
    /// What the run continues, to which only the events since then are added.
    pub earlier: Earlier,
    /// The workers.
    pub cluster: Cluster,
    /// Counters of the run's progress.
    pub progress: Arc<Progress>,
    /// The metadata of the batch view.
    pub meta: Meta,
    /// The writer that this process's workers write to.
    pub writer: BatchViewWriter,
    /// Cancels the run when it becomes true.
    pub stop: Arc<AtomicBool>,
}

/// What a batch run continues.
pub enum Earlier {
    /// Nothing: all events are read.
    Nothing,
    /// Accumulations at this boundary, which are loaded.
    Blocks(Epoch, AccumulationBlocks),
    /// Accumulations that stay in files, and an index over the stored views of the same boundary:
    /// the run costs memory for what has changed since only.
    Files(Arc<StoredState>, Index),
}

impl Earlier {
    /// The first epoch that is read.
    fn boundary(&self) -> Epoch {
        match self {
            Earlier::Nothing => 0,
            Earlier::Blocks(boundary, _) => *boundary,
            Earlier::Files(stored, _) => stored.boundary(),
        }
    }
}

/// The report of a finished batch run.
#[derive(Clone, Debug)]
pub struct BatchReport {
    /// The dataflow.
    pub dataflow: String,
    /// Its version.
    pub version: String,
    /// The boundary: history is `[0, boundary)`.
    pub boundary: Epoch,
    /// The boundary of the batch view that was continued; 0 when all events were read.
    pub from: Epoch,
    /// Rows this process fed; all of them when there is one process.
    pub rows: u64,
    /// Wall-clock time from the first row to a durable batch view.
    pub elapsed: Duration,
    /// Time all workers of this process spent reading and checking record batches.
    pub decoding: Duration,
    /// Time all workers of this process spent in the user's front and the combiners.
    pub front: Duration,
    /// The memory of this process that no file backs, in bytes, as workers found it before and
    /// after they wrote their parts: the most of these. None where the platform does not tell.
    pub memory: Option<u64>,
}

/// Runs the job; on process 0 the batch view is durable afterwards.
///
/// # Errors
/// When the log is damaged, user code panics, or the disk refuses; there is no batch view then.
pub fn run(job: Job) -> Result<BatchReport> {
    let capture = Arc::new(Capture::new(job.description.views.len(), job.cluster.workers));
    let progress = Arc::clone(&job.progress);
    let cluster = job.cluster.clone();
    let dataflow = job.description.name.clone();
    let version = job.description.version.clone();
    let boundary = job.boundary;
    let from = job.earlier.boundary();
    let run = Arc::new(SharedRun {
        job,
        capture,
        begun: OnceLock::new(),
        failed: AtomicBool::new(false),
        reason: Mutex::default(),
        memory: AtomicU64::new(0),
    });
    let workers = {
        let run = Arc::clone(&run);
        timely::execute(cluster.config(), move |worker| run.work(worker))
            .map_err(|error| Error::new(Kind::Io, format!("the workers cannot start: {error}")))?
    };
    let outcomes: Vec<_> = workers.join().into_iter().collect();
    if let Some(error) = lock(&run.reason).take() {
        return Err(error);
    }
    let mut reported = Vec::new();
    for outcome in outcomes {
        let messages = outcome.map_err(|_| Error::new(Kind::Stopped, "a batch worker is lost"))?;
        reported.extend(messages.into_iter().flatten());
    }
    let run = Arc::into_inner(run).unwrap_or_else(|| panic!("a worker outlived its thread"));
    if cluster.is_first() {
        run.job.writer.absorb(&reported)?;
        // A batch view derived from events that were erased meanwhile must not last.
        run.job.reader.check_history()?;
        run.job.writer.finish(run.job.meta)?;
    }
    Ok(BatchReport {
        dataflow,
        version,
        boundary,
        from,
        rows: progress.rows(),
        elapsed: run.begun.get().map(Instant::elapsed).unwrap_or_default(),
        decoding: progress.decoding(),
        front: progress.front(),
        memory: Some(run.memory.into_inner()).filter(|most| *most > 0),
    })
}

/// Writes the parts of `workers` of all views of `index` at times below `boundary`: that of worker
/// 0 has all rows, or what has changed since the batch view that `writer` continues, on which the
/// index rests then.
///
/// # Errors
/// When stored rows are damaged, or the disk refuses; a conflict when the index rests on another
/// batch view by now.
pub fn write_index(
    index: &Index,
    boundary: Epoch,
    writer: &BatchViewWriter,
    workers: Range<usize>,
) -> Result<()> {
    let snapshot = index.snapshot(Read::AsOf(boundary - 1))?;
    snapshot.hold()?;
    for (id, view) in index.views().iter().enumerate() {
        for worker in workers.clone() {
            let mut part = writer.view(&view.name, worker)?;
            match writer.view_since(&view.name) {
                _ if worker > 0 => {}
                Some(since) => {
                    let base = snapshot.boundary();
                    if !snapshot.is_stored() || base != since {
                        let message = format!("the index rests on {base} by now, not on {since}");
                        return Err(Error::new(Kind::Conflict, message).remedy("start again"));
                    }
                    snapshot
                        .for_each_change(id, |key, value, change| part.push(key, value, change))?;
                }
                None => {
                    for row in snapshot.scan(id) {
                        let row = row?;
                        part.push(&row.key, &row.value, row.multiplicity)?;
                    }
                }
            }
            part.finish()?;
        }
    }
    Ok(())
}

/// The state of a batch run that the workers of this process share.
struct SharedRun {
    job: Job,
    capture: Arc<Capture>,
    /// The time when the first worker began: the processes are connected by then.
    begun: OnceLock<Instant>,
    failed: AtomicBool,
    reason: Mutex<Option<Error>>,
    /// The most memory that a worker has seen the process have.
    memory: AtomicU64,
}

impl SharedRun {
    /// Runs one worker from start to end. Worker 0 of process 0 gives back the workers' reports.
    fn work(&self, worker: &mut Worker) -> Option<Vec<Vec<u8>>> {
        abort_on_panic(worker_of("the batch layer", [self.job.definition.name()].into_iter()));
        self.begun.get_or_init(Instant::now);
        let job = &self.job;
        let end = job.reader.end_at(job.boundary);
        let task = match job.earlier.boundary() {
            0 => format!("batch {} up to {end}", job.description.plan()),
            from => {
                let from = job.reader.end_at(from);
                format!("batch {} from {from} up to {end}", job.description.plan())
            }
        };
        if let Err(error) = agree(worker, &job.cluster, &task) {
            self.fail(error);
            return None;
        }
        watch(worker, |_| ());
        let several = job.cluster.processes() > 1;
        let mut alarm = several.then(|| Alarm::install(worker));
        let all = self.compute_or_fail(worker, alarm.as_ref());
        if let Some(mut alarm) = alarm.take() {
            if let Some(reason) = self.reason() {
                alarm.raise(&reason);
            }
            alarm.finish(worker);
        }
        all
    }

    /// Computes and writes one worker's part. Worker 0 of process 0 gives back the reports of the
    /// workers of several processes.
    fn compute_or_fail(&self, worker: &mut Worker, alarm: Option<&Alarm>) -> Option<Vec<Vec<u8>>> {
        let mut reports = Reports::install(worker);
        match self.compute(worker, alarm) {
            Ok(Some(lane)) => {
                if let Err(error) = self.write(lane, worker) {
                    self.fail(error);
                }
            }
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
        if alarm.is_some() && !self.has_failed(alarm) {
            match self.job.writer.parts_of(worker.index()) {
                Ok(parts) => reports.send(parts),
                Err(error) => self.fail(error),
            }
        }
        if alarm.is_none() || self.has_failed(alarm) {
            reports.abandon(worker);
            return None;
        }
        let all = reports.finish(worker, || self.has_failed(alarm))?;
        (worker.index() == 0).then_some(all)
    }

    /// Has the run failed, here or in another process?
    fn has_failed(&self, alarm: Option<&Alarm>) -> bool {
        if let Some(error) = alarm.and_then(Alarm::heard) {
            self.fail(error);
        }
        self.failed.load(Ordering::Acquire)
    }

    /// The reason of the failure, if the run has failed.
    fn reason(&self) -> Option<Error> {
        lock(&self.reason).clone()
    }

    /// Hydrates the dataflow up to the boundary; none when another worker failed.
    fn compute(&self, worker: &mut Worker, alarm: Option<&Alarm>) -> Result<Option<Lane>> {
        let job = &self.job;
        let index = worker.index();
        let peers = worker.peers();
        let (publisher, place): (Arc<dyn Publish>, _) = match &job.earlier {
            Earlier::Files(stored, index) => {
                (Arc::new(index.clone()), StatePlace::Files(Some(Arc::clone(stored))))
            }
            _ => (Arc::clone(&self.capture) as Arc<dyn Publish>, StatePlace::Memory),
        };
        let mut lane = Lane::install(
            worker,
            &job.definition,
            (job.cluster.workers, &publisher),
            &place,
            (job.boundary, self.history(index, peers)?),
            &job.progress,
        )?;
        loop {
            let outcome = lane.approach();
            if self.job.stop.load(Ordering::Acquire) {
                self.fail(Error::new(Kind::Cancelled, "the batch run was given up"));
            }
            if self.has_failed(alarm) || outcome.is_err() {
                lane.uninstall(worker);
                return outcome.map(|_| None);
            }
            if outcome? {
                return Ok(Some(lane));
            }
            if lane.has_more() {
                worker.step();
            } else {
                worker.step_or_park(Some(limits::WORKER_PARK));
            }
        }
    }

    /// This worker's share of history: rows, or accumulations and the rows since.
    fn history(&self, index: usize, peers: usize) -> Result<History> {
        let job = &self.job;
        let blocks = match &job.earlier {
            Earlier::Blocks(_, blocks) => Some(blocks(index, peers)),
            Earlier::Nothing | Earlier::Files(..) => None,
        };
        let epochs = job.earlier.boundary()..job.boundary;
        let rows = history(&job.reader, epochs, &job.description.streams, index, peers)?;
        Ok(Box::new(blocks.into_iter().flatten().chain(rows)))
    }

    /// Writes this worker's part of every accumulation and view.
    fn write(&self, mut lane: Lane, worker: &mut Worker) -> Result<()> {
        self.measure();
        let outcome = self.write_parts(&mut lane, worker.index());
        self.measure();
        // Also after an error: the other workers cannot end while this one holds its dataflow.
        lane.uninstall(worker);
        outcome
    }

    fn measure(&self) {
        self.memory.fetch_max(anonymous_bytes().unwrap_or(0), Ordering::Relaxed);
    }

    fn write_parts(&self, lane: &mut Lane, index: usize) -> Result<()> {
        let job = &self.job;
        for (name, _) in &job.description.accumulations {
            let mut part = job.writer.accumulation(name, index)?;
            let since = job.writer.accumulation_since(name);
            lane.installed().dump(name, since, job.boundary, &mut |piece| part.put(piece))?;
            part.finish()?;
        }
        if let Earlier::Files(_, views) = &job.earlier {
            return write_index(views, job.boundary, &job.writer, index..index + 1);
        }
        for (number, view) in job.description.views.iter().enumerate() {
            let mut part = job.writer.view(&view.name, index)?;
            if index < job.cluster.workers {
                for batch in self.capture.take(number, index) {
                    let mut outcome = Ok(());
                    batch.for_each(|key, value, _, times| {
                        if outcome.is_ok() {
                            outcome = part.push(key, value, times);
                        }
                    });
                    outcome?;
                }
            }
            part.finish()?;
        }
        Ok(())
    }

    fn fail(&self, error: Error) {
        lock(&self.reason).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }
}
