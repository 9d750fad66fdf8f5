//! Do two computations of one dataflow agree? Row for row, byte for byte.

use crate::error::Result;
use crate::row::Datum;
use crate::serving::{Digest, Row, Snapshot};

/// Differing rows that are kept for people to read.
const SHOWN: usize = 10;

/// What became of one view.
pub(super) struct Comparison {
    pub(super) view: String,
    /// Rows on the left side, with multiplicity.
    pub(super) rows: u64,
    pub(super) left: Digest,
    pub(super) right: Digest,
    /// The first rows that differ, as text.
    pub(super) differing: Vec<String>,
}

impl Comparison {
    /// Are both sides the same multiset of rows?
    pub(super) fn agrees(&self) -> bool {
        self.differing.is_empty() && self.left == self.right
    }
}

/// Compares all views of two snapshots of one dataflow at one epoch. The views must be the same.
///
/// # Errors
/// When a lease expires, or bytes are no row of their schema.
pub(super) fn compare(left: &Snapshot, right: &Snapshot) -> Result<Vec<Comparison>> {
    let (ours, theirs) = (left.upper(), right.upper());
    assert!(ours == theirs, "snapshots at the frontiers {ours} and {theirs}");
    (0..left.views().len()).map(|view| compare_view(left, right, view)).collect()
}

fn compare_view(left: &Snapshot, right: &Snapshot, view: usize) -> Result<Comparison> {
    let mut found = Comparison {
        view: left.views()[view].name.clone(),
        rows: 0,
        left: Digest::default(),
        right: Digest::default(),
        differing: Vec::new(),
    };
    let (mut ours, mut theirs) = (left.scan(view), right.scan(view));
    let (mut a, mut b) = (ours.next().transpose()?, theirs.next().transpose()?);
    while a.is_some() || b.is_some() {
        for snapshot in [left, right] {
            if found.rows.is_multiple_of(1 << 16) {
                snapshot.renew()?;
            }
        }
        let order = match (&a, &b) {
            (Some(a), Some(b)) => (&a.key, &a.value).cmp(&(&b.key, &b.value)),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        let one = if order.is_le() { a.take() } else { None };
        let other = if order.is_ge() { b.take() } else { None };
        found.note(left, view, one.as_ref(), other.as_ref())?;
        if order.is_le() {
            a = ours.next().transpose()?;
        }
        if order.is_ge() {
            b = theirs.next().transpose()?;
        }
    }
    Ok(found)
}

impl Comparison {
    /// Notes a row of one side or of both.
    fn note(
        &mut self,
        snapshot: &Snapshot,
        view: usize,
        a: Option<&Row>,
        b: Option<&Row>,
    ) -> Result<()> {
        if let Some(row) = a {
            self.left.add(&row.key, &row.value, row.multiplicity);
            self.rows += row.multiplicity.unsigned_abs() as u64;
        }
        if let Some(row) = b {
            self.right.add(&row.key, &row.value, row.multiplicity);
        }
        let times = |row: Option<&Row>| row.map_or(0, |row| row.multiplicity);
        if times(a) != times(b)
            && self.differing.len() < SHOWN
            && let Some(row) = a.or(b)
        {
            let cells = snapshot.views()[view].schema.decode(&row.key, &row.value)?;
            let cells: Vec<_> = cells.iter().map(Datum::to_string).collect();
            let (view, cells) = (&self.view, cells.join(", "));
            let text = format!("{view} ({cells}): {} times, {} times", times(a), times(b));
            self.differing.push(text);
        }
        Ok(())
    }
}
