//! A view read in place: its parts are mapped, and a row is found without reading the rows before.
//!
//! Opening a view reads the upper levels of its block indexes only. A block's checksum is verified
//! at the first read of one of its rows, and the offsets of its rows are kept, up to a bound: from
//! then on a row is found by binary search, without another check. So a view of any size answers at
//! once, and damage is reported by the read that meets it.
//!
//! The rows of all parts are merged. Those of a later run are changes: the multiplicities of a row
//! in all runs add up to its multiplicity, and where they cancel there is no row.

use std::path::Path;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::block::damaged;
use super::manifest::PartFile;
use super::mapped_part::{MappedPart, Reading};
use diptych_base::error::Result;
use diptych_row::ByteRange;
use diptych_serving::{Cursor, Digest, Filling, Page, Row, StoredView};

/// A view of a batch view, read from its files. The files are mapped: the view stays readable when
/// their names are removed.
pub struct MappedView {
    parts: Vec<Arc<MappedPart>>,
    rows: u64,
    digest: Digest,
}

impl MappedView {
    /// Opens a view from its mapped parts.
    pub(super) fn open<'a>(
        parts: impl Iterator<Item = (&'a PartFile, Result<(Arc<Path>, Buffer)>)>,
    ) -> Result<MappedView> {
        let mut opened = Vec::new();
        let mut rows = 0_i64;
        let mut digest = Digest::default();
        for (part, mapped) in parts {
            let (path, file) = mapped?;
            rows = rows.saturating_add(part.added);
            digest = digest.plus(part.digest);
            opened.push(Arc::new(MappedPart::open(part, path, file)?));
        }
        // Runs of changes alone may have taken away more than they brought.
        Ok(MappedView { parts: opened, rows: u64::try_from(rows).unwrap_or(0), digest })
    }

    /// The first `limit` rows of a range, without a bound on their bytes.
    pub(super) fn first(&self, range: &ByteRange, limit: usize) -> Result<Vec<Row>> {
        first(&self.parts, range, limit)
    }
}

fn first(parts: &[Arc<MappedPart>], range: &ByteRange, limit: usize) -> Result<Vec<Row>> {
    let mut read = page(parts, range, None, limit)?;
    let mut rows = std::mem::take(&mut read.rows);
    while let Some(behind) = read.next.filter(|_| rows.len() < limit) {
        read = page(parts, range, Some(&behind), limit - rows.len())?;
        rows.append(&mut read.rows);
    }
    Ok(rows)
}

/// The first `limit` rows of a range after the cursor `behind`, of all parts.
fn page(
    parts: &[Arc<MappedPart>],
    range: &ByteRange,
    behind: Option<&Cursor>,
    limit: usize,
) -> Result<Page> {
    let mut readings = Vec::with_capacity(parts.len());
    for part in parts {
        let place = match behind {
            Some(cursor) if cursor.key() >= &range.start[..] => {
                part.seek(cursor.key(), |key, value| cursor.is_behind(key, value))?
            }
            _ => part.seek(&range.start, |key, _| key < &range.start[..])?,
        };
        readings.push(Reading::at(Arc::clone(part), place, range)?);
    }
    let mut filling = Filling::new(behind, limit);
    let mut passed = Vec::new();
    while let Some((key, value)) = least(&readings) {
        if filling.is_full() {
            return filling.end(true);
        }
        let mut multiplicity = 0_isize;
        for (number, reading) in readings.iter().enumerate() {
            if let Some((one, other, times)) = reading.row()
                && (one, other) == (key, value)
            {
                multiplicity = multiplicity.saturating_add(times);
                passed.push(number);
            }
        }
        filling.push(key, value, multiplicity)?;
        for number in passed.drain(..) {
            readings[number].step(range)?;
        }
    }
    filling.end(false)
}

/// All rows of a view in order.
pub(super) struct ViewRows {
    readings: Vec<Reading>,
    row: Option<Row>,
}

impl ViewRows {
    /// The rows of `view`, at the first.
    pub(super) fn of(view: &MappedView) -> Result<ViewRows> {
        let mut readings = Vec::with_capacity(view.parts.len());
        for part in &view.parts {
            let place = part.seek(&[], |_, _| false)?;
            readings.push(Reading::at(Arc::clone(part), place, &ByteRange::all())?);
        }
        let mut rows = ViewRows { readings, row: None };
        rows.step()?;
        Ok(rows)
    }

    /// The row that this is at; none at the end.
    pub(super) fn row(&self) -> Option<&Row> {
        self.row.as_ref()
    }

    /// Moves to the next row whose multiplicities do not cancel.
    ///
    /// # Errors
    /// When what has to be read is damaged, or rows are not in order.
    pub(super) fn step(&mut self) -> Result<()> {
        let mut last = self.row.take().map(|row| (row.key, row.value));
        while let Some((key, value)) = least(&self.readings) {
            let place = (key.to_vec(), value.to_vec());
            let mut multiplicity = 0_isize;
            for reading in &mut self.readings {
                let Some((key, value, times)) = reading.row() else { continue };
                if (key, value) == (&place.0[..], &place.1[..]) {
                    multiplicity = multiplicity.saturating_add(times);
                    if last.as_ref().is_some_and(|last| *last >= place) {
                        return Err(damaged(reading.path(), 0, "rows are not in order"));
                    }
                    reading.step(&ByteRange::all())?;
                }
            }
            if multiplicity != 0 {
                let (key, value) = place;
                self.row = Some(Row { key, value, multiplicity });
                return Ok(());
            }
            last = Some(place);
        }
        Ok(())
    }
}

impl StoredView for MappedView {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8], isize)) -> Result<()> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            if part.may_have(key)? {
                parts.push(Arc::clone(part));
            }
        }
        let range = ByteRange::between(key.to_vec()..=key.to_vec());
        let rows = first(&parts, &range, usize::MAX)?;
        rows.iter().for_each(|row| visit(&row.value, row.multiplicity));
        Ok(())
    }

    fn page(&self, range: &ByteRange, behind: Option<&Cursor>, limit: usize) -> Result<Page> {
        page(&self.parts, range, behind, limit)
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

/// The least row that the readings are at.
fn least(readings: &[Reading]) -> Option<(&[u8], &[u8])> {
    let rows = readings.iter().filter_map(Reading::row);
    rows.map(|(key, value, _)| (key, value)).min()
}
