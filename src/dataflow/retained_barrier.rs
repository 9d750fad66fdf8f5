//! The barrier behind a stream with `retain`: contributions leave when the horizon passes them.
//!
//! The state is that of [`HashBarrier`](super::accumulation_barrier), once for each step of time: a
//! key has a partial for each step, so that an expiring step removes exactly the contributions of
//! its events. The row of a key is that of all its steps together. Where an accumulation has an
//! inverse (`count`, `sum`, `distinct`) the expired partial is subtracted from the total; else the
//! total is merged again from the steps that remain, once per key and epoch. At every epoch the
//! collection behind is as if only the events at or above the horizon existed.
//!
//! The dump holds `((expiry, key), partial)` of the partials that have not expired. Together with
//! the newest event time, an accumulation of its own, this is the whole state: later expiries
//! follow from it.
//!
//! State: one entry per key and step that has events, with its key twice, and one total per key
//! that has several steps.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use differential_dataflow::AsCollection;
use foldhash::fast::FixedState;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, Concatenate};
use timely::dataflow::{Scope, Stream, StreamVec};

use super::accumulation_barrier::refuse;
use super::accumulation_codec::Sink;
use super::accumulation_monoids::{Accumulate, Made};
use super::assign_expiry::Retention;
use super::barrier::Barrier;
use super::combiner::{Combiner, KeyPartial, route};
use super::expiring_state::Kept;
use super::linear_operators::Front;
use super::message_epoch::{epoch_of, retained};
use super::out_of_range_errors::Refusals;
use super::record_batch_pass::Pass;
use super::report_state_size::LoggedSize;
use super::retention::{Expiry, Horizons};
use super::vec_collection::Collection;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The place of a partial: its expiry and its key.
type Place<A> = (Expiry, <A as Accumulate>::Key);
type Entries<A> = Vec<KeyPartial<A, Place<A>>>;

/// The state of the owner.
struct State<A: Accumulate> {
    kept: Kept<A>,
    horizons: Horizons,
    upper: Epoch,
    /// The number of partials of later epochs.
    waiting: usize,
    /// The epoch whose partials were merged into the empty state before it was complete.
    bulk: Option<Epoch>,
}

/// A barrier whose owner keeps a hash map for each step of time.
pub(super) struct RetainedBarrier<A: Accumulate, P> {
    name: String,
    signature: String,
    combiner: Combiner<A, P, Place<A>>,
    state: Rc<RefCell<State<A>>>,
}

impl<A: Accumulate, P> RetainedBarrier<A, P> {
    /// Builds the barrier in `scope`, and the collection behind it.
    pub(super) fn install<'s>(
        scope: Scope<'s, Epoch>,
        name: &str,
        accumulate: A,
        front: P,
        retentions: Vec<Retention<'s>>,
    ) -> (Self, Collection<'s, A::Row>) {
        let accumulate = Rc::new(accumulate);
        let horizons = Horizons::new(retentions.iter().map(|one| (one.of, one.keep)));
        let state = Rc::new(RefCell::new(State {
            kept: Kept::new(Rc::clone(&accumulate)),
            horizons,
            upper: 0,
            waiting: 0,
            bulk: None,
        }));
        let (combiner, stream) = Combiner::install(scope, &accumulate, front);
        let told = scope.concatenate(retentions.into_iter().map(|retention| {
            use timely::dataflow::operators::vec::Map;
            retention.told.map(move |newest| (retention.of, newest))
        }));
        let output = own(stream, told, name, Rc::clone(&state));
        let barrier = RetainedBarrier {
            name: name.to_owned(),
            signature: format!("retained {}", A::signature()),
            combiner,
            state,
        };
        (barrier, output)
    }
}

impl<A, P> Barrier for RetainedBarrier<A, P>
where
    A: Accumulate,
    P: for<'a> Front<Item<'a> = A::Item>,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &str {
        &self.signature
    }

    fn drive(&mut self, pass: &Pass<'_>) {
        self.combiner.drive(pass, |key| (pass.expiry(), key));
    }

    fn has_inverse(&self) -> bool {
        A::INVERSE
    }

    fn pending(&self) -> usize {
        self.combiner.len()
    }

    fn flush(&mut self) {
        self.combiner.flush();
    }

    fn discard(&mut self) {
        self.combiner.clear();
    }

    fn advance_to(&mut self, epoch: Epoch) {
        self.combiner.advance_to(epoch);
    }

    fn dump(&mut self, frontier: Epoch, sink: &mut Sink<'_>) -> Result<()> {
        let state = self.state.borrow();
        assert!(
            state.upper <= frontier && state.waiting == 0 && state.bulk.is_none(),
            "accumulation {:?} dumped at {frontier}, but it is at {} with {} entries waiting",
            self.name,
            state.upper,
            state.waiting,
        );
        state.kept.write(sink)
    }

    fn load(&mut self, block: &[u8]) -> Result<()> {
        self.combiner.load(&self.name, block)
    }
}

/// The partials and times that arrived for one epoch, and the capability to emit at it.
struct Waiting<A: Accumulate> {
    capability: Capability<Epoch>,
    queue: Vec<Entries<A>>,
    newest: Vec<(u32, i64)>,
}

impl<A: Accumulate> Waiting<A> {
    fn new(capability: Capability<Epoch>) -> Self {
        Waiting { capability, queue: Vec::new(), newest: Vec::new() }
    }
}

/// The owner: receives partials and the newest event times, applies them epoch by epoch, emits
/// changes of rows.
fn own<'s, A: Accumulate>(
    stream: Stream<'s, Epoch, Entries<A>>,
    told: StreamVec<'s, Epoch, (u32, i64)>,
    name: &str,
    state: Rc<RefCell<State<A>>>,
) -> Collection<'s, A::Row> {
    let pact = Exchange::new(|((_, key), _): &KeyPartial<A, Place<A>>| route(key));
    let mut waiting: BTreeMap<Epoch, Waiting<A>> = BTreeMap::new();
    let scope = stream.scope();
    let mut refusals = A::BOUNDED.then(|| Refusals::of(name));
    let name = format!("Own: {name}");
    let rows = stream.binary_frontier::<_, CapacityContainerBuilder<Vec<_>>, _, _, _, _>(
        told,
        pact,
        Pipeline,
        &name,
        move |_capability, info| {
            let mut held = LoggedSize::new(scope.worker(), info.global_id);
            move |(input, frontier), (told, told_frontier), output| {
                let state = &mut *state.borrow_mut();
                input.for_each(|capability, entries| {
                    let slot = waiting.entry(epoch_of(&capability));
                    let slot = slot.or_insert_with(|| Waiting::new(retained(&capability)));
                    state.waiting += entries.len();
                    slot.queue.push(std::mem::take(entries));
                });
                told.for_each(|capability, newest| {
                    let slot = waiting.entry(epoch_of(&capability));
                    let slot = slot.or_insert_with(|| Waiting::new(retained(&capability)));
                    slot.newest.append(newest);
                });
                let frontiers = [frontier.frontier(), told_frontier.frontier()];
                let upper = frontiers.iter().filter_map(|one| one.first().copied()).min();
                let upper = upper.unwrap_or(Epoch::MAX);
                state.merge_early(&mut waiting, upper);
                while let Some(slot) = waiting.first_entry()
                    && *slot.key() < upper
                {
                    let (epoch, slot) = slot.remove_entry();
                    let mut session = output.session(&slot.capability);
                    state.apply(epoch, slot.queue, slot.newest, |key, made, diff| match made {
                        Ok(row) => row.into_iter().for_each(|row| {
                            session.give((row, epoch, diff));
                        }),
                        Err(reason) => refuse(&mut refusals, key, &reason, epoch, diff),
                    });
                }
                if let Some(refusals) = &mut refusals {
                    refusals.advance(Some(upper).filter(|upper| *upper != Epoch::MAX));
                }
                if upper != Epoch::MAX {
                    state.upper = upper;
                }
                held.tell(state.kept.len());
            }
        },
    );
    rows.as_collection()
}

impl<A: Accumulate> State<A> {
    /// Merges partials early: an empty state has no old rows to retract, so partials for the least
    /// epoch that can still arrive (all of history, often) are merged as they come, and those that
    /// have expired by then are not kept.
    fn merge_early(&mut self, waiting: &mut BTreeMap<Epoch, Waiting<A>>, upper: Epoch) {
        let Some(mut first) = waiting.first_entry() else { return };
        let epoch = *first.key();
        if epoch > upper || !(self.kept.is_empty() || self.bulk == Some(epoch)) {
            return;
        }
        self.bulk = Some(epoch);
        let slot = first.get_mut();
        self.move_horizons(slot.newest.drain(..), |_, _| {});
        for entries in slot.queue.drain(..) {
            self.waiting -= entries.len();
            for ((expiry, key), partial) in entries {
                if !self.horizons.passed(expiry) {
                    self.kept.add(expiry, key, partial);
                }
            }
        }
    }

    /// Moves the horizons by the newest event times and drops expired partials; `leaving` sees each
    /// key before that.
    fn move_horizons(
        &mut self,
        newest: impl Iterator<Item = (u32, i64)>,
        mut leaving: impl FnMut(&mut Kept<A>, &A::Key),
    ) {
        let mut moved = false;
        for (of, newest) in newest {
            self.horizons.hear(of, newest);
            moved = true;
        }
        if moved {
            for (of, first) in self.horizons.steps() {
                self.kept.expire(of, first, &mut leaving);
            }
        }
    }

    /// Applies a complete epoch and emits the change of each touched key's row.
    fn apply(
        &mut self,
        epoch: Epoch,
        queue: Vec<Entries<A>>,
        newest: Vec<(u32, i64)>,
        mut emit: impl FnMut(&A::Key, Made<A::Row>, isize),
    ) {
        if self.bulk.take() == Some(epoch) {
            assert!(queue.is_empty() && newest.is_empty(), "epoch {epoch} was merged early");
            self.kept.rows().for_each(|(key, made)| emit(key, made, 1));
            return;
        }
        let mut before: HashMap<A::Key, Made<A::Row>, FixedState> = HashMap::default();
        let mut touch = |kept: &mut Kept<A>, key: &A::Key| {
            if !before.contains_key(key) {
                before.insert(key.clone(), kept.row(key));
            }
        };
        self.move_horizons(newest.into_iter(), &mut touch);
        for ((expiry, key), partial) in queue.into_iter().flatten() {
            self.waiting -= 1;
            if !self.horizons.passed(expiry) {
                touch(&mut self.kept, &key);
                self.kept.add(expiry, key, partial);
            }
        }
        for (key, old) in before {
            let new = self.kept.row(&key);
            if old != new {
                emit(&key, old, -1);
                emit(&key, new, 1);
            }
        }
    }
}
