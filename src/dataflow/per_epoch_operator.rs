//! Operators that receive all changes of an epoch at once, when it closes.
//!
//! Differential's `reduce` reads a whole key again whenever one of its rows changes. Time is
//! totally ordered here and epochs close in order, so the owner of a key may keep its rows in the
//! order that suits the operator, and touch only those that a change concerns.
//!
//! The state is derived: a restore fills it from the accumulations again, like everything behind a
//! barrier.

use std::collections::BTreeMap;
use std::hash::Hash;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::{AsCollection, ExchangeData};
use hashbrown::hash_map::Entry;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use super::combiner::PartialTable;
use super::message_epoch::retained;
use super::report_state_size::LoggedSize;
use super::vec_collection::Collection;
use diptych_base::time::Epoch;

/// The state of an owner, and the output it derives from an epoch's changes.
pub(super) trait ByEpoch: 'static {
    /// An input row.
    type Row: ExchangeData;
    /// An output row.
    type Out: Clone + 'static;

    /// Applies all changes of one epoch: sorted, each row once, none of them zero. Emitted changes
    /// may cancel.
    fn close(&mut self, changes: Vec<(Self::Row, isize)>, emit: impl FnMut(Self::Out, isize));

    /// The number of kept rows.
    fn held(&self) -> usize;
}

/// Changes of an epoch that is not complete, and the right to emit at it.
type Waiting<R> = BTreeMap<Epoch, (Capability<Epoch>, Vec<(R, isize)>)>;

/// Runs `state` over `rows`, epoch by epoch; `place` decides the owner of a row.
pub(super) fn by_epoch<'s, S: ByEpoch>(
    rows: Collection<'s, S::Row>,
    name: &str,
    place: impl Fn(&S::Row) -> u64 + 'static,
    mut state: S,
) -> Collection<'s, S::Out> {
    let scope = rows.scope();
    let pact = Exchange::new(move |(row, _, _): &(S::Row, Epoch, isize)| place(row));
    let mut waiting: Waiting<S::Row> = BTreeMap::new();
    rows.inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(pact, name, |_, info| {
            let mut held = LoggedSize::new(scope.worker(), info.global_id);
            move |(input, frontier), output| {
                input.for_each(|capability, changes| {
                    let capability = retained(&capability);
                    for (row, epoch, diff) in changes.drain(..) {
                        let slot = waiting.entry(epoch);
                        let (_, queue) =
                            slot.or_insert_with(|| (capability.delayed(&epoch), Vec::new()));
                        queue.push((row, diff));
                    }
                });
                while let Some(first) = waiting.first_entry() {
                    if frontier.less_equal(first.key()) {
                        break;
                    }
                    let (epoch, (capability, mut queue)) = first.remove_entry();
                    consolidate(&mut queue);
                    let mut session = output.session(&capability);
                    state.close(queue, |row, diff| session.give((row, epoch, diff)));
                }
                held.tell(state.held());
            }
        })
        .as_collection()
}

/// The state of an owner for one key.
pub(super) trait OfKey: Default {
    /// The number of kept rows; a key with none is dropped.
    fn held(&self) -> usize;
}

/// The state of an owner, by key.
pub(super) struct Keys<K, S> {
    of: PartialTable<K, S>,
    held: usize,
}

impl<K, S> Default for Keys<K, S> {
    fn default() -> Self {
        Keys { of: PartialTable::default(), held: 0 }
    }
}

impl<K: ExchangeData + Hash, S: OfKey> Keys<K, S> {
    /// Gives `each` the state of a key and the sorted changes of its rows, key by key.
    pub(super) fn close<R>(
        &mut self,
        changes: Vec<((K, R), isize)>,
        mut each: impl FnMut(&K, &mut S, Vec<(R, isize)>),
    ) {
        let mut changes = changes.into_iter().peekable();
        while let Some(((key, row), diff)) = changes.next() {
            let mut rows = vec![(row, diff)];
            while let Some(((_, row), diff)) = changes.next_if(|((next, _), _)| *next == key) {
                rows.push((row, diff));
            }
            let mut entry = match self.of.entry(key) {
                Entry::Occupied(entry) => entry,
                Entry::Vacant(entry) => entry.insert_entry(S::default()),
            };
            let before = entry.get().held();
            let key = entry.key().clone();
            each(&key, entry.get_mut(), rows);
            let after = entry.get().held();
            self.held = self.held + after - before;
            if after == 0 {
                entry.remove();
            }
        }
    }

    /// The number of kept rows.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}
