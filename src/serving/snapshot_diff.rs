//! The difference of two snapshots of a view: the rows that a cutover to another version changes
//! for readers.

use super::merged_row_iter::RowIter;
use super::page::Cursor;
use super::row::Row;
use super::snapshot::Snapshot;
use diptych_base::error::Result;

/// The rows that turn one snapshot of a view into another, in order of key and value: a positive
/// multiplicity is to be added, a negative one to be taken away.
pub struct Difference<'a> {
    old: std::iter::Peekable<RowIter<'a>>,
    new: std::iter::Peekable<RowIter<'a>>,
}

impl Snapshot {
    /// The rows that change from `view` in `self` to `other_view` in `other`, which may be of
    /// another version. Reads both views once, a bounded number of rows at a time.
    pub fn difference<'a>(
        &'a self,
        view: usize,
        other: &'a Snapshot,
        other_view: usize,
    ) -> Difference<'a> {
        self.difference_behind(view, other, other_view, None)
    }

    /// As [`Snapshot::difference`], but starts after a row that was given before.
    pub fn difference_behind<'a>(
        &'a self,
        view: usize,
        other: &'a Snapshot,
        other_view: usize,
        cursor: Option<&Cursor>,
    ) -> Difference<'a> {
        let old = self.scan(view).behind(cursor.cloned()).peekable();
        let new = other.scan(other_view).behind(cursor.cloned()).peekable();
        Difference { old, new }
    }
}

impl Iterator for Difference<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        loop {
            let order = match (self.old.peek(), self.new.peek()) {
                (None, None) => return None,
                (Some(Ok(old)), Some(Ok(new))) => {
                    (&old.key, &old.value).cmp(&(&new.key, &new.value))
                }
                // An error of either side is given at once.
                (Some(Err(_)), _) | (Some(_), None) => Less,
                (_, Some(Err(_))) | (None, Some(_)) => Greater,
            };
            let gone = |row: Row| Row { multiplicity: -row.multiplicity, ..row };
            match order {
                Less => return self.old.next().map(|row| row.map(gone)),
                Greater => return self.new.next(),
                Equal => {
                    let old = self.old.next()?.ok()?;
                    let new = self.new.next()?.ok()?;
                    let multiplicity = new.multiplicity - old.multiplicity;
                    if multiplicity != 0 {
                        return Some(Ok(Row { multiplicity, ..new }));
                    }
                }
            }
        }
    }
}
