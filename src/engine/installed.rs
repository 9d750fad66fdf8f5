//! One dataflow on one worker.

use std::ops::Range;
use std::sync::Arc;

use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use super::guard;
use super::reach::reached;
use crate::dataflow::{Barrier, Definition, Description, Pass, Sink};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::log::{Chunk, Clocks};
use crate::serving::{Publish, probe_published, publish_view};
use crate::time::Epoch;

/// A compiled dataflow on this worker: rows in, published views out.
pub(crate) struct Installed {
    description: Description,
    barriers: Vec<Box<dyn Barrier>>,
    probe: ProbeHandle<Epoch>,
    index: usize,
    /// The time of all inputs: no event below it may be fed any more.
    at: Epoch,
}

impl Installed {
    /// Compiles `definition` onto `worker`; its views go to `publisher` in `shards` shards. All
    /// workers must install the same dataflows in the same order.
    pub(crate) fn install(
        worker: &mut Worker,
        definition: &Definition,
        shards: usize,
        publisher: &Arc<dyn Publish>,
    ) -> Result<Self> {
        guard::working_on(definition.name(), 0);
        let index = worker.next_dataflow_index();
        let probe = ProbeHandle::new();
        let outcome = worker.dataflow_named(definition.name(), |scope| {
            let plan = definition.draw(scope)?;
            let description = Description::of(definition.name(), &plan);
            for (view, (info, rows)) in plan.views.into_iter().enumerate() {
                let view = (view, info.name.as_str());
                let end = publish_view(rows, view, shards, Arc::clone(publisher));
                probe_published(end, &probe);
            }
            Ok((description, plan.barriers))
        });
        match outcome {
            Ok((description, barriers)) => {
                Ok(Installed { description, barriers, probe, index, at: 0 })
            }
            Err(error) => {
                worker.drop_dataflow(index);
                Err(error)
            }
        }
    }

    /// The time of all inputs.
    pub(crate) fn at(&self) -> Epoch {
        self.at
    }

    /// Runs rows `range` of `chunk`, whose epochs have these clocks, through the front into the
    /// combiners.
    ///
    /// Errors when the chunk's columns do not fit the event type, or when the user's code
    /// panicked; then the combiners are thrown away and the dataflow must be dropped.
    pub(crate) fn feed(
        &mut self,
        chunk: &Chunk,
        range: Range<usize>,
        clocks: &Clocks,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.drive(Pass::new(chunk, range, clocks), |_| true)
    }

    /// The same for events that are taken back, whichever epoch they are of. Accumulations without
    /// an inverse stay as they are: see [`Installed::reached`].
    ///
    /// Errors as [`Installed::feed`].
    pub(crate) fn take_back(&mut self, chunk: &Chunk, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.drive(Pass::taking_back(chunk, range), |_| true)
    }

    /// Shows events that do not stand any more, of epochs with these clocks, to what watches all
    /// that ever was.
    ///
    /// Errors as [`Installed::feed`].
    pub(crate) fn watch(&mut self, chunk: &Chunk, clocks: &Clocks) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.drive(Pass::new(chunk, 0..chunk.len(), clocks), |barrier| barrier.watches())
    }

    /// The accumulation that cannot undo one of these events and that it gets to.
    ///
    /// Errors as [`Installed::feed`].
    pub(crate) fn reached(&mut self, chunk: &Chunk) -> Result<Option<String>> {
        let reached = reached(&mut self.barriers, chunk);
        reached.map_err(|error| error.within(format!("dataflow {:?}", self.description.name)))
    }

    fn drive(&mut self, pass: Pass<'_>, which: impl Fn(&dyn Barrier) -> bool) -> Result<()> {
        let outcome = guard::in_front(|| {
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
            self.barriers.iter_mut().for_each(|barrier| barrier.discard());
            error.within(format!("dataflow {:?}", self.description.name))
        })
    }

    /// Flushes combiners that have grown past their bound; true when one was flushed, and the
    /// worker should step so that owners take the entries.
    pub(crate) fn relieve(&mut self) -> bool {
        let mut flushed = false;
        for barrier in &mut self.barriers {
            if barrier.pending() >= limits::COMBINER_KEYS_MAX {
                barrier.flush();
                flushed = true;
            }
        }
        flushed
    }

    /// Sends everything fed so far on its way and promises that nothing below `epoch` follows.
    pub(crate) fn advance_to(&mut self, epoch: Epoch) {
        assert!(epoch >= self.at, "inputs at {} asked to go back to {epoch}", self.at);
        guard::working_on(&self.description.name, epoch);
        self.at = epoch;
        for barrier in &mut self.barriers {
            barrier.advance_to(epoch);
        }
    }

    /// Whether every view of every epoch below `frontier` has been published by every worker.
    pub(crate) fn passed(&self, frontier: Epoch) -> bool {
        !self.probe.less_than(&frontier)
    }

    /// This worker's share of the accumulation `name` below `frontier`, block by block. Nothing at
    /// or beyond `frontier` may have been sent.
    ///
    /// Panics when there is no such accumulation.
    pub(crate) fn dump(&mut self, name: &str, frontier: Epoch, sink: &mut Sink<'_>) -> Result<()> {
        assert!(self.at == frontier, "inputs are at {}, dump wanted at {frontier}", self.at);
        match self.barriers.iter_mut().find(|barrier| barrier.name() == name) {
            Some(barrier) => barrier.dump(frontier, sink),
            None => panic!("dataflow {:?} has no accumulation {name:?}", self.description.name),
        }
    }

    /// Adds one dumped block of the accumulation `name`, whichever worker wrote it.
    pub(crate) fn load(&mut self, name: &str, block: &[u8]) -> Result<()> {
        let barrier = self.barriers.iter_mut().find(|barrier| barrier.name() == name);
        let Some(barrier) = barrier else {
            return Err(Error::new(
                Kind::Conflict,
                format!("dataflow {:?} has no accumulation {name:?}", self.description.name),
            )
            .remedy("the function changed without a new version: change `df.version`"));
        };
        barrier.load(block)
    }

    /// How many events of those that this worker fed were older than what was kept when they came,
    /// since this was last asked.
    pub(crate) fn take_late(&mut self) -> u64 {
        self.barriers.iter_mut().map(|barrier| barrier.take_late()).sum()
    }

    /// Removes the dataflow from the worker, with whatever is in flight.
    pub(crate) fn uninstall(self, worker: &mut Worker) {
        let index = self.index;
        drop(self);
        worker.drop_dataflow(index);
    }
}

/// The rows of a chunk of `rows` that worker `index` of `peers` reads: even, contiguous, disjoint.
pub(crate) fn share(rows: usize, index: usize, peers: usize) -> Range<usize> {
    (rows * index / peers)..(rows * (index + 1) / peers)
}
