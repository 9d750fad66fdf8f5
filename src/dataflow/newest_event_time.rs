//! The newest event time of a stream, from which horizons are measured.
//!
//! Each worker keeps the newest time among the rows it has read, and broadcasts it when an epoch
//! closes, if it is newer than the one it sent before. An operator that needs the horizon of an
//! epoch receives these times on a second input, and has them all when the frontier of that input
//! has passed the epoch. So all workers agree without messages beside the data, in one process or
//! many.
//!
//! On disk this is an accumulation like any other, of one number per worker; the newest time is the
//! greatest of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::{InputHandle, Scope, StreamVec};

use super::accumulation_codec::Sink;
use super::barrier::Barrier;
use super::flush_before_exchange::flush_before_exchange;
use super::linear_operators::Front;
use super::message_epoch::epoch_of;
use super::record_batch_pass::Pass;
use super::retention::{Keep, Moment, believed};
use diptych_base::error::Result;
use diptych_base::limits;
use diptych_base::time::Epoch;

/// The signature of the barrier.
pub(super) const SIGNATURE: &str = "newest";

/// The newest times that workers have seen, sent to every worker at the epochs in question.
pub(super) type Told<'s> = StreamVec<'s, Epoch, i64>;

/// The newest event time of a stream; see [`Events::newest`](super::Events::newest).
#[derive(Clone)]
pub struct Newest<'s> {
    pub(super) stream: String,
    pub(super) told: Told<'s>,
}

/// The newest time among the rows that this worker has fed so far.
pub(super) type NewestSeen = Rc<Cell<Option<i64>>>;

/// The number of rows in each step, of epochs that are not complete.
type Rows = Rc<RefCell<BTreeMap<Epoch, BTreeMap<i64, u64>>>>;

/// Counts late events: older than the retention when they came.
struct Late {
    keep: Keep,
    rows: Rows,
    count: Rc<Cell<u64>>,
}

/// The barrier that keeps the newest event time and sends it to the rest of the dataflow.
pub(super) struct NewestBarrier<P, F> {
    name: String,
    signature: String,
    front: P,
    time: Rc<F>,
    seen: NewestSeen,
    told: Option<i64>,
    late: Option<Late>,
    input: InputHandle<Epoch, CapacityContainerBuilder<Vec<i64>>>,
}

impl<P, F> NewestBarrier<P, F> {
    /// Builds the barrier called `name`; gives also the newest time on this worker, and the stream
    /// of times sent to all workers. Late events are counted if there is a `keep` that defines
    /// late.
    pub(super) fn install(
        scope: Scope<'_, Epoch>,
        name: String,
        front: P,
        time: Rc<F>,
        keep: Option<Keep>,
    ) -> (Self, NewestSeen, Told<'_>) {
        let (input, stream) = scope.new_input_with_builder();
        let told = flush_before_exchange(stream).broadcast();
        let late = keep.map(|keep| Late { keep, rows: Rc::default(), count: Rc::default() });
        if let Some(late) = &late {
            late.watch(told.clone(), &name);
        }
        let seen = NewestSeen::default();
        let barrier = NewestBarrier {
            signature: SIGNATURE.to_owned(),
            name,
            front,
            time,
            seen: Rc::clone(&seen),
            told: None,
            late,
            input,
        };
        (barrier, seen, told)
    }
}

impl<P, F, M> Barrier for NewestBarrier<P, F>
where
    P: Front,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> M + 'static,
    M: Moment,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &str {
        &self.signature
    }

    fn drive(&mut self, pass: &Pass<'_>) {
        // A retracted event still counts: the horizon never goes back.
        if pass.weight() < 0 {
            return;
        }
        let time = &*self.time;
        let at = *self.input.time();
        let late = self.late.as_ref();
        let mut newest = self.seen.get();
        self.front.drive(pass, &mut |item: P::Item<'_>, _weight| {
            let Some(moment) = time(&item).moment_us() else { return };
            let (epoch, clock) = pass.moment();
            newest = newest.max(believed(moment, clock));
            // In history, which is fed at its last epoch, late events cannot be told apart.
            if let Some(late) = late.filter(|_| epoch == at) {
                late.note(epoch, moment);
            }
        });
        self.seen.set(newest);
    }

    fn has_inverse(&self) -> bool {
        true
    }

    fn watches(&self) -> bool {
        true
    }

    /// No entries: the barrier sends its time at once, so that states can drop expired partials.
    fn pending(&self) -> usize {
        if self.seen.get() > self.told { limits::COMBINER_KEYS_MAX } else { 0 }
    }

    fn flush(&mut self) {
        if let Some(newest) = self.seen.get().filter(|newest| Some(*newest) > self.told) {
            self.told = Some(newest);
            self.input.send(newest);
        }
        self.input.flush();
    }

    /// Goes back to the time that was sent last; nothing is fed after a discard.
    fn discard(&mut self) {
        self.seen.set(self.told);
    }

    fn advance_to(&mut self, epoch: Epoch) {
        self.flush();
        self.input.advance_to(epoch);
    }

    fn dump(&mut self, _frontier: Epoch, sink: &mut Sink<'_>) -> Result<()> {
        super::accumulation_codec::write(self.told.iter(), sink)
    }

    fn load(&mut self, block: &[u8]) -> Result<()> {
        let newest: Vec<i64> = super::accumulation_codec::read(&self.name, block)?;
        self.seen.set(self.seen.get().max(newest.into_iter().max()));
        self.flush();
        Ok(())
    }

    fn take_late(&mut self) -> u64 {
        self.late.as_ref().map_or(0, |late| late.count.take())
    }
}

impl Late {
    fn note(&self, epoch: Epoch, moment: i64) {
        let mut rows = self.rows.borrow_mut();
        *rows.entry(epoch).or_default().entry(self.keep.step_of(moment)).or_default() += 1;
    }

    /// Counts the rows of each epoch when the horizon of that epoch is known.
    fn watch(&self, told: Told<'_>, name: &str) {
        let keep = self.keep;
        let rows = Rc::clone(&self.rows);
        let count = Rc::clone(&self.count);
        let mut waiting: BTreeMap<Epoch, i64> = BTreeMap::new();
        let mut newest = None;
        told.sink(Pipeline, &format!("Late: {name}"), move |(input, frontier)| {
            input.for_each(|capability, moments: &mut Vec<i64>| {
                if let Some(greatest) = moments.iter().copied().max() {
                    let told = waiting.entry(epoch_of(&capability)).or_insert(greatest);
                    *told = greatest.max(*told);
                }
            });
            let upper = frontier.frontier().first().copied().unwrap_or(Epoch::MAX);
            let mut rows = rows.borrow_mut();
            while let Some(epoch) = rows.first_key_value().map(|(epoch, _)| *epoch)
                && epoch < upper
            {
                let steps = rows.remove(&epoch).unwrap_or_default();
                while let Some(first) = waiting.first_entry()
                    && *first.key() <= epoch
                {
                    newest = newest.max(Some(first.remove()));
                }
                let Some(horizon) = newest.map(|newest| keep.horizon(newest)) else { continue };
                count.set(count.get() + steps.range(..horizon).map(|(_, n)| n).sum::<u64>());
            }
            while let Some(first) = waiting.first_entry()
                && *first.key() < upper
            {
                newest = newest.max(Some(first.remove()));
            }
        });
    }
}
