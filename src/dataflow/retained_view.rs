//! The end of a view with `retain`: rows leave when the horizon passes them.
//!
//! A view at t holds those rows of the collection behind it that are dated at or above horizon(t).
//! The horizon only moves forward, so every change of a row that is above it now was above it when
//! it came: dropped rows are never needed again. The rows above the horizon will expire later; they
//! are derived, and a restore computes them again from the accumulations.
//!
//! State: every row above the horizon once, as bytes, at the worker that its bytes choose.

use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use super::builder::ByteCollection;
use super::combiner::{PartialTable, route};
use super::message_epoch::{epoch_of, retained};
use super::newest_event_time::Told;
use super::report_state_size::LoggedSize;
use super::retention::Keep;
use super::vec_collection::Collection;
use diptych_base::time::Epoch;

/// A row as bytes, with its date if it has one.
type Dated = (Option<i64>, (Vec<u8>, Vec<u8>));
type Row = (Vec<u8>, Vec<u8>);

/// The changes and times that arrived for one epoch, and the capability to emit at it.
struct Waiting {
    capability: Capability<Epoch>,
    changes: Vec<(Dated, isize)>,
    newest: Option<i64>,
}

/// Rows by the step of their date.
struct Rows {
    keep: Keep,
    newest: Option<i64>,
    steps: BTreeMap<i64, PartialTable<Row, isize>>,
    /// The number of rows in all steps.
    held: usize,
}

/// The rows that are dated at or above the horizon, which is `keep` behind the newest event time.
pub(super) fn age<'s>(
    rows: Collection<'s, Dated>,
    told: Told<'s>,
    keep: Keep,
    view: &str,
) -> ByteCollection<'s> {
    let pact = Exchange::new(|((_, row), _, _): &(Dated, Epoch, isize)| route(row));
    let mut waiting: BTreeMap<Epoch, Waiting> = BTreeMap::new();
    let mut state = Rows { keep, newest: None, steps: BTreeMap::new(), held: 0 };
    let scope = rows.inner.scope();
    let name = format!("Retain: {view}");
    let kept = rows.inner.binary_frontier::<_, CapacityContainerBuilder<Vec<_>>, _, _, _, _>(
        told,
        pact,
        Pipeline,
        &name,
        move |_capability, info| {
            let mut held = LoggedSize::new(scope.worker(), info.global_id);
            move |(input, frontier), (told, told_frontier), output| {
                let slot = |capability: Capability<Epoch>| Waiting {
                    capability,
                    changes: Vec::new(),
                    newest: None,
                };
                input.for_each(|capability, changes| {
                    let capability = retained(&capability);
                    for (row, epoch, diff) in changes.drain(..) {
                        let slot = waiting
                            .entry(epoch)
                            .or_insert_with(|| slot(capability.delayed(&epoch)));
                        slot.changes.push((row, diff));
                    }
                });
                told.for_each(|capability, newest| {
                    let epoch = epoch_of(&capability);
                    let slot = waiting.entry(epoch).or_insert_with(|| slot(retained(&capability)));
                    slot.newest = slot.newest.max(newest.drain(..).max());
                });
                let frontiers = [frontier.frontier(), told_frontier.frontier()];
                let upper = frontiers.iter().filter_map(|one| one.first().copied()).min();
                while let Some(slot) = waiting.first_entry()
                    && upper.is_none_or(|upper| *slot.key() < upper)
                {
                    let (epoch, slot) = slot.remove_entry();
                    let mut session = output.session(&slot.capability);
                    state.close(slot.changes, slot.newest, |row, diff| {
                        session.give((row, epoch, diff));
                    });
                }
                held.tell(state.held);
            }
        },
    );
    kept.as_collection()
}

impl Rows {
    /// Applies a complete epoch: first the horizon moves, then rows change.
    fn close(
        &mut self,
        changes: Vec<(Dated, isize)>,
        newest: Option<i64>,
        mut emit: impl FnMut(Row, isize),
    ) {
        self.newest = self.newest.max(newest);
        let horizon = self.newest.map_or(i64::MIN, |newest| self.keep.horizon(newest));
        while let Some(first) = self.steps.first_entry()
            && *first.key() < horizon
        {
            let rows = first.remove();
            self.held -= rows.len();
            rows.into_iter().for_each(|(row, copies)| emit(row, -copies));
        }
        for ((date, row), diff) in changes {
            match date.map(|date| self.keep.step_of(date)) {
                // The row never expires, so it need not be kept.
                None => emit(row, diff),
                Some(step) if step < horizon => {}
                Some(step) => {
                    self.change(step, row.clone(), diff);
                    emit(row, diff);
                }
            }
        }
    }

    fn change(&mut self, step: i64, row: Row, diff: isize) {
        use hashbrown::hash_map::Entry;
        let rows = self.steps.entry(step).or_default();
        match rows.entry(row) {
            Entry::Vacant(entry) => {
                entry.insert(diff);
                self.held += 1;
            }
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += diff;
                if *entry.get() == 0 {
                    entry.remove();
                    self.held -= 1;
                }
            }
        }
        if rows.is_empty() {
            self.steps.remove(&step);
        }
    }
}
