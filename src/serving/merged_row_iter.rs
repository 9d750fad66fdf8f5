//! Rows in order, merged from all batches of all shards of a view.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::index_state::IndexState;
use super::page::{Cursor, Filling, Page};
use super::row::Row;
use super::snapshot::Snapshot;
use super::view_batch::ViewBatch;
use diptych_base::error::Result;
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_base::time::Epoch;
use diptych_row::ByteRange;

/// All rows of a range, in order. Reads a bounded number at a time and holds nothing in between,
/// so a lease that expires on the way ends it with an error.
pub struct RowIter<'a> {
    snapshot: &'a Snapshot,
    view: usize,
    range: ByteRange,
    buffer: std::vec::IntoIter<Row>,
    next: Option<Cursor>,
    started: bool,
}

impl<'a> RowIter<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, view: usize, range: ByteRange) -> Self {
        let buffer = Vec::new().into_iter();
        RowIter { snapshot, view, range, buffer, next: None, started: false }
    }

    /// The rows after `cursor`; all rows without one.
    pub(super) fn behind(mut self, cursor: Option<Cursor>) -> Self {
        self.started = cursor.is_some();
        self.next = cursor;
        self
    }
}

impl Iterator for RowIter<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        if let Some(row) = self.buffer.next() {
            return Some(Ok(row));
        }
        if self.started && self.next.is_none() {
            return None;
        }
        self.started = true;
        let cursor = self.next.take();
        match self.snapshot.page(self.view, &self.range, cursor.as_ref(), SCAN_CHUNK_ROWS) {
            Ok(page) => {
                self.next = page.next;
                self.buffer = page.rows.into_iter();
                self.buffer.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

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
    let mut places: Vec<Position<'_>> =
        batches.map(|batch| Position::start(batch, range, cursor)).collect();
    let mut heap: BinaryHeap<_> = places
        .iter()
        .enumerate()
        .filter_map(|(index, place)| place.row(range).map(|row| Reverse((row, index))))
        .collect();
    let mut filling = Filling::new(cursor, limit);
    while let Some(Reverse(((key, value), _))) = heap.peek().copied() {
        if filling.is_full() {
            return filling.end(true);
        }
        let mut multiplicity = 0;
        while let Some(Reverse((row, index))) = heap.peek().copied()
            && row == (key, value)
        {
            heap.pop();
            let place = &mut places[index];
            multiplicity += times(place.batch, place.value);
            place.value += 1;
            place.settle();
            if let Some(row) = place.row(range) {
                heap.push(Reverse((row, index)));
            }
        }
        filling.push(key, value, multiplicity)?;
    }
    filling.end(false)
}
