//! The accumulation barrier: where the linear front ends and differential begins.
//!
//! Rows run through the front straight into this worker's *combiner*, a hash map of partial
//! results. When an epoch closes (or the combiner is full) its entries travel, exchanged by key,
//! to the owner's *state*, another hash map, which emits the change of each key's row. Time is
//! totally ordered and epochs close in order, so neither needs an arrangement, and the dump of the
//! states of all workers *is* the accumulation on disk: it may be loaded by any worker count, or
//! read in place, so that memory holds what has changed since.
//!
//! Invariants:
//! - the state holds exactly the events below its `upper`: partials of later epochs wait;
//! - entries are dumped at F only when nothing at or beyond F was applied and nothing waits
//!   (asserted), each owner's in the order of their places;
//! - the owner of a key is decided by the bytes of the key, so its entries on disk are one range;
//! - the change of one epoch may reach the output as several updates of one key (one per sending
//!   worker); they consolidate to `-old +new`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::{Scope, Stream};

use super::accumulation_codec::Sink;
use super::accumulation_monoids::{Accumulate, Made};
use super::barrier::Barrier;
use super::combiner::{Combiner, KeyPartial, PartialTable, combine};
use super::entry_bytes::{hash_of, write_in_order};
use super::linear_operators::Front;
use super::message_epoch::{epoch_of, retained};
use super::out_of_range_errors::Refusals;
use super::recent_entries::RecentEntries;
use super::record_batch_pass::Pass;
use super::report_state_size::LoggedSize;
use super::state_size::StateSize;
use super::vec_collection::Collection;
use diptych_base::error::{Error, Result};
use diptych_base::hash_buckets::owner_of_hash;
use diptych_base::time::Epoch;
use diptych_row::{ByteRange, StoredAccumulation, places_of};

/// The state of the owner.
struct State<A: Accumulate> {
    entries: OwnedEntries<A>,
    /// The upper bound of the applied epochs: every event below is in `entries`.
    upper: Epoch,
    /// The number of partials of later epochs.
    waiting: usize,
    /// The epoch whose partials were merged into the empty state before it was complete.
    bulk: Option<Epoch>,
    /// The error of reading files, after which nothing is applied.
    fault: Option<Error>,
}

/// The entries of an owner.
enum OwnedEntries<A: Accumulate> {
    /// All of them, in memory.
    All(PartialTable<A::Key, A::Partial>),
    /// Those that have changed lately, over files.
    Recent(RecentEntries<A>),
}

type Entries<A> = Vec<KeyPartial<A, <A as Accumulate>::Key>>;

/// A barrier whose owner keeps a hash map: `count`, `sum`, `distinct`, `latest`, `fold`.
pub(super) struct HashBarrier<A: Accumulate, P> {
    name: String,
    signature: String,
    accumulate: Rc<A>,
    combiner: Combiner<A, P, A::Key>,
    state: Rc<RefCell<State<A>>>,
    /// The places that this worker owns.
    places: ByteRange,
}

impl<A: Accumulate, P> HashBarrier<A, P> {
    /// Builds the barrier in `scope`, and the collection behind it.
    pub(super) fn install<'s>(
        scope: Scope<'s, Epoch>,
        name: &str,
        accumulate: A,
        front: P,
    ) -> (Self, Collection<'s, A::Row>) {
        let accumulate = Rc::new(accumulate);
        let state = Rc::new(RefCell::new(State {
            entries: OwnedEntries::All(PartialTable::default()),
            upper: 0,
            waiting: 0,
            bulk: None,
            fault: None,
        }));
        let places = places_of(scope.index(), scope.peers());
        let (combiner, stream) = Combiner::install(scope, &accumulate, front);
        let output = own(stream, name, Rc::clone(&accumulate), Rc::clone(&state));
        let barrier = HashBarrier {
            name: name.to_owned(),
            signature: A::signature(),
            accumulate,
            combiner,
            state,
            places,
        };
        (barrier, output)
    }
}

impl<A: Accumulate, P> HashBarrier<A, P> {
    /// The barrier under the signature of another barrier, whose files it reads and writes.
    pub(super) fn with_types(self, signature: String) -> Self {
        HashBarrier { signature, ..self }
    }
}

impl<A, P> Barrier for HashBarrier<A, P>
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
        self.combiner.drive(pass, |key| key);
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
        state.check_complete(&self.name, frontier);
        let accumulate = &*self.accumulate;
        match &state.entries {
            OwnedEntries::All(table) => write_in_order(accumulate, table.iter(), None, sink),
            OwnedEntries::Recent(recent) => recent.write(accumulate, self.places.clone(), sink),
        }
    }

    fn dump_changes(&mut self, since: Epoch, frontier: Epoch, sink: &mut Sink<'_>) -> Result<()> {
        let state = self.state.borrow();
        state.check_complete(&self.name, frontier);
        match &state.entries {
            OwnedEntries::Recent(recent) => {
                recent.write_changes(&*self.accumulate, &self.name, since, sink)
            }
            OwnedEntries::All(table) => {
                let (name, len) = (&self.name, table.len());
                panic!("accumulation {name:?} has {len} entries in memory, and no files at {since}")
            }
        }
    }

    fn load(&mut self, block: &[u8]) -> Result<()> {
        self.combiner.load(&self.name, block)
    }

    fn keeps_in_files(&self) -> bool {
        true
    }

    fn rest_on(&mut self, boundary: Epoch, stored: Option<Arc<dyn StoredAccumulation>>) {
        let state = &mut *self.state.borrow_mut();
        match (&mut state.entries, stored) {
            (OwnedEntries::Recent(recent), Some(stored)) => {
                recent.rest_on(boundary, stored);
            }
            (OwnedEntries::All(table), stored) => {
                let entries = table.len();
                assert!(entries == 0, "accumulation {:?} has {entries} entries", self.name);
                state.entries = OwnedEntries::Recent(RecentEntries::over(boundary, stored));
            }
            (OwnedEntries::Recent(_), None) => {
                panic!("accumulation {:?} rests on files, asked for none", self.name)
            }
        }
    }

    fn state_size(&self) -> StateSize {
        self.state.borrow().size()
    }

    fn fault(&self) -> Option<Error> {
        self.state.borrow().fault.clone()
    }
}

/// Partials that arrived for one epoch, and the right to emit at it.
struct Waiting<A: Accumulate> {
    capability: Capability<Epoch>,
    queue: Vec<Entries<A>>,
}

/// The owner: receives partials, applies them epoch by epoch, emits changes of rows.
fn own<'s, A: Accumulate>(
    stream: Stream<'s, Epoch, Entries<A>>,
    name: &str,
    accumulate: Rc<A>,
    state: Rc<RefCell<State<A>>>,
) -> Collection<'s, A::Row> {
    let scope = stream.scope();
    let peers = scope.peers();
    let pact = Exchange::new(move |(key, _): &(A::Key, A::Partial)| {
        owner_of_hash(hash_of(key), peers) as u64
    });
    let mut waiting: BTreeMap<Epoch, Waiting<A>> = BTreeMap::new();
    let accumulation = name.to_owned();
    let mut refusals = A::BOUNDED.then(|| Refusals::of(name));
    stream
        .unary_frontier::<timely::container::CapacityContainerBuilder<Vec<_>>, _, _, _>(
            pact,
            &format!("Own: {name}"),
            move |_capability, info| {
                let mut held = LoggedSize::new(scope.worker(), info.global_id);
                move |(input, frontier), output| {
                    let state = &mut *state.borrow_mut();
                    input.for_each(|capability, entries| {
                        let slot = waiting.entry(epoch_of(&capability));
                        let slot = slot.or_insert_with(|| Waiting {
                            capability: retained(&capability),
                            queue: Vec::new(),
                        });
                        state.waiting += entries.len();
                        slot.queue.push(std::mem::take(entries));
                    });
                    let upper = frontier.frontier().first().copied().unwrap_or(Epoch::MAX);
                    state.merge_early(&accumulate, &mut waiting, upper);
                    while let Some(slot) = waiting.first_entry() {
                        if *slot.key() >= upper
                            || !state.fetched(&accumulate, &accumulation, slot.get())
                        {
                            break;
                        }
                        let (epoch, slot) = slot.remove_entry();
                        let mut session = output.session(&slot.capability);
                        state.apply(&accumulate, epoch, slot.queue, |key, made, diff| match made {
                            Ok(row) => row.into_iter().for_each(|row| {
                                session.give((row, epoch, diff));
                            }),
                            Err(reason) => refuse(&mut refusals, key, &reason, epoch, diff),
                        });
                    }
                    if let Some(refusals) = &mut refusals {
                        refusals.advance(frontier.frontier().first().copied());
                    }
                    if upper != Epoch::MAX {
                        state.upper = upper;
                    }
                    held.tell(state.held());
                }
            },
        )
        .as_collection()
}

/// Adds a row of `errors` for a result that is out of a row's range.
pub(super) fn refuse<K: Debug>(
    refusals: &mut Option<Refusals>,
    key: &K,
    reason: &str,
    epoch: Epoch,
    times: isize,
) {
    match refusals {
        Some(refusals) => refusals.give(key, reason, epoch, times),
        None => {
            unreachable!("key {key:?}, in an accumulation that is never out of range: {reason}")
        }
    }
}

impl<A: Accumulate> State<A> {
    /// Panics unless everything below `frontier`, and nothing else, has been applied.
    fn check_complete(&self, name: &str, frontier: Epoch) {
        // `upper` may be below `frontier` where no event came: nothing waits, so nothing is
        // missing.
        assert!(
            self.upper <= frontier && self.waiting == 0 && self.bulk.is_none(),
            "accumulation {name:?} dumped at {frontier}, but it is at {} with {} entries waiting",
            self.upper,
            self.waiting,
        );
    }

    /// Brings what an epoch touches into memory. False when files cannot be read: the epoch then
    /// waits for ever, with its capability, and nothing of it is published.
    fn fetched(&mut self, accumulate: &A, name: &str, epoch: &Waiting<A>) -> bool {
        if let OwnedEntries::Recent(recent) = &mut self.entries
            && self.fault.is_none()
        {
            let entries = epoch.queue.iter().flatten();
            self.fault = recent.fetch(accumulate, name, entries).err();
        }
        self.fault.is_none()
    }

    /// An empty state has no old rows to retract, so the partials of the least epoch that can
    /// still arrive (all of history, often) are merged as they come instead of piling up.
    fn merge_early(
        &mut self,
        accumulate: &A,
        waiting: &mut BTreeMap<Epoch, Waiting<A>>,
        upper: Epoch,
    ) {
        let Some(mut first) = waiting.first_entry() else { return };
        let epoch = *first.key();
        if epoch > upper || !(self.is_empty() || self.bulk == Some(epoch)) {
            return;
        }
        self.bulk = Some(epoch);
        for entries in first.get_mut().queue.drain(..) {
            self.waiting -= entries.len();
            match &mut self.entries {
                OwnedEntries::All(table) => {
                    for (key, partial) in entries {
                        combine(accumulate, table, key, partial);
                    }
                }
                OwnedEntries::Recent(recent) => {
                    for entry in entries {
                        recent.combine(accumulate, epoch, entry);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        match &self.entries {
            OwnedEntries::All(table) => table.is_empty(),
            OwnedEntries::Recent(recent) => recent.is_empty(),
        }
    }

    /// The number of entries in memory.
    fn held(&self) -> usize {
        match &self.entries {
            OwnedEntries::All(table) => table.len(),
            OwnedEntries::Recent(recent) => recent.len(),
        }
    }

    fn size(&self) -> StateSize {
        match &self.entries {
            OwnedEntries::All(table) => {
                let slot = size_of::<(A::Key, A::Partial)>();
                StateSize::of_table(table.iter(), table.len(), table.capacity(), slot)
            }
            OwnedEntries::Recent(recent) => recent.size(),
        }
    }

    /// Applies a complete epoch and emits the change of each touched key's row.
    fn apply(
        &mut self,
        accumulate: &A,
        epoch: Epoch,
        queue: Vec<Entries<A>>,
        mut emit: impl FnMut(&A::Key, Made<A::Row>, isize),
    ) {
        if self.bulk.take() == Some(epoch) {
            assert!(queue.is_empty(), "epoch {epoch} was merged early, {} remain", queue.len());
            match &mut self.entries {
                OwnedEntries::All(table) => {
                    table.retain(|_, partial| !accumulate.is_zero(partial));
                    emit_all(accumulate, table.iter(), emit);
                }
                // Those that are zero have no row.
                OwnedEntries::Recent(recent) => emit_all(accumulate, recent.iter(), emit),
            }
            return;
        }
        let entries = queue.into_iter().flatten();
        match &mut self.entries {
            OwnedEntries::All(table) => {
                for (key, partial) in entries {
                    self.waiting -= 1;
                    apply_one(accumulate, table, key, partial, &mut emit);
                }
            }
            OwnedEntries::Recent(recent) => {
                for entry in entries {
                    self.waiting -= 1;
                    recent.apply(accumulate, epoch, entry, &mut emit);
                }
            }
        }
    }
}

/// Emits the rows of all entries.
fn emit_all<'p, A: Accumulate>(
    accumulate: &A,
    entries: impl Iterator<Item = (&'p A::Key, &'p A::Partial)>,
    mut emit: impl FnMut(&A::Key, Made<A::Row>, isize),
) {
    entries.for_each(|(key, partial)| emit(key, accumulate.row(key, partial), 1));
}

/// Merges a partial into the table, and emits the change of the key's row.
fn apply_one<A: Accumulate>(
    accumulate: &A,
    table: &mut PartialTable<A::Key, A::Partial>,
    key: A::Key,
    partial: A::Partial,
    emit: &mut impl FnMut(&A::Key, Made<A::Row>, isize),
) {
    use hashbrown::hash_map::Entry;
    match table.entry(key) {
        Entry::Vacant(entry) => {
            emit(entry.key(), accumulate.row(entry.key(), &partial), 1);
            entry.insert(partial);
        }
        Entry::Occupied(mut entry) => {
            let old = accumulate.row(entry.key(), entry.get());
            accumulate.merge(entry.get_mut(), partial);
            let new = accumulate.row(entry.key(), entry.get());
            if old != new {
                emit(entry.key(), old, -1);
                emit(entry.key(), new, 1);
            }
            if accumulate.is_zero(entry.get()) {
                entry.remove();
            }
        }
    }
}
