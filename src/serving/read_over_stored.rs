//! Reads of stored rows and of the updates that came after them, merged.

use std::cmp::Ordering;

use super::index_state::IndexState;
use super::merge_page::MergedBatches;
use super::page::{Cursor, Filling, Page};
use super::row::Row;
use super::stored_view::StoredView;
use super::values_of_key::{values_of, visit_sums};
use super::view_batch::ViewBatch;
use diptych_base::error::Result;
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_base::time::Epoch;
use diptych_row::ByteRange;

/// Calls `visit` with each value of a key, in order, and its multiplicity at times below
/// `upper`: stored rows and the updates that came after them. Kept apart from reads in memory,
/// so that those are compiled as if this were not there.
///
/// # Errors
/// As [`StoredView::get`].
#[cold]
#[inline(never)]
pub(super) fn get_over_stored(
    stored: &dyn StoredView,
    state: &IndexState,
    view: usize,
    key: &[u8],
    upper: Epoch,
    visit: &mut dyn FnMut(&[u8], isize),
) -> Result<()> {
    let mut found: Vec<(Vec<u8>, isize)> = Vec::new();
    let mut keep = |value: &[u8], times| found.push((value.to_vec(), times));
    values_of(state, view, key, upper, usize::MAX, &mut keep);
    stored.get(key, &mut keep)?;
    visit_sums(found, visit);
    Ok(())
}

/// The first `limit` rows of a range after a cursor, at times below `upper`: stored rows and the
/// updates that came after them.
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
