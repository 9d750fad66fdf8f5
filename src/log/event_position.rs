//! Positions of events, and the set of retracted events.
//!
//! An event is identified by its epoch, its schema's number, and its place among the rows of that
//! schema in that epoch. That is the same in a frame (one payload per schema) and in a segment
//! (rows of one schema, ordered by epoch). Code that rewrites history must update positions that
//! shift: only this file knows how events are identified.

use std::collections::BTreeMap;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBufferBuilder;
use serde::{Deserialize, Serialize};

use super::row_chunk::Epochs;
use diptych_base::time::Epoch;

/// An event of some schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) epoch: Epoch,
    /// The number of earlier rows of the same schema and epoch.
    pub(super) place: u64,
}

/// The retracted events, each with the epoch that retracted it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Retracted {
    by: BTreeMap<(u32, Position), Epoch>,
}

impl Retracted {
    /// The epoch that took an event back, if one did.
    pub(super) fn by(&self, schema: u32, position: Position) -> Option<Epoch> {
        self.by.get(&(schema, position)).copied()
    }

    /// Adds retractions by the epoch `at`.
    ///
    /// # Errors
    /// When an event is already retracted, or is not of an epoch before `at`.
    pub(super) fn add(
        &mut self,
        at: Epoch,
        schema: u32,
        positions: &[Position],
    ) -> Result<(), String> {
        for position in positions {
            let Position { epoch, place } = *position;
            if epoch >= at {
                return Err(format!("epoch {at} takes back an event of epoch {epoch}"));
            }
            if let Some(before) = self.by.insert((schema, *position), at) {
                return Err(format!(
                    "event {place} of schema {schema} in epoch {epoch} was taken back by epoch \
                     {before} already"
                ));
            }
        }
        Ok(())
    }

    /// Adds retractions that were checked against this set.
    pub(super) fn extend(&mut self, more: Retracted) {
        self.by.extend(more.by);
    }

    /// The number of retracted events of a schema.
    pub(super) fn of_schema(&self, schema: u32) -> usize {
        self.between(schema, 0, Epoch::MAX).count()
    }

    /// Whether an event of this schema and epoch is retracted.
    pub(super) fn touches(&self, schema: u32, epoch: Epoch) -> bool {
        self.between(schema, epoch, epoch).next().is_some()
    }

    fn between(
        &self,
        schema: u32,
        first: Epoch,
        last: Epoch,
    ) -> impl Iterator<Item = (Position, Epoch)> + '_ {
        let from = (schema, Position { epoch: first, place: 0 });
        let to = (schema, Position { epoch: last, place: u64::MAX });
        self.by.range(from..=to).map(|((_, position), at)| (*position, *at))
    }

    /// Tells which of the `rows` rows with these epochs count at the frontier `upper`: no epoch
    /// below it has retracted them. None when all count. The first row is number `place` of its
    /// epoch.
    pub(super) fn standing(
        &self,
        schema: u32,
        rows: usize,
        epochs: &Epochs,
        place: u64,
        upper: Epoch,
    ) -> Option<BooleanArray> {
        let last = rows.checked_sub(1)?;
        let first = epochs.at(0);
        let last = epochs.at(last);
        let mut gone = Vec::new();
        for (position, at) in self.between(schema, first, last) {
            if at >= upper {
                continue;
            }
            let start = match epochs {
                Epochs::One(_) => 0,
                Epochs::Each(each) => each.values().partition_point(|e| *e < position.epoch),
            };
            let before = if position.epoch == first { place } else { 0 };
            let row = position.place.checked_sub(before).and_then(|n| usize::try_from(n).ok());
            // More rows of the same epoch may follow these.
            let row = row.and_then(|n| n.checked_add(start)).filter(|row| *row < rows);
            gone.extend(row.filter(|row| epochs.at(*row) == position.epoch));
        }
        if gone.is_empty() {
            return None;
        }
        let mut stands = BooleanBufferBuilder::new(rows);
        stands.append_n(rows, true);
        gone.into_iter().for_each(|row| stands.set_bit(row, false));
        Some(BooleanArray::new(stands.finish(), None))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::UInt64Array;

    use super::*;

    fn at(epoch: Epoch, place: u64) -> Position {
        Position { epoch, place }
    }

    #[test]
    fn rows_are_found_wherever_a_block_begins() {
        let mut gone = Retracted::default();
        let taken = [at(1, 0), at(2, 0), at(2, 3), at(4, 1)];
        gone.add(7, 0, &taken).expect("new");
        gone.add(9, 0, &[at(2, 1)]).expect("new");
        gone.add(9, 1, &[at(2, 2)]).expect("another schema");
        let all = [1, 1, 2, 2, 2, 2, 4, 4];
        for start in 0..all.len() {
            for end in start + 1..=all.len() {
                let part = &all[start..end];
                let epochs = Epochs::Each(UInt64Array::from(part.to_vec())).simplest();
                let place = all[..start].iter().filter(|e| **e == all[start]).count() as u64;
                for upper in [7, 8, 10] {
                    let stands = gone.standing(0, part.len(), &epochs, place, upper);
                    for (row, epoch) in part.iter().enumerate() {
                        let before = all[..start + row].iter().filter(|e| *e == epoch).count();
                        let by = gone.by(0, at(*epoch, before as u64));
                        let expected = by.is_none_or(|by| by >= upper);
                        let found = stands.as_ref().is_none_or(|stands| stands.value(row));
                        assert_eq!(found, expected, "{start}..{end}, row {row}, upper {upper}");
                    }
                }
            }
        }
        assert!(gone.touches(0, 4) && !gone.touches(0, 3) && !gone.touches(1, 4));
        assert_eq!((gone.of_schema(0), gone.of_schema(1), gone.of_schema(2)), (5, 1, 0));
    }

    #[test]
    fn twice_and_too_late_are_refused() {
        let mut gone = Retracted::default();
        gone.add(3, 0, &[at(2, 5)]).expect("new");
        let twice = gone.add(4, 0, &[at(2, 5)]).expect_err("twice");
        assert!(twice.contains("epoch 3 already"), "{twice}");
        let late = gone.add(4, 0, &[at(4, 0)]).expect_err("the same epoch");
        assert!(late.contains("an event of epoch 4"), "{late}");
    }
}
