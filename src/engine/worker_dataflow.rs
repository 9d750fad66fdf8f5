//! A compiled dataflow on one worker: feeds rows, advances epochs, dumps and loads accumulations.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::{ProbeHandle, Scope};
use timely::worker::Worker;

use super::panic_scope::{FirstPanic, contained};
use super::retraction_support::reached;
use super::stored_state::StoredState;
use super::{find_panicked_operator, worker_panic_policy};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::panics::PanicPlace;
use diptych_base::time::Epoch;
use diptych_dataflow::{Barrier, Definition, Description, Pass, Sink, StateSize};
use diptych_log::{Chunk, Clocks};
use diptych_serving::{Publish, probe_published, publish_view};

/// A compiled dataflow on this worker: rows in, published views out.
pub struct Installed {
    description: Description,
    barriers: Vec<Box<dyn Barrier>>,
    probe: ProbeHandle<Epoch>,
    index: usize,
    /// The time of all inputs: no event below it may be fed any more.
    at: Rc<Cell<Epoch>>,
    /// Describes the dataflow and its epoch, for a panic that cannot be caught.
    place: PanicPlace,
    /// The panic behind the barrier, on this worker, if there was one.
    fault: FirstPanic,
}

impl Installed {
    /// Compiles `definition` onto `worker`; its views go to `publisher` in `shards` shards. All
    /// workers must install the same dataflows in the same order.
    ///
    /// Errors when the function draws something impossible, or panics.
    pub fn install(
        worker: &mut Worker,
        definition: &Definition,
        shards: usize,
        publisher: &Arc<dyn Publish>,
    ) -> Result<Self> {
        let index = worker.next_dataflow_index();
        let name = definition.name();
        let probe = ProbeHandle::new();
        let fault = FirstPanic::default();
        let at = Rc::<Cell<Epoch>>::default();
        let of = name.to_owned();
        let known = Rc::clone(&at);
        let place: PanicPlace = Rc::new(move || {
            let epoch = known.get().saturating_sub(1);
            format!("dataflow {of:?}, at most at epoch {epoch}")
        });
        let draw = |scope: Scope<'_, Epoch>| {
            let plan = definition.draw(scope)?;
            let description = Description::of(name, &plan);
            for (view, (info, rows)) in plan.views.into_iter().enumerate() {
                let end = publish_view(rows, view, &info.name, shards, Arc::clone(publisher));
                probe_published(end, &probe);
            }
            Ok((description, plan.barriers))
        };
        let outcome = worker_panic_policy::in_front(&place, || {
            worker.dataflow_named(name, |root| contained(root, name, &fault, &place, draw))
        });
        match outcome.unwrap_or_else(|panic| Err(definition.panicked(&panic))) {
            Ok((description, barriers)) => {
                Ok(Installed { description, barriers, probe, index, at, place, fault })
            }
            Err(error) => {
                worker.drop_dataflow(index);
                Err(error)
            }
        }
    }

    /// The panic behind the barrier on this worker, as an error, or the error of reading its files,
    /// if there was one. All workers must then drop the dataflow.
    pub fn fault(&self) -> Option<Error> {
        let Some(panic) = self.fault.get() else { return self.unreadable() };
        let operator = find_panicked_operator::lost(self.index);
        let operator = operator.map_or_else(String::new, |name| format!("operator {name:?}, "));
        let message = format!("{operator}{}: {panic}", self.in_flight());
        Some(self.panicked(message))
    }

    /// The error of an accumulation whose files cannot be read, if there is one.
    fn unreadable(&self) -> Option<Error> {
        let error = self.barriers.iter().find_map(|barrier| barrier.fault())?;
        Some(error.within(format!("dataflow {:?}, {}", self.description.name, self.in_flight())))
    }

    fn panicked(&self, message: String) -> Error {
        Error::new(Kind::Panic, message)
            .remedy("mend the function, or retract the event; the log is intact")
            .within(format!("dataflow {:?}", self.description.name))
    }

    /// The epochs that were fed and not published by every worker, as text.
    fn in_flight(&self) -> String {
        let first = self.probe.with_frontier(|frontier| frontier.first().copied());
        let last = self.at.get().saturating_sub(1);
        match first {
            Some(first) if first < last => format!("epochs {first} to {last}"),
            // Rows fed at the time of the inputs may be in flight already.
            first => format!("epoch {}", first.unwrap_or(last)),
        }
    }

    /// The time of all inputs.
    pub fn at(&self) -> Epoch {
        self.at.get()
    }

    /// Runs rows `range` of `chunk`, whose epochs have the clocks `clocks`, through the front into
    /// the combiners.
    ///
    /// Errors when the chunk's columns do not fit the event type, or when the user's code
    /// panicked; then the combiners are thrown away and the dataflow must be dropped.
    pub fn feed(&mut self, chunk: &Chunk, range: Range<usize>, clocks: &Clocks) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.drive(Pass::new(chunk, range, clocks), |_| true)
    }

    /// As [`Installed::feed`], for retracted events of any epoch. Accumulations without an inverse
    /// stay as they are: see [`Installed::reached`].
    ///
    /// Errors as [`Installed::feed`].
    pub fn take_back(&mut self, chunk: &Chunk, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.drive(Pass::taking_back(chunk, range), |_| true)
    }

    /// Shows retracted events, of epochs with the clocks `clocks`, to the operators that watch all
    /// events, retracted ones included.
    ///
    /// Errors as [`Installed::feed`].
    pub fn watch(&mut self, chunk: &Chunk, clocks: &Clocks) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.drive(Pass::new(chunk, 0..chunk.len(), clocks), |barrier| barrier.watches())
    }

    /// The accumulation without an inverse that one of these events reaches; none when all
    /// accumulations they reach can undo them.
    ///
    /// Errors as [`Installed::feed`].
    pub fn reached(&mut self, chunk: &Chunk) -> Result<Option<String>> {
        let reached = reached(&mut self.barriers, chunk);
        reached.map_err(|error| error.within(format!("dataflow {:?}", self.description.name)))
    }

    fn drive(&mut self, pass: Pass<'_>, which: impl Fn(&dyn Barrier) -> bool) -> Result<()> {
        let outcome = worker_panic_policy::in_front(&self.place, || {
            let barriers = self.barriers.iter_mut().enumerate();
            for (index, barrier) in barriers.filter(|(_, barrier)| which(&***barrier)) {
                pass.begin(index);
                barrier.drive(&pass);
            }
        });
        let outcome = match outcome {
            Ok(()) => pass.finish(),
            Err(panic) => Err(Error::new(Kind::Panic, format!("{}: {panic}", pass.place()))
                .remedy("mend the function, or make the operator a try_map; the log is intact")),
        };
        outcome.map_err(|error| {
            self.contain(|barriers| barriers.iter_mut().for_each(|barrier| barrier.discard()));
            error.within(format!("dataflow {:?}", self.description.name))
        })
    }

    /// Runs `work`, which runs code of the user's types, on the barriers, unless the dataflow has
    /// panicked; a panic becomes the fault of the dataflow.
    fn contain(&mut self, work: impl FnOnce(&mut [Box<dyn Barrier>])) {
        if self.fault.is_set() {
            return;
        }
        if let Err(panic) = worker_panic_policy::in_front(&self.place, || work(&mut self.barriers))
        {
            self.fault.set(format!("handing entries to their owners: {panic}"));
        }
    }

    /// Flushes combiners that have grown past their bound, so that owners take the entries when the
    /// worker steps.
    pub fn relieve(&mut self) {
        self.contain(|barriers| {
            let grown =
                |barrier: &&mut Box<dyn Barrier>| barrier.pending() >= limits::COMBINER_KEYS_MAX;
            barriers.iter_mut().filter(grown).for_each(|barrier| barrier.flush());
        });
    }

    /// Flushes everything fed so far and advances the inputs to `epoch`: nothing below it follows.
    pub fn advance_to(&mut self, epoch: Epoch) {
        assert!(epoch >= self.at(), "inputs at {} asked to go back to {epoch}", self.at());
        self.at.set(epoch);
        self.contain(|barriers| {
            barriers.iter_mut().for_each(|barrier| barrier.advance_to(epoch));
        });
    }

    /// Has every worker published every view of every epoch below `frontier`?
    pub fn passed(&self, frontier: Epoch) -> bool {
        !self.probe.less_than(&frontier)
    }

    /// Writes this worker's share of the accumulation `name` below `frontier` to `sink`, block by
    /// block; with `since`, what has changed since the files at that boundary, on which it rests.
    /// Nothing at or beyond `frontier` may have been sent.
    ///
    /// Panics when there is no such accumulation, or changes are asked of one in memory.
    pub fn dump(
        &mut self,
        name: &str,
        since: Option<Epoch>,
        frontier: Epoch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        assert!(self.at() == frontier, "inputs are at {}, dump wanted at {frontier}", self.at());
        let Some(barrier) = self.barriers.iter_mut().find(|barrier| barrier.name() == name) else {
            panic!("dataflow {:?} has no accumulation {name:?}", self.description.name)
        };
        let dump = || match since {
            Some(since) => barrier.dump_changes(since, frontier, sink),
            None => barrier.dump(frontier, sink),
        };
        worker_panic_policy::in_front(&self.place, dump).unwrap_or_else(|panic| {
            let at = frontier.saturating_sub(1);
            Err(self.panicked(format!("writing accumulation {name:?} of epoch {at}: {panic}")))
        })
    }

    /// Adds one dumped block of the accumulation `name`; any worker may have written it.
    pub fn load(&mut self, name: &str, block: &[u8]) -> Result<()> {
        let barrier = self.barriers.iter_mut().find(|barrier| barrier.name() == name);
        let Some(barrier) = barrier else {
            return Err(Error::new(
                Kind::Conflict,
                format!("dataflow {:?} has no accumulation {name:?}", self.description.name),
            )
            .remedy("the function changed without a new version: change `df.version`"));
        };
        worker_panic_policy::in_front(&self.place, || barrier.load(block)).unwrap_or_else(|panic| {
            let at = self.at();
            Err(self.panicked(format!("reading accumulation {name:?} of epoch {at}: {panic}")))
        })
    }

    /// Leaves the accumulations in files: see [`Barrier::rest_on`]. `stored` gives those of a batch
    /// view by name; without it there are none yet.
    ///
    /// Panics when an accumulation is missing, or one cannot be left in files.
    pub fn rest_on(&mut self, boundary: Epoch, stored: Option<&StoredState>) {
        self.contain(|barriers| {
            for barrier in barriers {
                let own = stored.map(|stored| stored.accumulation(barrier.name()));
                barrier.rest_on(boundary, own);
            }
        });
    }

    /// The size of the accumulations on this worker.
    pub fn state_size(&self) -> StateSize {
        let sum = || self.barriers.iter().map(|barrier| barrier.state_size()).sum();
        // A panic of a user's key is met again, with its place, when it is written.
        worker_panic_policy::in_front(&self.place, sum).unwrap_or_default()
    }

    /// The number of late events, which were older than the retention when they came, among those
    /// that this worker fed since the last call.
    pub fn take_late(&mut self) -> u64 {
        self.barriers.iter_mut().map(|barrier| barrier.take_late()).sum()
    }

    /// Removes the dataflow from the worker, with the epochs in flight.
    pub fn uninstall(self, worker: &mut Worker) {
        let Installed { barriers, index, description, place, .. } = self;
        for barrier in barriers {
            if let Err(panic) = worker_panic_policy::in_front(&place, || drop(barrier)) {
                tracing::debug!("dataflow {:?}: dropping it panics: {panic}", description.name);
            }
        }
        worker.drop_dataflow(index);
    }
}

/// The rows of a chunk of `rows` that worker `index` of `peers` reads: even, contiguous, disjoint.
pub fn share(rows: usize, index: usize, peers: usize) -> Range<usize> {
    (rows * index / peers)..(rows * (index + 1) / peers)
}
