//! The least `k` rows of each group, kept in order.
//!
//! A `reduce` would read a whole group again whenever one of its rows changes, also when that row
//! is nowhere near the top. Time is totally ordered here and epochs close in order, so the owner of
//! a group keeps its rows in a sorted map instead: a change costs `O(log n)`, and a group that
//! changed in an epoch costs `O(k)` once, at its close.
//!
//! The state is derived: a restore fills it from the accumulations again, like everything behind a
//! barrier.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::Hash;

use differential_dataflow::{AsCollection, ExchangeData};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use super::collection::Collection;
use super::combiner::{Table, route};
use crate::time::Epoch;

type Change<G, R> = ((G, R), Epoch, isize);

/// One group: all its rows with their multiplicities, and what was emitted as its top.
struct Group<R> {
    rows: BTreeMap<R, isize>,
    top: Vec<R>,
}

/// `((group, rank), row)` for the least `k` rows of each group, ranked from 1.
pub(super) fn top_k<G, R>(rows: Collection<'_, (G, R)>, k: usize) -> Collection<'_, ((G, u64), R)>
where
    G: ExchangeData + Hash,
    R: ExchangeData,
{
    let pact = Exchange::new(|((group, _), _, _): &Change<G, R>| route(group));
    let mut waiting: BTreeMap<Epoch, (Capability<Epoch>, Vec<((G, R), isize)>)> = BTreeMap::new();
    let mut groups: Table<G, Group<R>> = HashMap::default();
    rows.inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(pact, "TopK", |_, _| {
            move |(input, frontier), output| {
                input.for_each(|capability, changes| {
                    let capability = capability.retain(0);
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
                    let (epoch, (capability, queue)) = first.remove_entry();
                    let mut session = output.session(&capability);
                    close(&mut groups, k, queue, |row, diff| session.give((row, epoch, diff)));
                }
            }
        })
        .as_collection()
}

/// Applies the changes of one epoch and emits what they do to the tops of their groups.
fn close<G: ExchangeData + Hash, R: ExchangeData>(
    groups: &mut Table<G, Group<R>>,
    k: usize,
    changes: Vec<((G, R), isize)>,
    mut emit: impl FnMut(((G, u64), R), isize),
) {
    // A fixed hasher: the order of what is emitted is the same in every run.
    let mut touched = HashSet::with_hasher(FixedState::default());
    for ((group, row), diff) in changes {
        let empty = || Group { rows: BTreeMap::new(), top: Vec::new() };
        groups.entry(group.clone()).or_insert_with(empty).change(row, diff);
        touched.insert(group);
    }
    for group in touched {
        let Some(of_group) = groups.get_mut(&group) else { continue };
        let top = of_group.least(k);
        let old = std::mem::replace(&mut of_group.top, top);
        let ranks = 0..old.len().max(of_group.top.len());
        for rank in ranks {
            let (before, after) = (old.get(rank), of_group.top.get(rank));
            if before == after {
                continue;
            }
            let place = || (group.clone(), rank as u64 + 1);
            if let Some(before) = before {
                emit((place(), before.clone()), -1);
            }
            if let Some(after) = after {
                emit((place(), after.clone()), 1);
            }
        }
        if of_group.rows.is_empty() {
            groups.remove(&group);
        }
    }
}

impl<R: Ord + Clone> Group<R> {
    fn change(&mut self, row: R, diff: isize) {
        match self.rows.entry(row) {
            Entry::Vacant(entry) => {
                if diff != 0 {
                    entry.insert(diff);
                }
            }
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += diff;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// The first `k` rows; a row takes as many places as it has copies, none if they are negative.
    fn least(&self, k: usize) -> Vec<R> {
        let copies = self.rows.iter().flat_map(|(row, copies)| {
            std::iter::repeat_n(row, usize::try_from(*copies).unwrap_or(0).min(k))
        });
        copies.take(k).cloned().collect()
    }
}
