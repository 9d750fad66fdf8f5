//! Writer of one worker's part of a view: rows in order, or changes of rows.

use super::block::MAGIC_FINGERPRINTS;
use super::manifest::PartFile;
use super::mapped_view::ViewRows;
use super::paths::PartKind;
use super::sorted_rows::SortedRows;
use super::writer::BatchViewWriter;
use diptych_base::error::Result;
use diptych_base::limits::BATCH_VIEW_BLOCK_BYTES;

/// Writes one worker's part of a view: rows in order.
pub struct ViewWriter<'a> {
    whole: &'a BatchViewWriter,
    rows: SortedRows,
    /// How many rows there are more, each as often as it is there.
    added: i64,
    /// In a run of changes: the rows of the runs that are merged into this one, in the first
    /// worker's part.
    merged: Option<ViewRows>,
}

impl<'a> ViewWriter<'a> {
    pub(super) fn new(whole: &'a BatchViewWriter, name: &str, worker: usize) -> Result<Self> {
        let (blocks, part) = whole.begin((PartKind::View, name, worker), MAGIC_FINGERPRINTS)?;
        let rows = SortedRows::new(blocks, part, BATCH_VIEW_BLOCK_BYTES);
        let mut added = 0;
        let mut merged = None;
        // The first worker's part has the merged runs of all.
        if let (Some(run), Some(earlier), 0) =
            (whole.run(PartKind::View, name), whole.earlier(), worker)
        {
            added = run.added;
            merged = Some(ViewRows::of(&earlier.mapped_from_run(name, run.number)?)?);
        }
        Ok(ViewWriter { whole, rows, added, merged })
    }

    /// Appends a row with its multiplicity; in a run of changes, a row with the change of its
    /// multiplicity.
    ///
    /// Panics when the row does not come after the one before, or its multiplicity is zero.
    ///
    /// # Errors
    /// When the row is too large, or the disk refuses; damage in the files that are continued.
    pub fn push(&mut self, key: &[u8], value: &[u8], multiplicity: isize) -> Result<()> {
        assert!(multiplicity != 0, "row {key:02x?}, {value:02x?} is there zero times");
        let change = i64::try_from(multiplicity).unwrap_or(i64::MAX);
        self.added = self.added.saturating_add(change);
        let mut sum = multiplicity;
        while let Some(row) = self.merged.as_ref().and_then(ViewRows::row) {
            let is_before = (&row.key[..], &row.value[..]) < (key, value);
            if is_before {
                self.rows.push(&row.key, &row.value, row.multiplicity)?;
            } else if (&row.key[..], &row.value[..]) == (key, value) {
                sum = sum.saturating_add(row.multiplicity);
            } else {
                break;
            }
            self.merged.as_mut().map_or(Ok(()), ViewRows::step)?;
        }
        // The merged runs may have had the opposite change.
        if sum == 0 { Ok(()) } else { self.rows.push(key, value, sum) }
    }

    /// Writes the index of blocks and makes the part durable.
    ///
    /// # Errors
    /// What the disk reports; damage in the files that are continued.
    pub fn finish(mut self) -> Result<()> {
        while let Some(row) = self.merged.as_ref().and_then(ViewRows::row) {
            self.rows.push(&row.key, &row.value, row.multiplicity)?;
            self.merged.as_mut().map_or(Ok(()), ViewRows::step)?;
        }
        let (blocks, part) = self.rows.finish()?;
        self.whole.end(&blocks, PartFile { added: self.added, ..part })
    }
}
