//! Rows in order, read a bounded number at a time.

use super::page::Cursor;
use super::row::Row;
use super::snapshot::Snapshot;
use diptych_base::error::Result;
use diptych_base::limits::SCAN_CHUNK_ROWS;
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
