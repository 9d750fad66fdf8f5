//! Searches the log for events to retract, and checks the copies of retracted ones.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, BooleanArray, RecordBatch, UInt64Array};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;

use super::event_position::Position;
use super::reader::Reader;
use super::retraction::RetractedEvents;
use super::row_chunk::{Chunk, Epochs};
use super::scan_part::Part;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::time::Epoch;

/// Events of one stream that were found in a log, for a retraction.
#[derive(Clone, Debug)]
pub struct FoundEvents {
    stream: Arc<str>,
    /// The identity of their log.
    pub(super) identity: u64,
    of: Vec<Selected>,
    bytes: usize,
}

/// Events of one schema.
#[derive(Clone, Debug)]
struct Selected {
    schema: u32,
    positions: Vec<Position>,
    rows: RecordBatch,
}

impl FoundEvents {
    /// The stream of the events.
    pub fn stream(&self) -> &Arc<str> {
        &self.stream
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.of.iter().map(|selected| selected.positions.len()).sum()
    }

    /// Whether no event was found.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The events, one chunk for each schema they have, with the epoch of each.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.of.iter().map(|Selected { positions, rows, .. }| {
            let epochs = UInt64Array::from_iter_values(positions.iter().map(|p| p.epoch));
            let stream = self.stream.clone();
            let rows = rows.clone();
            Chunk { stream, rows, epochs: Epochs::Each(epochs) }
        })
    }

    /// Bytes of the events, approximately.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The retraction of the events.
    pub(super) fn taken(&self, reason: &str) -> Result<Vec<RetractedEvents>> {
        let taken = self.of.iter().map(|Selected { schema, positions, rows }| {
            RetractedEvents::new(reason, *schema, positions.clone(), rows)
        });
        taken.collect()
    }
}

impl Reader {
    /// Finds the events of `stream` in `[lower, upper)` that `select` selects and that no epoch has
    /// retracted; `select` gets all events of these epochs, in the order of the log, chunk by
    /// chunk, and tells which rows it selects (null is no).
    ///
    /// # Errors
    /// The error of `select`; more events than one append can hold; missing if the epochs are not
    /// all sealed or no longer held; damage; the disk's error.
    pub fn find(
        &self,
        stream: &str,
        epochs: Range<Epoch>,
        mut select: impl FnMut(&Chunk) -> Result<BooleanArray>,
    ) -> Result<FoundEvents> {
        let Range { start: lower, end: upper } = epochs;
        let end = self.upper()?;
        let parts = self.standing(lower, upper, end.max(upper))?;
        let view = self.view();
        let retracted = Arc::clone(&view.retracted);
        let identity = view.manifest.identity;
        drop(view);
        let mut of: Vec<(u32, Vec<Position>, Vec<RecordBatch>)> = Vec::new();
        let mut bytes = 0;
        walk(parts.iter().filter(|part| **part.stream() == *stream), |schema, place, chunk| {
            let Some(inside) = chunk.clone().between(lower, upper) else { return Ok(()) };
            // The cut rows end with their epoch.
            let same = inside.epochs.at(0) == chunk.epochs.at(0);
            let chunk = &inside;
            let place = if same { place } else { 0 };
            let chosen = select(chunk)?;
            let gone = retracted.standing(schema, chunk.len(), &chunk.epochs, place, Epoch::MAX);
            let mut positions = Vec::new();
            let mut wanted = vec![false; chunk.len()];
            for (row, position) in positions_of(chunk, place).enumerate() {
                let stands = gone.as_ref().is_none_or(|gone| gone.value(row));
                if stands && chosen.is_valid(row) && chosen.value(row) {
                    wanted[row] = true;
                    positions.push(position);
                }
            }
            if positions.is_empty() {
                return Ok(());
            }
            let rows = filter_record_batch(&chunk.rows, &BooleanArray::from(wanted));
            let rows = rows.map_err(|e| Error::new(Kind::Input, format!("{stream}: {e}")))?;
            let slices = rows.columns().iter().map(AsRef::as_ref);
            bytes += slices.map(|column: &dyn Array| column.get_array_memory_size()).sum::<usize>();
            bytes += positions.len() * size_of::<Position>();
            if bytes > limits::APPEND_BYTES_MAX {
                let max = limits::APPEND_BYTES_MAX;
                let message = format!("{stream}: one retraction takes at most {max} bytes back");
                return Err(Error::new(Kind::Input, message)
                    .remedy("choose fewer events: retract them in several steps"));
            }
            match of.iter_mut().find(|(known, ..)| *known == schema) {
                Some((_, all, batches)) => {
                    all.extend(positions);
                    batches.push(rows);
                }
                None => of.push((schema, positions, vec![rows])),
            }
            Ok(())
        })?;
        let of = of.into_iter().map(|(schema, positions, batches)| {
            let rows = concat_batches(&batches[0].schema(), &batches);
            let rows = rows.map_err(|e| Error::new(Kind::Input, format!("{stream}: {e}")))?;
            Ok(Selected { schema, positions, rows })
        });
        Ok(FoundEvents { stream: stream.into(), identity, of: of.collect::<Result<_>>()?, bytes })
    }

    /// Names the retractions whose copies differ from the appended events, for events below
    /// `upper`.
    ///
    /// # Errors
    /// Damage, or the disk's error.
    pub(super) fn wrong_copies(&self, upper: Epoch) -> Result<Vec<String>> {
        let view = self.view();
        let corrections = view.corrections.clone();
        let schemas = view.schemas.clone();
        drop(view);
        let mut copies = BTreeMap::new();
        for corrections in corrections.iter().filter(|c| c.epoch < upper) {
            let decoded = corrections.decode(&schemas).unwrap_or_default();
            for (taken, retraction) in corrections.all.iter().zip(decoded) {
                for (row, position) in taken.positions.iter().enumerate() {
                    let copy = retraction.events.rows.slice(row, 1);
                    copies.insert((taken.schema, *position), (copy, corrections.epoch));
                }
            }
        }
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        let parts = self.standing(self.lower(), upper, upper)?;
        let mut wrong = Vec::new();
        let told = |schema, Position { epoch, place }, at, what| {
            format!(
                "epoch {at} takes back event {place} of schema {schema} in epoch {epoch}, {what}"
            )
        };
        walk(parts.iter(), |schema, place, chunk| {
            for (row, position) in positions_of(chunk, place).enumerate() {
                if let Some((copy, at)) = copies.remove(&(schema, position))
                    && copy != chunk.rows.slice(row, 1)
                {
                    wrong.push(told(schema, position, at, "whose copy is another event"));
                }
            }
            Ok(())
        })?;
        wrong.extend(
            copies.into_iter().map(|((schema, position), (_, at))| {
                told(schema, position, at, "which is not there")
            }),
        );
        wrong.sort();
        Ok(wrong)
    }
}

/// Iterates over all rows of the parts, which come from one list, in its order; gives the schema's
/// number and the place of a chunk's first row in its epoch.
fn walk<'p>(
    parts: impl Iterator<Item = &'p Part>,
    mut each: impl FnMut(u32, u64, &Chunk) -> Result<()>,
) -> Result<()> {
    // By schema, the end of the last block.
    let mut ends = HashMap::<u32, Position>::new();
    for part in parts {
        let schema = part.number();
        for chunk in part.whole() {
            let (chunk, place) = chunk?;
            let place = place.unwrap_or_else(|| match ends.get(&schema) {
                Some(end) if end.epoch == chunk.epochs.at(0) => end.place,
                _ => 0,
            });
            if let Some(last) = positions_of(&chunk, place).last() {
                let end = Position { place: last.place + 1, ..last };
                ends.insert(schema, end);
            }
            each(schema, place, &chunk)?;
        }
    }
    Ok(())
}

/// The positions of a chunk's rows, the first of which is number `place` of its epoch.
fn positions_of(chunk: &Chunk, place: u64) -> impl Iterator<Item = Position> + '_ {
    let mut next = None::<Position>;
    (0..chunk.len()).map(move |row| {
        let epoch = chunk.epochs.at(row);
        let position = match next {
            Some(next) if next.epoch == epoch => next,
            Some(_) => Position { epoch, place: 0 },
            None => Position { epoch, place },
        };
        next = Some(Position { epoch, place: position.place + 1 });
        position
    })
}
