//! Writer of one worker's part of a view: rows in order, or changes of rows.

use super::block::MAGIC_LEVELS;
use super::mapped_view::{MappedView, ViewRows};
use super::paths::PartKind;
use super::sorted_rows::SortedRows;
use super::writer::BatchViewWriter;
use diptych_base::error::Result;
use diptych_base::limits::BATCH_VIEW_BLOCK_BYTES;

/// Writes one worker's part of a view: rows in order.
pub struct ViewWriter<'a> {
    whole: &'a BatchViewWriter,
    rows: SortedRows,
    changes: Option<Box<ChangedRows>>,
}

/// The rows that a run of changes is made of, beside those that are pushed.
struct ChangedRows {
    /// The rows of the runs that are merged into this one; those of the first worker's part.
    merged: Option<ViewRows>,
    /// The view before the changes.
    before: MappedView,
    /// How many rows there are more.
    added: i64,
}

impl<'a> ViewWriter<'a> {
    pub(super) fn new(whole: &'a BatchViewWriter, name: &str, worker: usize) -> Result<Self> {
        let (blocks, part) = whole.begin((PartKind::View, name, worker), MAGIC_LEVELS)?;
        let rows = SortedRows::new(blocks, part, BATCH_VIEW_BLOCK_BYTES);
        let changes = match (whole.run(PartKind::View, name), whole.earlier()) {
            (Some(run), Some(earlier)) => {
                // The first worker's part has the merged runs of all.
                let merged = worker == 0;
                let upper =
                    merged.then(|| earlier.mapped_from_run(name, run.number)).transpose()?;
                let merged = upper.as_ref().map(ViewRows::of).transpose()?;
                let added = if worker == 0 { run.added } else { 0 };
                let before = earlier.mapped(name)?;
                Some(Box::new(ChangedRows { merged, before, added }))
            }
            _ => None,
        };
        Ok(ViewWriter { whole, rows, changes })
    }

    /// Appends a row with its multiplicity; in a run of changes, a row with the change of its
    /// multiplicity.
    ///
    /// Panics when the row does not come after the one before, or its multiplicity is zero.
    ///
    /// # Errors
    /// When the row is too large, or the disk refuses; damage in the files that are continued.
    pub fn push(&mut self, key: &[u8], value: &[u8], multiplicity: isize) -> Result<()> {
        let Some(changes) = &mut self.changes else {
            return self.rows.push(key, value, multiplicity);
        };
        changes.count(key, value, multiplicity)?;
        let mut sum = multiplicity;
        while let Some(row) = changes.merged.as_ref().and_then(ViewRows::row) {
            let is_before = (&row.key[..], &row.value[..]) < (key, value);
            if is_before {
                self.rows.push(&row.key, &row.value, row.multiplicity)?;
            } else if (&row.key[..], &row.value[..]) == (key, value) {
                sum = sum.saturating_add(row.multiplicity);
            } else {
                break;
            }
            changes.merged.as_mut().map_or(Ok(()), ViewRows::step)?;
        }
        // The merged runs may have had the opposite change.
        if sum == 0 { Ok(()) } else { self.rows.push(key, value, sum) }
    }

    /// Writes the index of blocks and makes the part durable.
    ///
    /// # Errors
    /// What the disk reports; damage in the files that are continued.
    pub fn finish(mut self) -> Result<()> {
        let Some(mut changes) = self.changes.take() else {
            let (blocks, part) = self.rows.finish()?;
            return self.whole.end(&blocks, part);
        };
        while let Some(row) = changes.merged.as_ref().and_then(ViewRows::row) {
            self.rows.push(&row.key, &row.value, row.multiplicity)?;
            changes.merged.as_mut().map_or(Ok(()), ViewRows::step)?;
        }
        let (blocks, mut part) = self.rows.finish()?;
        part.added = changes.added;
        self.whole.end(&blocks, part)
    }
}

impl ChangedRows {
    /// Counts the rows that come and go with a change.
    fn count(&mut self, key: &[u8], value: &[u8], change: isize) -> Result<()> {
        let before = self.before.multiplicity(key, value)?;
        let now = before.saturating_add(change);
        let more = i64::from(now != 0) - i64::from(before != 0);
        self.added = self.added.saturating_add(more);
        Ok(())
    }
}
