//! One worker of the speed layer: takes epochs, feeds its share to the dataflows, and steps timely.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::TryRecvError;
use timely::worker::Worker;

use super::channel::Incoming;
use super::dump::Dump;
use super::epoch_broadcast::{BroadcastMessage, Commands};
use super::live_dataflow_status::{HaltReason, LaneStatus};
use super::worker_command::WorkerCommand;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::{At, Branch, Branches, Epoch};
use diptych_engine::{Lane, share};
use diptych_log::{Clocks, Reader, Retraction, SealedEpoch};

/// The source of this worker's epochs.
pub(super) enum Inbox {
    /// From the driver in this process; the first worker also broadcasts to other processes. When
    /// `over` is set, the worker leaves, also when commands are waiting.
    Driver {
        commands: Incoming,
        broadcast: Option<(Commands, Branches)>,
        first: bool,
        over: Arc<AtomicBool>,
    },
    /// From the log, up to the sealed epoch of the broadcast. Each worker reads every epoch whole
    /// and feeds its share of it, so each holds the epochs in flight in its own memory.
    Log { broadcast: Commands, reader: Arc<Reader>, heard: AnnouncedEpochs, next: Epoch },
}

/// The latest messages of process 0.
pub(super) struct AnnouncedEpochs {
    /// Every epoch below is sealed.
    sealed: Epoch,
    /// The branch that wrote the last of them, if process 0 sent it.
    branch: Option<u64>,
    /// No more epochs follow.
    stop: bool,
}

/// A lane and the status it shares with the same dataflow on other workers.
pub(super) struct LiveLane {
    pub(super) lane: Lane,
    status: Arc<LaneStatus>,
    settled: bool,
    /// The boundary of the files that its accumulations rest on; none when they are in memory.
    rests_on: Option<Epoch>,
    /// The epoch at which it is held because it cannot apply it, the same on all workers.
    held: Option<Epoch>,
    /// The epoch that it cannot read, and the error: it fails when all epochs before are published.
    failing: Option<(Epoch, Error)>,
    /// When the size of its accumulations was last told.
    sized: Instant,
}

/// The worker of one thread, which acts one turn at a time; a simulation can choose the turns.
pub(super) struct LiveWorker {
    lanes: Vec<Option<LiveLane>>,
    inbox: Inbox,
    queue: VecDeque<WorkerCommand>,
    /// The dump to be written before anything more is fed.
    dump: Option<Arc<Dump>>,
    /// No other process has workers, so a held dataflow can be recomputed here.
    alone: bool,
    /// Epochs fed and not yet published by every worker, with their bytes.
    in_flight: VecDeque<(Epoch, usize)>,
    bytes_in_flight: usize,
}

impl LiveWorker {
    pub(super) fn new(lanes: Vec<LiveLane>, inbox: Inbox, alone: bool) -> Self {
        LiveWorker {
            lanes: lanes.into_iter().map(Some).collect(),
            inbox,
            queue: VecDeque::new(),
            dump: None,
            alone,
            in_flight: VecDeque::new(),
            bytes_in_flight: 0,
        }
    }

    /// Does the work that is possible now, then steps the worker, parking at most for `park` when
    /// idle. False when the worker has been told to leave.
    pub(super) fn turn(&mut self, worker: &mut Worker, park: Duration) -> bool {
        self.notice_faults();
        if self.inbox.is_over() {
            return self.leave(worker);
        }
        self.drop_failed(worker);
        if !self.approach() {
            if self.lanes.iter().flatten().any(|live| live.lane.has_more()) {
                worker.step();
            } else {
                worker.step_or_park(Some(park));
            }
            return true;
        }
        self.retire(worker.index());
        self.write_dump(worker.index());
        let mut busy = false;
        while self.admits() {
            match self.next_command() {
                Some(WorkerCommand::Epoch(sealed)) => self.feed(&sealed, worker),
                Some(WorkerCommand::Dump(dump)) => self.dump = Some(dump),
                Some(WorkerCommand::Stop) => return self.leave(worker),
                None => break,
            }
            busy = true;
        }
        if busy {
            worker.step();
        } else {
            worker.step_or_park(Some(park));
        }
        true
    }

    /// Brings every lane to its boundary; true when all are there.
    fn approach(&mut self) -> bool {
        let mut all = true;
        for live in self.lanes.iter_mut().flatten().filter(|live| !live.settled) {
            match live.lane.approach() {
                Ok(settled) => live.settled = settled,
                Err(error) => live.status.fail(&error),
            }
            all &= live.settled;
        }
        all
    }

    /// Drops epochs that every worker has published from those in flight.
    fn retire(&mut self, worker: usize) {
        for live in self.lanes.iter_mut().flatten() {
            live.status.add_late(live.lane.installed().take_late());
            live.rest();
            live.tell_size(worker);
        }
        while let Some((epoch, bytes)) = self.in_flight.front().copied() {
            let mut lanes = self.lanes.iter_mut().flatten();
            if !lanes.all(|live| live.is_held(epoch) || live.lane.installed().passed(epoch + 1)) {
                break;
            }
            self.in_flight.pop_front();
            self.bytes_in_flight -= bytes;
        }
    }

    /// Writes the requested dump, once every worker has published all fed epochs.
    fn write_dump(&mut self, index: usize) {
        let at_rest = |live: &mut LiveLane| {
            let at = live.lane.installed().at();
            live.lane.installed().passed(at)
        };
        if self.dump.is_none() || !self.lanes.iter_mut().flatten().all(at_rest) {
            return;
        }
        let Some(dump) = self.dump.take() else { return };
        // A held dataflow is behind the others: it is written when it has been recomputed.
        let mut lanes = self.lanes.iter_mut().flatten().filter(|live| live.held.is_none());
        let outcome = if dump.begin() {
            lanes.try_for_each(|live| (dump.write)(index, live.lane.installed()))
        } else {
            Ok(())
        };
        // Drop the dump before the last outcome is sent: its writer is free for the receiver.
        let done = dump.done.clone();
        drop(dump);
        // The receiver may have given up waiting.
        let _ = done.send(outcome);
    }

    /// May one more epoch be fed? Always when nothing is in flight.
    fn admits(&self) -> bool {
        if self.dump.is_some() {
            return false;
        }
        self.in_flight.is_empty()
            || (self.in_flight.len() < limits::EPOCHS_IN_FLIGHT_MAX
                && self.bytes_in_flight < limits::BYTES_IN_FLIGHT_MAX)
    }

    fn next_command(&mut self) -> Option<WorkerCommand> {
        if let Some(command) = self.queue.pop_front() {
            return Some(command);
        }
        match self.inbox.receive(&mut self.queue) {
            Ok(()) => self.queue.pop_front(),
            Err(error) => {
                // Only another process's reader fails here: the process cannot follow any more.
                for live in self.lanes.iter().flatten() {
                    live.status.fail(&error);
                }
                Some(WorkerCommand::Stop)
            }
        }
    }

    fn feed(&mut self, sealed: &SealedEpoch, worker: &Worker) {
        let index = worker.index();
        let peers = worker.peers();
        let epoch = sealed.epoch;
        let mut bytes = 0;
        let clocks = Clocks::One(sealed.clock_us);
        for live in self.lanes.iter_mut().flatten() {
            let boundary = live.lane.boundary();
            if epoch < boundary || live.is_held(epoch) || live.failing.is_some() {
                continue;
            }
            if live.hold(sealed, self.alone) {
                continue;
            }
            let installed = live.lane.installed();
            assert!(epoch >= installed.at(), "epoch {epoch} fed at {}", installed.at());
            installed.advance_to(epoch);
            for chunk in &sealed.chunks {
                let rows = share(chunk.rows.num_rows(), index, peers);
                bytes += chunk.rows.get_array_memory_size();
                if let Err(error) = installed.feed(chunk, rows, &clocks) {
                    live.failing = Some((epoch, error));
                    break;
                }
            }
            for Retraction { events, .. } in &sealed.retractions {
                let rows = share(events.len(), index, peers);
                if let Err(error) = installed.take_back(events, rows) {
                    live.failing.get_or_insert((epoch, error));
                    break;
                }
            }
            // A failing lane stays at this epoch, which is never published.
            if live.failing.is_none() {
                installed.advance_to(epoch + 1);
            }
        }
        self.in_flight.push_back((epoch, bytes));
        self.bytes_in_flight += bytes;
    }

    /// Notices dataflows that have panicked here, or failed in another process.
    fn notice_faults(&mut self) {
        for live in self.lanes.iter_mut().flatten() {
            if let Some(error) = live.lane.fault() {
                live.status.fail(&error);
            }
            let installed = live.lane.installed();
            if let Some((_, error)) = live.failing.take_if(|(epoch, _)| installed.passed(*epoch)) {
                live.status.fail(&error);
            }
        }
        for (number, error) in self.inbox.hear() {
            if let Some(Some(live)) = self.lanes.get(number) {
                live.status.fail(&error);
            }
        }
    }

    /// Drops dataflows that failed here or on another worker. Their epochs in flight are never
    /// published.
    fn drop_failed(&mut self, worker: &mut Worker) {
        for (number, slot) in self.lanes.iter_mut().enumerate() {
            if let Some(live) = slot.take_if(|live| live.status.has_failed()) {
                if let Some(error) = live.status.error() {
                    self.inbox.tell(number, &error);
                }
                live.lane.uninstall(worker);
            }
        }
    }

    /// Removes the dataflows that are still installed, in the worker's last turn. Gives false, as
    /// [`LiveWorker::turn`] then does.
    pub(super) fn leave(&mut self, worker: &mut Worker) -> bool {
        for live in self.lanes.drain(..).flatten() {
            live.lane.uninstall(worker);
        }
        false
    }

    /// Ends the broadcast, after the last turn.
    pub(super) fn finish(self, worker: &mut Worker) {
        if let Inbox::Driver { broadcast: Some((commands, _)), .. }
        | Inbox::Log { broadcast: commands, .. } = self.inbox
        {
            commands.finish(worker);
        }
    }
}

impl LiveLane {
    /// A live lane that has not reached its boundary yet.
    pub(super) fn new(lane: Lane, status: Arc<LaneStatus>, rests_on: Option<Epoch>) -> LiveLane {
        let sized = Instant::now();
        LiveLane { lane, status, settled: false, rests_on, held: None, failing: None, sized }
    }

    /// Tells how large the accumulations are, now and then.
    fn tell_size(&mut self, worker: usize) {
        if self.sized.elapsed() >= limits::STATE_SIZE_TOLD {
            self.status.tell_size(worker, self.lane.installed().state_size());
            self.sized = Instant::now();
        }
    }

    /// Rests the accumulations on newer files, if there are some and every epoch below their
    /// boundary has been published.
    fn rest(&mut self) {
        let Some(rests_on) = self.rests_on else { return };
        let Some(newer) = self.status.state_after(rests_on) else { return };
        let boundary = newer.boundary();
        if self.lane.installed().passed(boundary) {
            self.lane.installed().rest_on(boundary, Some(&newer));
            self.rests_on = Some(boundary);
        }
    }

    fn is_held(&self, epoch: Epoch) -> bool {
        self.held.is_some_and(|held| held <= epoch)
    }

    /// Holds the dataflow if the epoch cannot be applied, because it retracts events that an
    /// accumulation cannot undo; gives whether that is so. Every worker of every process looks at
    /// all retracted events, so all decide alike. A dataflow that is `alone` is held, complete up
    /// to the epoch before; one that other processes compute a part of fails, since it cannot be
    /// replaced.
    fn hold(&mut self, sealed: &SealedEpoch, alone: bool) -> bool {
        let epoch = sealed.epoch;
        for Retraction { reason, events, .. } in &sealed.retractions {
            let reached = match self.lane.installed().reached(events) {
                Ok(reached) => reached,
                Err(error) => {
                    self.status.fail(&error);
                    return true;
                }
            };
            let Some(accumulation) = reached else { continue };
            let because = reason.to_string();
            let events = events.len();
            let held = HaltReason { epoch, accumulation, because, events };
            if alone {
                self.lane.installed().advance_to(epoch);
                self.held = Some(epoch);
                self.status.hold(held);
            } else {
                let error = Error::new(Kind::Stopped, held.to_string());
                let remedy = "start it again: it is recomputed from the log, without these events";
                self.status.fail(&error.remedy(remedy));
            }
            return true;
        }
        false
    }
}

impl Inbox {
    /// An inbox that reads the log, up to the upper bounds that process 0 broadcasts.
    pub(super) fn log(broadcast: Commands, reader: Arc<Reader>, next: Epoch) -> Inbox {
        let heard = AnnouncedEpochs { sealed: next, branch: None, stop: false };
        Inbox::Log { broadcast, reader, heard, next }
    }

    fn broadcast(&mut self) -> Option<&mut Commands> {
        match self {
            Inbox::Driver { broadcast, .. } => broadcast.as_mut().map(|(commands, _)| commands),
            Inbox::Log { broadcast, .. } => Some(broadcast),
        }
    }

    /// Must the worker leave? If so, all processes are told.
    fn is_over(&mut self) -> bool {
        match self {
            Inbox::Driver { broadcast, first, over, .. } => {
                let over = over.load(Ordering::Acquire);
                if let (true, true, Some((broadcast, _))) = (over, *first, broadcast) {
                    broadcast.send(BroadcastMessage::Stop);
                }
                over
            }
            Inbox::Log { heard, .. } => heard.stop,
        }
    }

    /// Tells all processes that a dataflow fails here.
    fn tell(&mut self, number: usize, error: &Error) {
        if let Some(broadcast) = self.broadcast() {
            broadcast.send(BroadcastMessage::Failed(number, error.into()));
        }
    }

    /// The failures broadcast since the last call: the dataflow's number and the reason.
    fn hear(&mut self) -> Vec<(usize, Error)> {
        let mut failed = Vec::new();
        while let Some(message) = self.broadcast().and_then(|broadcast| broadcast.receive()) {
            match (message, &mut *self) {
                (BroadcastMessage::Failed(number, fault), _) => failed.push((number, fault.into())),
                (BroadcastMessage::Sealed(upper, branch), Inbox::Log { heard, .. }) => {
                    (heard.sealed, heard.branch) = (upper.max(heard.sealed), branch);
                }
                (BroadcastMessage::Stop, Inbox::Log { heard, .. }) => heard.stop = true,
                // Its own messages.
                (_, Inbox::Driver { .. }) => {}
            }
        }
        failed
    }

    /// Moves the commands that have arrived to `queue`.
    fn receive(&mut self, queue: &mut VecDeque<WorkerCommand>) -> Result<()> {
        match self {
            Inbox::Driver { commands, broadcast, first, .. } => {
                let command = match commands.take() {
                    Ok(command) => command,
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => WorkerCommand::Stop,
                };
                if let (Some((broadcast, branches)), true) = (broadcast, *first) {
                    match &command {
                        WorkerCommand::Epoch(sealed) => {
                            let branch = branches.of(sealed.epoch).map(|branch| branch.0);
                            broadcast.send(BroadcastMessage::Sealed(sealed.epoch + 1, branch));
                        }
                        // Dumps are made only by a process that computes alone.
                        WorkerCommand::Dump(_) | WorkerCommand::Stop => {}
                    }
                }
                queue.push_back(command);
            }
            Inbox::Log { reader, heard, next, .. } => {
                if *next < heard.sealed {
                    check_history(reader, heard.sealed, heard.branch.map(Branch))?;
                    for epoch in reader.epochs(*next, heard.sealed)? {
                        queue.push_back(WorkerCommand::Epoch(Arc::new(epoch?)));
                    }
                    *next = heard.sealed;
                }
            }
        }
        Ok(())
    }
}

/// Refuses epochs of the directory that are not those process 0 has announced as sealed.
fn check_history(reader: &Reader, upper: Epoch, branch: Option<Branch>) -> Result<()> {
    // The directory may be a copy that ends before, or continues with other epochs.
    let end = reader.upper()?;
    let at = At { epoch: upper.saturating_sub(1), branch };
    let objection = reader.branches().objection(at);
    let Some(what) = objection.or_else(|| {
        (end < upper)
            .then(|| format!("epoch {} is not in the log here, which ends at {end}", at.epoch))
    }) else {
        return Ok(());
    };
    let message = format!("the processes do not read the same log: {what}");
    Err(Error::new(Kind::Conflict, message)
        .remedy("start all processes over one directory, not over copies of it"))
}
