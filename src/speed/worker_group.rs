//! The workers of one computation, and the driver that feeds them: start, dump and stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};
use std::time::Instant;

use crossbeam::channel::{Sender, bounded};
use timely::communication::WorkerGuards;
use timely::worker::Worker;

use super::channel::{Incoming, Outbox, channel};
use super::dump::{Dump, Dumping, Write};
use super::epoch_broadcast::Commands;
use super::feeder::{Driver, Tail};
use super::live_dataflow::{LiveDataflow, Start};
use super::live_dataflow_status::lost_worker;
use super::worker::{Inbox, LiveLane, LiveWorker};
use super::worker_command::WorkerCommand;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_engine::{
    Cluster, Lane, Profile, StatePlace, abort_on_panic, agree, ended_by, watch, worker_of,
};
use diptych_log::Reader;

/// The workers of one computation. Dropping it stops them.
pub(super) struct WorkerGroup {
    /// Ends feeding when set.
    stop: Arc<AtomicBool>,
    /// Has the workers leave when set, also when commands are waiting.
    over: Arc<AtomicBool>,
    fed: Arc<AtomicU64>,
    driver: Option<JoinHandle<()>>,
    /// The error with which the driver ended early, until it has been reported.
    failure: Arc<Mutex<Option<Error>>>,
    workers: Option<WorkerGuards<Result<()>>>,
    outboxes: Vec<Outbox>,
    /// The names of the dataflows, for messages.
    names: Vec<String>,
}

impl WorkerGroup {
    /// Starts the workers of this process, and on process 0 the driver that feeds them.
    ///
    /// Errors when the cluster cannot be formed or a dataflow does not compile.
    pub(super) fn start(
        cluster: &Cluster,
        dataflows: Vec<LiveDataflow>,
        reader: &Arc<Reader>,
        tail: Tail,
        profile: Option<Arc<Profile>>,
    ) -> Result<WorkerGroup> {
        let names = dataflows.iter().map(|one| one.definition.name().to_owned()).collect();
        let boundaries = dataflows.iter().map(|dataflow| dataflow.start.boundary());
        let next = boundaries.min().unwrap_or(0);
        let (ready, started) = bounded(cluster.workers);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..cluster.workers).map(|_| channel()).unzip();
        let over = Arc::<AtomicBool>::default();
        let setup = WorkerSetup {
            profile,
            dataflows,
            reader: Arc::clone(reader),
            cluster: cluster.clone(),
            next,
            receivers: Mutex::new(receivers.into_iter().map(Some).collect()),
            over: Arc::clone(&over),
            ready,
        };
        let workers = timely::execute(cluster.config(), move |worker| setup.work(worker))
            .map_err(|error| Error::new(Kind::Io, format!("the workers cannot start: {error}")))?;
        let mut threads = vec![None; cluster.workers];
        for _ in 0..cluster.workers {
            let (local, outcome) = started.recv().map_err(|_| lost_worker())?;
            threads[local] = Some(outcome?);
        }
        let threads = threads.into_iter().flatten();
        let outboxes: Vec<_> = senders.into_iter().zip(threads).map(|(of, it)| of(it)).collect();
        let stop = Arc::<AtomicBool>::default();
        let fed = Arc::new(AtomicU64::new(next));
        let failure = Arc::<Mutex<Option<Error>>>::default();
        let driver = cluster.is_first().then(|| {
            let driver = Driver {
                workers: outboxes.clone(),
                reader: Arc::clone(reader),
                stop: Arc::clone(&stop),
                fed: Arc::clone(&fed),
            };
            let failure = Arc::clone(&failure);
            std::thread::spawn(move || {
                if let Err(error) = driver.run(next, &tail) {
                    *lock(&failure) = Some(error);
                }
            })
        });
        Ok(WorkerGroup {
            stop,
            over,
            fed,
            driver,
            failure,
            workers: Some(workers),
            outboxes,
            names,
        })
    }

    /// Checks that feeding goes on.
    ///
    /// Errors when it has ended because the log could not be read.
    pub(super) fn check(&self) -> Result<()> {
        let failure = lock(&self.failure).take();
        failure.map_or(Ok(()), Err)
    }

    /// Waits until process 0 stops the workers of this one.
    pub(super) fn wait(mut self) -> Result<()> {
        self.workers.take().map_or(Ok(()), join)
    }

    /// Ends feeding: every worker has been given the same epochs, and goes on with those.
    ///
    /// Errors when the log could not be read on the way.
    pub(super) fn end_feeding(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        match self.driver.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::new(Kind::Stopped, "the driver of the epochs panicked")),
            Some(Ok(())) | None => self.check(),
        }
    }

    /// The first epoch that has not been given to every worker; epochs below the boundary count as
    /// given.
    pub(super) fn fed(&self) -> Epoch {
        self.fed.load(Ordering::Acquire)
    }

    /// Has every worker write its accumulations, when all fed epochs are published.
    pub(super) fn dump(&self, write: Write) -> Dumping {
        assert!(self.driver.is_none(), "epochs are still being fed");
        let (dump, dumping) = Dump::new(write, self.outboxes.len());
        let dump = Arc::new(dump);
        for outbox in &self.outboxes {
            // A worker that has left is noticed when its outcome is waited for.
            outbox.tell(WorkerCommand::Dump(Arc::clone(&dump)), 0);
        }
        dumping
    }

    /// Tells the workers to leave, also when commands are waiting for them.
    pub(super) fn dismiss(&self) {
        self.stop.store(true, Ordering::Release);
        self.over.store(true, Ordering::Release);
        self.outboxes.iter().for_each(|outbox| outbox.thread.unpark());
    }

    /// Ends feeding, and waits until the workers have left, at most until `deadline`: a worker that
    /// is in a user's function then is left behind.
    ///
    /// Errors when the log could not be read on the way.
    pub(super) fn halt(&mut self, deadline: Instant) -> Result<()> {
        let driven = self.end_feeding();
        self.dismiss();
        let Some(workers) = self.workers.take() else { return driven };
        if ended_by(workers.guards(), deadline) {
            return join(workers).and(driven);
        }
        let names = self.names.join(", ");
        tracing::warn!(
            "{names}: a worker is still in an epoch and is left there; the log has everything"
        );
        // The threads end by themselves, or with the process.
        std::mem::forget(workers);
        driven
    }
}

impl Drop for WorkerGroup {
    fn drop(&mut self) {
        // A caller that wants the outcome has halted it before.
        let _ = self.halt(Instant::now() + limits::WORKERS_GRACE);
    }
}

fn join(workers: WorkerGuards<Result<()>>) -> Result<()> {
    // All are joined before the first error is reported.
    let outcomes: Vec<_> = workers.join().into_iter().collect();
    outcomes.into_iter().try_for_each(|outcome| outcome.map_err(|_| lost_worker())?)
}

type Started = (usize, Result<Thread>);

/// The inputs that each worker thread needs to begin.
struct WorkerSetup {
    profile: Option<Arc<Profile>>,
    dataflows: Vec<LiveDataflow>,
    reader: Arc<Reader>,
    cluster: Cluster,
    next: Epoch,
    receivers: Mutex<Vec<Option<Incoming>>>,
    over: Arc<AtomicBool>,
    ready: Sender<Started>,
}

impl WorkerSetup {
    fn work(&self, worker: &mut Worker) -> Result<()> {
        let names = self.dataflows.iter().map(|dataflow| dataflow.definition.name());
        abort_on_panic(worker_of("the speed layer", names));
        let local = worker.index() % self.cluster.workers;
        let installed = self.install(worker, local);
        let (mut live, outcome) = match installed {
            Ok(live) => (live, Ok(std::thread::current())),
            Err(error) => {
                // Every worker compiles the same functions: all fail, and none waits for another.
                let _ = self.ready.send((local, Err(error)));
                return Ok(());
            }
        };
        if self.ready.send((local, outcome)).is_err() {
            return Err(lost_worker());
        }
        while live.turn(worker, limits::WORKER_PARK) {}
        live.finish(worker);
        Ok(())
    }

    /// The plan that all processes must have in common.
    fn task(&self) -> String {
        let dataflow = |dataflow: &LiveDataflow| match &dataflow.start {
            Start::History(epoch) => {
                format!("{} fed up to {}", dataflow.plan, self.reader.end_at(*epoch))
            }
            Start::Restore(epoch, _) => {
                let plan = &dataflow.plan;
                let base = &dataflow.base;
                let end = self.reader.end_at(*epoch);
                format!("{plan} restored at {end}, from the batch view with digest {base}")
            }
            Start::Continue((from, epoch), _) => {
                let plan = &dataflow.plan;
                let base = &dataflow.base;
                let end = self.reader.end_at(*epoch);
                format!(
                    "{plan} restored at epoch {from}, from the batch view with digest {base}, and \
                     fed up to {end}"
                )
            }
        };
        let dataflows: Vec<_> = self.dataflows.iter().map(dataflow).collect();
        format!("serve {}", dataflows.join(", "))
    }

    fn lane(&self, worker: &mut Worker, dataflow: &LiveDataflow) -> Result<LiveLane> {
        let index = worker.index();
        let peers = worker.peers();
        let lane = Lane::install(
            worker,
            &dataflow.definition,
            (self.cluster.workers, &dataflow.publisher),
            &dataflow.place,
            (
                dataflow.start.boundary(),
                dataflow.start.history(&self.reader, &dataflow.streams, index, peers)?,
            ),
            &dataflow.progress,
        )?;
        let rests_on = match &dataflow.place {
            StatePlace::Memory => None,
            StatePlace::Files(stored) => Some(stored.as_ref().map_or(0, |one| one.boundary())),
        };
        Ok(LiveLane::new(lane, Arc::clone(&dataflow.status), rests_on))
    }

    fn install(&self, worker: &mut Worker, local: usize) -> Result<LiveWorker> {
        agree(worker, &self.cluster, &self.task())?;
        match &self.profile {
            Some(profile) => profile.watch(worker),
            None => watch(worker, |_| ()),
        }
        let several = self.cluster.processes() > 1;
        let broadcast =
            several.then(|| (Commands::install(worker, "Commands"), self.reader.branches()));
        let mut lanes = Vec::new();
        for dataflow in &self.dataflows {
            match self.lane(worker, dataflow) {
                Ok(lane) => lanes.push(lane),
                Err(error) => {
                    lanes.into_iter().for_each(|live: LiveLane| live.lane.uninstall(worker));
                    return Err(error);
                }
            }
        }
        let inbox = match broadcast {
            Some((broadcast, _)) if !self.cluster.is_first() => {
                let reader = Arc::clone(&self.reader);
                Inbox::log(broadcast, reader, self.next)
            }
            broadcast => {
                let mut receivers = lock(&self.receivers);
                let Some(commands) = receivers[local].take() else {
                    panic!("worker {local} was set up twice");
                };
                let over = Arc::clone(&self.over);
                let first = worker.index() == 0;
                Inbox::Driver { commands, broadcast, first, over }
            }
        };
        Ok(LiveWorker::new(lanes, inbox, !several))
    }
}
