//! Rows in order, merged from all batches of all shards of a view.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::index_state::IndexState;
use super::page::{Cursor, Filling, Page};
use super::row::Row;
use super::snapshot::Snapshot;
use super::stored_view::StoredView;
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

/// As [`merge_page`], of stored rows and the updates that came after them, at times below `upper`.
///
/// # Errors
/// When stored rows are damaged, or the cursor is not a place in this range.
pub(super) fn page_over_stored(
    stored: &dyn StoredView,
    updates: &[&ViewBatch],
    range: &ByteRange,
    cursor: Option<&Cursor>,
    limit: usize,
    upper: Epoch,
) -> Result<Page> {
    if updates.is_empty() {
        return stored.page(range, cursor, limit);
    }
    let times = |batch: &ViewBatch, value| batch.multiplicity(value, upper);
    let mut above = MergedBatches::start(updates.iter().copied(), range, cursor);
    let mut below = StoredRows::start(stored, range, cursor, limit)?;
    let mut filling = Filling::new(cursor, limit);
    loop {
        let order = match (below.row(), above.row()) {
            (None, None) => return filling.end(false),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(below), Some(above)) => below.cmp(&above),
        };
        if filling.is_full() {
            return filling.end(true);
        }
        let update = above.row().filter(|_| order.is_ge());
        let times = if update.is_some() { above.pass(&times) } else { 0 };
        if order.is_le() {
            if let Some(row) = below.take()? {
                filling.push(&row.key, &row.value, row.multiplicity + times)?;
            }
        } else if let Some((key, value)) = update {
            filling.push(key, value, times)?;
        }
    }
}

/// The rows of several batches, in order, from a place on.
struct MergedBatches<'b, 'r> {
    places: Vec<Position<'b>>,
    heap: BinaryHeap<Reverse<((&'b [u8], &'b [u8]), usize)>>,
    range: &'r ByteRange,
}

impl<'b, 'r> MergedBatches<'b, 'r> {
    fn start(
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
    fn row(&self) -> Option<(&'b [u8], &'b [u8])> {
        self.heap.peek().map(|Reverse((row, _))| *row)
    }

    /// Moves behind the row at the place; gives its multiplicity.
    #[inline]
    fn pass(&mut self, times: &impl Fn(&ViewBatch, usize) -> isize) -> isize {
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

/// The rows of a stored view, in order, from a place on: read a page at a time.
struct StoredRows<'s> {
    stored: &'s dyn StoredView,
    range: ByteRange,
    /// Rows that this is behind are passed.
    start: Option<&'s Cursor>,
    row: Option<Row>,
    page: std::vec::IntoIter<Row>,
    next: Option<Cursor>,
    rows_of_a_page: usize,
}

impl<'s> StoredRows<'s> {
    fn start(
        stored: &'s dyn StoredView,
        range: &ByteRange,
        start: Option<&'s Cursor>,
        limit: usize,
    ) -> Result<Self> {
        let mut range = range.clone();
        if let Some(start) = start.filter(|start| start.key() > &range.start[..]) {
            range.start = start.key().to_vec();
        }
        // A place that is found by counting counts merged rows, so here it is only a row's
        // beginning.
        let exact = start.filter(|start| !start.passes_rows());
        let rows_of_a_page = limit.clamp(1, SCAN_CHUNK_ROWS);
        let page = stored.page(&range, exact, rows_of_a_page)?;
        let next = page.next;
        let page = page.rows.into_iter();
        let mut rows = StoredRows { stored, range, start, row: None, page, next, rows_of_a_page };
        rows.take()?;
        Ok(rows)
    }

    /// The row at the place.
    fn row(&self) -> Option<(&[u8], &[u8])> {
        self.row.as_ref().map(|row| (&row.key[..], &row.value[..]))
    }

    /// Moves behind the row at the place, and gives it.
    fn take(&mut self) -> Result<Option<Row>> {
        let next = loop {
            match self.page.next() {
                Some(row)
                    if self.start.is_some_and(|start| start.is_behind(&row.key, &row.value)) => {}
                Some(row) => break Some(row),
                None => {
                    let Some(behind) = self.next.take() else { break None };
                    let page = self.stored.page(&self.range, Some(&behind), self.rows_of_a_page)?;
                    self.next = page.next;
                    self.page = page.rows.into_iter();
                }
            }
        };
        Ok(std::mem::replace(&mut self.row, next))
    }
}
