//! Pages of rows, merged from all batches of all shards of a view.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::index_state::IndexState;
use super::page::{Cursor, Filling, Page};
use super::view_batch::ViewBatch;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_row::ByteRange;

/// A place in one batch.
struct Position<'a> {
    batch: &'a ViewBatch,
    key: usize,
    value: usize,
}

impl<'a> Position<'a> {
    /// The first place in the batch that is in the range and after the cursor.
    fn start(batch: &'a ViewBatch, range: &ByteRange, cursor: Option<&Cursor>) -> Self {
        let from = cursor.map_or(&range.start[..], |cursor| cursor.key().max(&range.start));
        let key = batch.seek(0, from);
        let mut position = Position { batch, key, value: 0 };
        if key < batch.keys() {
            let mut values = batch.values_of(key);
            if let Some(cursor) = cursor.filter(|cursor| cursor.key() == batch.key_at(key)) {
                // Values are sorted: binary search for the first value after the cursor.
                while !values.is_empty() {
                    let middle = values.start + values.len() / 2;
                    if cursor.is_behind(batch.key_at(key), batch.value_at(middle)) {
                        values.start = middle + 1;
                    } else {
                        values.end = middle;
                    }
                }
            }
            position.value = values.start;
            position.settle();
        }
        position
    }

    /// Moves to the next key when the values of the present key are used up.
    fn settle(&mut self) {
        while self.key < self.batch.keys() && self.value >= self.batch.values_of(self.key).end {
            self.key += 1;
        }
    }

    fn row(&self, range: &ByteRange) -> Option<(&'a [u8], &'a [u8])> {
        if self.key >= self.batch.keys() {
            return None;
        }
        let key = self.batch.key_at(self.key);
        range.is_before_end(key).then(|| (key, self.batch.value_at(self.value)))
    }
}

/// The first `limit` rows of a range after a cursor, at times below `upper`.
pub(super) fn read_page(
    state: &IndexState,
    view: usize,
    range: &ByteRange,
    cursor: Option<&Cursor>,
    upper: Epoch,
    limit: usize,
) -> Result<Page> {
    let times = |batch: &ViewBatch, value| batch.multiplicity(value, upper);
    merge_page(state.batches(view, upper), range, cursor, limit, times)
}

/// The first `limit` rows of a range after a cursor that keep a multiplicity under `times`.
pub(super) fn merge_page<'b>(
    batches: impl Iterator<Item = &'b ViewBatch>,
    range: &ByteRange,
    cursor: Option<&Cursor>,
    limit: usize,
    times: impl Fn(&ViewBatch, usize) -> isize,
) -> Result<Page> {
    let mut merged = MergedBatches::start(batches, range, cursor);
    let mut filling = Filling::new(cursor, limit);
    while let Some((key, value)) = merged.row() {
        if filling.is_full() {
            return filling.end(true);
        }
        filling.push(key, value, merged.pass(&times))?;
    }
    filling.end(false)
}

/// The rows of several batches, in order, from a place on.
pub(super) struct MergedBatches<'b, 'r> {
    places: Vec<Position<'b>>,
    heap: BinaryHeap<Reverse<((&'b [u8], &'b [u8]), usize)>>,
    range: &'r ByteRange,
}

impl<'b, 'r> MergedBatches<'b, 'r> {
    /// The rows of a range after a cursor.
    pub(super) fn start(
        batches: impl Iterator<Item = &'b ViewBatch>,
        range: &'r ByteRange,
        cursor: Option<&Cursor>,
    ) -> Self {
        let places: Vec<Position<'b>> =
            batches.map(|batch| Position::start(batch, range, cursor)).collect();
        let first = |(index, place): (usize, &Position<'b>)| {
            place.row(range).map(|row| Reverse((row, index)))
        };
        let heap = places.iter().enumerate().filter_map(first).collect();
        MergedBatches { places, heap, range }
    }

    /// The row at the place.
    #[inline]
    pub(super) fn row(&self) -> Option<(&'b [u8], &'b [u8])> {
        self.heap.peek().map(|Reverse((row, _))| *row)
    }

    /// Moves behind the row at the place; gives its multiplicity.
    #[inline]
    pub(super) fn pass(&mut self, times: &impl Fn(&ViewBatch, usize) -> isize) -> isize {
        let passed = self.row();
        let mut multiplicity = 0;
        while let Some(Reverse((row, index))) = self.heap.peek().copied()
            && Some(row) == passed
        {
            self.heap.pop();
            let place = &mut self.places[index];
            multiplicity += times(place.batch, place.value);
            place.value += 1;
            place.settle();
            if let Some(row) = place.row(self.range) {
                self.heap.push(Reverse((row, index)));
            }
        }
        multiplicity
    }
}
