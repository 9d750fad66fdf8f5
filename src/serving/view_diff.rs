//! How two versions of a dataflow differ at one epoch, view by view: counts and samples.

use super::rows::Row;
use super::snapshot::Snapshot;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::SCAN_CHUNK_ROWS;
use diptych_row::ViewInfo;

/// How one view differs.
#[derive(Clone, Debug, Default)]
pub struct ViewDiff {
    /// The view.
    pub view: String,
    /// Rows whose key has none on the left side, or more there than were taken away.
    pub added: u64,
    /// Rows whose key only lost some.
    pub removed: u64,
    /// Keys that lost some rows and got others.
    pub changed: u64,
    /// The first changes, of all three kinds.
    pub samples: Vec<KeyDiff>,
    /// Why rows cannot be compared: the view is on one side only, or has other columns there.
    pub incomparable: Option<String>,
}

/// What became of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyDiff {
    /// Rows to be taken away from the left side, each as often as it is.
    pub before: Vec<Row>,
    /// Rows to be added.
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

/// How `new` differs from `old`, view by view in the order of `old`, then those that only `new`
/// has. At most `samples` keys of each view are given with their rows. Reads every view once and
/// renews both leases meanwhile.
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

/// Refuses views that are on both sides, but with other columns than their readers expect. A view
/// that is gone, or new, is not refused: a difference shows it.
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
