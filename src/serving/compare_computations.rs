//! Comparison of two computations of one dataflow, row for row and byte for byte.

use std::cmp::Ordering;

use super::row::Row;
use super::snapshot::Snapshot;
use diptych_base::error::Result;
use diptych_base::limits::DIFFERING_ROWS;
use diptych_row::{Datum, Digest, ViewInfo};

/// The number of rows between two renewals of the leases.
const RENEWED_EVERY: u64 = 1 << 16;

/// The outcome of the comparison of one view.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The view.
    pub view: ViewInfo,
    /// The number of rows on the left side, counted with multiplicity.
    pub rows: u64,
    /// The digest of the left side.
    pub left: Digest,
    /// The digest of the right side.
    pub right: Digest,
    /// The first rows that are not on both sides equally often.
    pub differing: Vec<Differing>,
}

/// A row that is not on both sides equally often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The ordered bytes of the key.
    pub key: Vec<u8>,
    /// The ordered bytes of the value.
    pub value: Vec<u8>,
    /// The multiplicity on the left side.
    pub left: isize,
    /// The multiplicity on the right side.
    pub right: isize,
}

/// Compares all views of two snapshots of one dataflow at one epoch. Both snapshots must have the
/// same views. Renews both leases meanwhile.
///
/// # Errors
/// When a lease has expired.
///
/// # Panics
/// When the snapshots are at different epochs.
pub fn compare(left: &Snapshot, right: &Snapshot) -> Result<Vec<Compared>> {
    let ours = left.upper();
    let theirs = right.upper();
    assert!(ours == theirs, "snapshots at the frontiers {ours} and {theirs}");
    (0..left.views().len()).map(|view| compare_view(left, right, view)).collect()
}

fn compare_view(left: &Snapshot, right: &Snapshot, view: usize) -> Result<Compared> {
    let mut found = Compared {
        view: left.views()[view].clone(),
        rows: 0,
        left: Digest::default(),
        right: Digest::default(),
        differing: Vec::new(),
    };
    let mut ours = left.scan(view);
    let mut theirs = right.scan(view);
    let mut a = ours.next().transpose()?;
    let mut b = theirs.next().transpose()?;
    for place in 0_u64.. {
        if place.is_multiple_of(RENEWED_EVERY) {
            left.renew()?;
            right.renew()?;
        }
        let order = match (&a, &b) {
            (None, None) => break,
            (Some(a), Some(b)) => (&a.key, &a.value).cmp(&(&b.key, &b.value)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        let one = if order.is_le() { a.take() } else { None };
        let other = if order.is_ge() { b.take() } else { None };
        found.note(one, other);
        if order.is_le() {
            a = ours.next().transpose()?;
        }
        if order.is_ge() {
            b = theirs.next().transpose()?;
        }
    }
    Ok(found)
}

impl Compared {
    /// Are both sides the same multiset of rows?
    pub fn agrees(&self) -> bool {
        self.differing.is_empty() && self.left == self.right
    }

    /// The rows that differ as text: the view, the cells, the multiplicities left and right.
    ///
    /// # Errors
    /// When bytes are no row of their schema.
    pub fn texts(&self) -> Result<Vec<String>> {
        let text = |row: &Differing| {
            let cells = self.view.schema.decode(&row.key, &row.value)?;
            let cells: Vec<_> = cells.iter().map(Datum::to_string).collect();
            let view = &self.view.name;
            let cells = cells.join(", ");
            Ok(format!("{view} ({cells}): {} times, {} times", row.left, row.right))
        };
        self.differing.iter().map(text).collect()
    }

    /// Adds a row of one side or of both to the comparison.
    fn note(&mut self, a: Option<Row>, b: Option<Row>) {
        let times = |row: Option<&Row>| row.map_or(0, |row| row.multiplicity);
        let left = times(a.as_ref());
        let right = times(b.as_ref());
        if let Some(row) = &a {
            self.left.add(&row.key, &row.value, left);
            self.rows += left.unsigned_abs() as u64;
        }
        if let Some(row) = &b {
            self.right.add(&row.key, &row.value, right);
        }
        if left != right
            && self.differing.len() < DIFFERING_ROWS
            && let Some(Row { key, value, .. }) = a.or(b)
        {
            self.differing.push(Differing { key, value, left, right });
        }
    }
}
