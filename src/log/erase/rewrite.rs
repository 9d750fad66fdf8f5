//! Rewrites segments without the erased rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, UInt64Array};
use arrow_select::filter::{filter, filter_record_batch};

use super::find_events_to_erase::{EventPlaces, Ordinals};
use crate::event_position::Position;
use crate::layout::{Dir, damaged};
use crate::manifest::{Manifest, RetractionsEntry, RowsEntry, SegmentEntry};
use crate::row_chunk::Epochs;
use crate::schemas::Schemas;
use crate::segment::{EpochTable, RowsFile, SegmentBlock, encoding, write_file};
use crate::segment_rows_reader::RowsReader;
use diptych_base::error::Result;

/// Writes new files for all segments that hold one of these events and lists them in `manifest`,
/// which the caller stores; returns the number of segments. The files and their names are durable
/// then. After an error they are removed, as far as possible.
pub(super) fn without(
    dir: &Dir,
    manifest: &mut Manifest,
    schemas: &Schemas,
    found: &EventPlaces,
) -> Result<usize> {
    let mut created = Vec::new();
    let mut rewrite = || {
        let mut count = 0;
        let identity = manifest.identity;
        for segment in &mut manifest.segments {
            let holds = |entry: &RowsEntry| {
                !found.between(entry.schema, segment.lower, segment.upper).is_empty()
            };
            if segment.rows.iter().any(holds) {
                *segment = one(dir, identity, segment, schemas, found, &mut created)?;
                count += 1;
            }
        }
        retractions(dir, manifest, schemas, found, &mut created)?;
        dir.sync()?;
        Ok(count)
    };
    let rewritten = rewrite();
    if rewritten.is_err() {
        for name in created {
            // A remaining file is not listed: the next recovery removes it.
            let _ = dir.disk.remove(&dir.file(&name));
        }
    }
    rewritten
}

/// Rewrites a segment without these events. Files that hold none of them stay.
fn one(
    dir: &Dir,
    identity: u64,
    segment: &SegmentEntry,
    schemas: &Schemas,
    found: &EventPlaces,
    created: &mut Vec<String>,
) -> Result<SegmentEntry> {
    let EpochTable { epochs, blocks: old_blocks, .. } = EpochTable::load(dir, segment)?;
    let lower = segment.lower;
    let upper = segment.upper;
    let rewritten = segment.rewritten + 1;
    let mut entry = SegmentEntry { rows: Vec::new(), rewritten, ..segment.clone() };
    let mut blocks = Vec::new();
    for (rows, (schema, old)) in segment.rows.iter().zip(old_blocks) {
        let places = found.between(schema, lower, upper);
        if places.is_empty() {
            entry.rows.push(*rows);
            blocks.push((schema, old));
            continue;
        }
        if places.len() as u64 == rows.rows {
            continue;
        }
        let reader = RowsReader::new(dir, identity, segment, rows, schemas)?;
        created.push(entry.rows_name(&RowsEntry { rewritten, ..*rows }, schemas));
        let mut file = RowsFile::create(dir, lower, rewritten, schemas, schema)?;
        copy(&reader, &old, places, &mut file)?;
        let (rows, new) = file.finish(schema)?;
        entry.rows.push(rows);
        blocks.push((schema, new));
    }
    created.push(entry.epochs_name());
    entry.epochs = EpochTable { lower, epochs, blocks }.store(dir, rewritten)?;
    Ok(entry)
}

/// Rewrites the retractions of a segment: copies of erased events are removed, the positions of
/// others are moved.
fn retractions(
    dir: &Dir,
    manifest: &mut Manifest,
    schemas: &Schemas,
    found: &EventPlaces,
    created: &mut Vec<String>,
) -> Result<()> {
    let mut left = Vec::new();
    for entry in &manifest.retractions {
        let before = super::super::retraction_files::load(dir, *entry)?;
        let path = dir.file(&entry.name());
        let moved = |schema, at: Position| found.moved(schema, at.epoch, at.place);
        let after = before.iter().map(|corrections| corrections.without(schemas, &moved));
        let after: Vec<_> = after.collect::<Result<_, _>>().map_err(|e| damaged(&path, 24, e))?;
        if after == before {
            left.push(*entry);
            continue;
        }
        let after: Vec<_> = after.into_iter().filter(|one| !one.all.is_empty()).collect();
        if after.is_empty() {
            continue;
        }
        let mut entry = RetractionsEntry { rewritten: entry.rewritten + 1, ..*entry };
        created.push(entry.name());
        entry.sum = write_file(dir, &entry.name(), &super::super::retraction_files::wrap(&after)?)?;
        left.push(entry);
    }
    manifest.retractions = left;
    Ok(())
}

/// Copies all rows except those at the positions.
fn copy(
    from: &Arc<RowsReader>,
    blocks: &[SegmentBlock],
    places: &[(u64, u64)],
    to: &mut RowsFile,
) -> Result<()> {
    let mut ordinals = Ordinals::default();
    let mut left = places.iter().peekable();
    for block in blocks {
        let chunk = from.chunk(block)?;
        let mut kept = Vec::with_capacity(chunk.len());
        for index in 0..chunk.len() {
            let place = ordinals.place(chunk.epochs.at(index));
            kept.push(left.next_if(|next| **next == place).is_none());
        }
        let kept = BooleanArray::from(kept);
        let rows = filter_record_batch(&chunk.rows, &kept).map_err(encoding)?;
        let epochs: ArrayRef = match chunk.epochs {
            Epochs::One(epoch) => Arc::new(UInt64Array::from_value(epoch, rows.num_rows())),
            Epochs::Each(epochs) => filter(&epochs, &kept).map_err(encoding)?,
        };
        if rows.num_rows() > 0 {
            to.push_each(epochs, &rows)?;
        }
    }
    assert!(left.peek().is_none(), "{:?} of {} places is no row", left.peek(), places.len());
    Ok(())
}
