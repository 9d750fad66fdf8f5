//! The running speed layer: its threads, and how to stop them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};

use crossbeam::channel::{Receiver, Sender, bounded};
use timely::communication::WorkerGuards;
use timely::worker::Worker;

use super::commands::Commands;
use super::driver::{Driver, Tail};
use super::status::LaneStatus;
use super::worker::{Command, Dump, Inbox, LiveLane, LiveWorker, Write};
use crate::dataflow::{Definition, StreamInfo};
use crate::engine::{
    Blocks, Cluster, History, Lane, Profile, Progress, abort_on_panic, agree, history, watch,
};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::log::Reader;
use crate::serving::Publish;
use crate::time::Epoch;

/// How a dataflow gets to its boundary.
#[derive(Clone)]
pub(crate) enum Start {
    /// Feed the log's history in place, up to this frontier.
    History(Epoch),
    /// Load accumulations at this frontier; the function gives a worker its share of the blocks.
    Restore(Epoch, Blocks),
    /// Load accumulations at the first frontier, and feed the history from there to the second in
    /// place: events that came and were taken back in between are left out.
    Continue((Epoch, Epoch), Blocks),
}

/// One dataflow to keep live.
#[derive(Clone)]
pub(crate) struct LiveDataflow {
    pub(crate) definition: Definition,
    /// Name, version and fingerprint.
    pub(crate) plan: String,
    pub(crate) streams: Vec<StreamInfo>,
    pub(crate) publisher: Arc<dyn Publish>,
    pub(crate) start: Start,
    /// The digest of the batch view it starts from; empty without one.
    pub(crate) base: String,
    pub(crate) status: Arc<LaneStatus>,
    pub(crate) progress: Arc<Progress>,
}

/// The running speed layer. Dropping it stops it.
pub(crate) struct Live {
    stop: Arc<AtomicBool>,
    fed: Arc<AtomicU64>,
    driver: Option<JoinHandle<()>>,
    /// Why the driver ended early, until somebody is told.
    failure: Arc<Mutex<Option<Error>>>,
    profile: Option<Arc<Profile>>,
    workers: Option<WorkerGuards<Result<()>>>,
    senders: Vec<(Sender<Command>, Thread)>,
}

impl Start {
    /// Where batch ends and speed begins.
    pub(crate) fn boundary(&self) -> Epoch {
        match self {
            Start::History(boundary)
            | Start::Restore(boundary, _)
            | Start::Continue((_, boundary), _) => *boundary,
        }
    }

    fn history(
        &self,
        reader: &Arc<Reader>,
        streams: &[StreamInfo],
        index: usize,
        peers: usize,
    ) -> Result<History> {
        match self {
            Start::History(boundary) => history(reader, (0, *boundary), streams, (index, peers)),
            Start::Restore(_, blocks) => Ok(blocks(index, peers)),
            Start::Continue(range, blocks) => {
                let since = history(reader, *range, streams, (index, peers))?;
                Ok(Box::new(blocks(index, peers).chain(since)))
            }
        }
    }
}

impl Live {
    /// Starts the workers of this process, and on process 0 the driver that feeds them; what their
    /// operators do is kept in `profile`, if there is one.
    ///
    /// Errors when the cluster cannot be formed or a dataflow does not compile.
    pub(crate) fn start(
        cluster: &Cluster,
        dataflows: Vec<LiveDataflow>,
        reader: &Arc<Reader>,
        tail: Tail,
        profile: Option<Arc<Profile>>,
    ) -> Result<Live> {
        let boundaries = dataflows.iter().map(|dataflow| dataflow.start.boundary());
        let next = boundaries.min().unwrap_or(0);
        let (ready, started) = bounded(cluster.workers);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..cluster.workers).map(|_| bounded(limits::EPOCHS_QUEUED_MAX)).unzip();
        let hire = Hire {
            profile: profile.clone(),
            dataflows,
            reader: Arc::clone(reader),
            cluster: cluster.clone(),
            next,
            receivers: Mutex::new(receivers.into_iter().map(Some).collect()),
            ready,
        };
        let workers = timely::execute(cluster.config(), move |worker| hire.work(worker))
            .map_err(|error| Error::new(Kind::Io, format!("the workers cannot start: {error}")))?;
        let mut threads = vec![None; cluster.workers];
        for _ in 0..cluster.workers {
            let (local, outcome) = started.recv().map_err(|_| lost_worker())?;
            threads[local] = Some(outcome?);
        }
        let threads = threads.into_iter().flatten();
        let senders: Vec<(Sender<Command>, Thread)> = senders.into_iter().zip(threads).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let fed = Arc::new(AtomicU64::new(next));
        let failure = Arc::<Mutex<Option<Error>>>::default();
        let driver = cluster.is_first().then(|| {
            let driver = Driver {
                workers: senders.clone(),
                reader: Arc::clone(reader),
                stop: Arc::clone(&stop),
                fed: Arc::clone(&fed),
            };
            let failure = Arc::clone(&failure);
            std::thread::spawn(move || {
                if let Err(error) = driver.run(next, &tail) {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            })
        });
        Ok(Live { stop, fed, driver, failure, profile, workers: Some(workers), senders })
    }

    /// Stops feeding, lets the workers leave and waits for them. What was fed is published first
    /// only as far as the index says; the rest is in the log.
    ///
    /// Errors when the log could not be read on the way.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.halt()
    }

    /// Errors when feeding has ended because the log could not be read.
    pub(crate) fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }

    /// Waits until process 0 stops the workers of this one.
    pub(crate) fn wait(mut self) -> Result<()> {
        self.join()
    }

    /// Ends feeding: every worker has been given the same epochs, and goes on with those.
    ///
    /// Errors when the log could not be read on the way.
    pub(crate) fn end_feeding(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        match self.driver.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::new(Kind::Stopped, "the driver of the epochs panicked")),
            Some(Ok(())) | None => self.check(),
        }
    }

    /// What the operators of the dataflows do, if it was to be known.
    pub(crate) fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// Every epoch below has been given to every worker, unless it is below a boundary.
    pub(crate) fn fed(&self) -> Epoch {
        self.fed.load(Ordering::Acquire)
    }

    /// Has every worker write its share of all accumulations as they are when all that was fed is
    /// published. Only after [`Live::end_feeding`], and in a process alone.
    ///
    /// Errors when a worker cannot write.
    pub(crate) fn dump(&self, write: Write) -> Result<()> {
        assert!(self.driver.is_none(), "epochs are still being fed");
        let (done, outcomes) = bounded(self.senders.len());
        let dump = Arc::new(Dump { write, done });
        for (commands, thread) in &self.senders {
            commands.send(Command::Dump(Arc::clone(&dump))).map_err(|_| lost_worker())?;
            thread.unpark();
        }
        drop(dump);
        for _ in &self.senders {
            outcomes.recv().map_err(|_| lost_worker())??;
        }
        Ok(())
    }

    fn halt(&mut self) -> Result<()> {
        let driven = self.end_feeding();
        for (commands, thread) in &self.senders {
            // A worker that has left already needs no telling.
            let _ = commands.send(Command::Stop);
            thread.unpark();
        }
        self.join().and(driven)
    }

    fn join(&mut self) -> Result<()> {
        let Some(workers) = self.workers.take() else { return Ok(()) };
        let outcomes: Vec<_> = workers.join().into_iter().collect();
        for outcome in outcomes {
            outcome.map_err(|_| lost_worker())??;
        }
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Whoever wants the outcome calls `stop`.
        let _ = self.halt();
    }
}

fn lost_worker() -> Error {
    Error::new(Kind::Stopped, "a worker thread ended before its time")
}

type Started = (usize, Result<Thread>);

/// What each worker thread needs to begin.
struct Hire {
    profile: Option<Arc<Profile>>,
    dataflows: Vec<LiveDataflow>,
    reader: Arc<Reader>,
    cluster: Cluster,
    next: Epoch,
    receivers: Mutex<Vec<Option<Receiver<Command>>>>,
    ready: Sender<Started>,
}

impl Hire {
    fn work(&self, worker: &mut Worker) -> Result<()> {
        abort_on_panic("the speed layer");
        let local = worker.index() % self.cluster.workers;
        let hired = self.hire(worker, local);
        let (mut live, outcome) = match hired {
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

    /// What all processes must do alike.
    fn task(&self) -> String {
        let dataflow = |dataflow: &LiveDataflow| match &dataflow.start {
            Start::History(epoch) => {
                format!("{} fed up to {}", dataflow.plan, self.reader.end_at(*epoch))
            }
            Start::Restore(epoch, _) => {
                let (plan, base, end) =
                    (&dataflow.plan, &dataflow.base, self.reader.end_at(*epoch));
                format!("{plan} restored at {end}, from the batch view with digest {base}")
            }
            Start::Continue((from, epoch), _) => {
                let (plan, base, end) =
                    (&dataflow.plan, &dataflow.base, self.reader.end_at(*epoch));
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
        let (index, peers) = (worker.index(), worker.peers());
        let lane = Lane::install(
            worker,
            &dataflow.definition,
            self.cluster.workers,
            &dataflow.publisher,
            dataflow.start.boundary(),
            dataflow.start.history(&self.reader, &dataflow.streams, index, peers)?,
            &dataflow.progress,
        )?;
        Ok(LiveLane::new(lane, Arc::clone(&dataflow.status)))
    }

    fn hire(&self, worker: &mut Worker, local: usize) -> Result<LiveWorker> {
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
                let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(commands) = receivers[local].take() else {
                    panic!("worker {local} was hired twice");
                };
                Inbox::Driver { commands, broadcast, first: worker.index() == 0 }
            }
        };
        Ok(LiveWorker::new(lanes, inbox, !several))
    }
}
