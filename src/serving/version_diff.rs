//! The difference of two versions of a dataflow at one epoch, view by view: counts and samples.

use super::row::Row;
use super::snapshot::Snapshot;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_row::ViewInfo;

/// The difference of one view.
#[derive(Clone, Debug, Default)]
pub struct ViewDiff {
    /// The view.
    pub view: String,
    /// Added rows, of keys that lost none.
    pub added: u64,
    /// Removed rows, of keys that gained none.
    pub removed: u64,
    /// Keys that lost some rows and gained others.
    pub changed: u64,
    /// The first changes, of all three kinds.
    pub samples: Vec<KeyDiff>,
    /// The reason why rows cannot be compared: the view is on one side only, or its columns differ.
    pub incomparable: Option<String>,
}

/// The difference of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyDiff {
    /// Rows to be removed from the left side, with their multiplicities.
    pub before: Vec<Row>,
    /// Rows to be added to the left side, with their multiplicities.
    pub after: Vec<Row>,
}

impl ViewDiff {
    /// Is the view the same on both sides?
    pub fn is_empty(&self) -> bool {
        self.added + self.removed + self.changed == 0 && self.incomparable.is_none()
    }

    fn note(&mut self, key: KeyDiff, samples: usize) {
        let count = |rows: &[Row]| -> u64 {
            rows.iter().map(|row| row.multiplicity.unsigned_abs() as u64).sum()
        };
        match (key.before.is_empty(), key.after.is_empty()) {
            (true, _) => self.added += count(&key.after),
            (_, true) => self.removed += count(&key.before),
            _ => self.changed += 1,
        }
        if self.samples.len() < samples {
            self.samples.push(key);
        }
    }
}

/// The differences of `new` from `old`, view by view in the order of `old`, then the views that
/// only `new` has. At most `samples` keys of each view are given with their rows. Reads every view
/// once and renews both leases meanwhile.
///
/// # Errors
/// When a lease has expired.
pub fn view_diffs(old: &Snapshot, new: &Snapshot, samples: usize) -> Result<Vec<ViewDiff>> {
    let mut diffs = Vec::new();
    for (id, view) in old.views().iter().enumerate() {
        let other = new.views().iter().position(|other| other.name == view.name);
        diffs.push(match other {
            Some(other) => compare(old, id, new, other, samples)?,
            None => incomparable(view, "is on the left side only".to_owned()),
        });
    }
    for view in new.views() {
        if old.views().iter().all(|other| other.name != view.name) {
            diffs.push(incomparable(view, "is on the right side only".to_owned()));
        }
    }
    Ok(diffs)
}

/// Refuses views that both sides have with different columns, which their readers do not expect. A
/// view that is gone or new is not refused: the difference shows it.
///
/// # Errors
/// A conflict that names the first of them.
pub fn same_columns(old: &[ViewInfo], new: &[ViewInfo]) -> Result<()> {
    for ViewInfo { name, schema: was } in old {
        let other = new.iter().find(|view| view.name == *name && view.schema != *was);
        if let Some(ViewInfo { schema: is, .. }) = other {
            let message = format!("view {name:?} had the columns ({was}), and has ({is})");
            return Err(Error::new(Kind::Conflict, message).remedy(
                "publish it under another name beside the old one, so that its readers go on; or \
                 allow it: `other_columns` in the options or the request, `--other-columns` here",
            ));
        }
    }
    Ok(())
}

fn incomparable(view: &ViewInfo, reason: String) -> ViewDiff {
    ViewDiff { view: view.name.clone(), incomparable: Some(reason), ..ViewDiff::default() }
}

fn compare(
    old: &Snapshot,
    left: usize,
    new: &Snapshot,
    right: usize,
    samples: usize,
) -> Result<ViewDiff> {
    let one = &old.views()[left];
    let other = &new.views()[right];
    if one.schema != other.schema {
        let one_schema = &one.schema;
        let other_schema = &other.schema;
        let reason = format!("had the columns ({one_schema}), and has ({other_schema})");
        return Ok(incomparable(one, reason));
    }
    let mut found = ViewDiff { view: one.name.clone(), ..ViewDiff::default() };
    let mut key: Option<(Vec<u8>, KeyDiff)> = None;
    for (number, row) in old.difference(left, new, right).enumerate() {
        let row = row?;
        if number % SCAN_CHUNK_ROWS == 0 {
            old.renew()?;
            new.renew()?;
        }
        if key.as_ref().is_some_and(|(key, _)| *key != row.key) {
            found.note(key.take().map(|(_, diff)| diff).unwrap_or_default(), samples);
        }
        let (_, diff) = key.get_or_insert_with(|| (row.key.clone(), KeyDiff::default()));
        let side = if row.multiplicity < 0 { &mut diff.before } else { &mut diff.after };
        side.push(Row { multiplicity: row.multiplicity.abs(), ..row });
    }
    if let Some((_, diff)) = key {
        found.note(diff, samples);
    }
    Ok(found)
}
