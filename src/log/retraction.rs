//! Retractions: events are never edited; a wrong one is retracted by a later epoch.
//!
//! A retraction identifies the events by position, carries a copy of their rows, so that a consumer
//! of single epochs need not look back, and gives the reason. In frames it is a section of its own;
//! a segment has one file for all of its epochs. See README.md for the bytes.

use arrow_array::{BooleanArray, RecordBatch, UInt64Array};
use arrow_buffer::Buffer;
use arrow_select::filter::filter_record_batch;
use serde::{Deserialize, Serialize};

use super::arrow_ipc_message::{decode_message, encode_message};
use super::event_position::{Position, Retracted};
use super::row_chunk::{Chunk, Epochs, Retraction};
use super::schemas::Schemas;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// Retracted events of one schema, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RetractedEvents {
    pub(super) reason: String,
    pub(super) schema: u32,
    /// The positions, strictly ascending.
    pub(super) positions: Vec<Position>,
    meta_len: u32,
    /// The rows, in the order of the positions, as one Arrow IPC message.
    message: Vec<u8>,
}

/// All retractions by one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Corrections {
    pub(super) epoch: Epoch,
    pub(super) all: Vec<RetractedEvents>,
}

impl RetractedEvents {
    /// The retraction of these rows, which are at these positions.
    pub(super) fn new(
        reason: &str,
        schema: u32,
        positions: Vec<Position>,
        rows: &RecordBatch,
    ) -> Result<RetractedEvents> {
        let mut message = Vec::new();
        let reason = reason.to_owned();
        let meta_len = encode_message(rows, &mut message)?;
        Ok(RetractedEvents { reason, schema, positions, meta_len, message })
    }

    /// The same after the events at some positions were erased and others moved; none when nothing
    /// is left. `moved` gives the new position of each.
    ///
    /// # Errors
    /// Damage of the stored copy.
    fn without(
        &self,
        schemas: &Schemas,
        moved: &impl Fn(u32, Position) -> Option<u64>,
    ) -> Result<Option<RetractedEvents>, String> {
        let Some(known) = schemas.get(self.schema) else {
            return Err(format!("schema {} is unknown", self.schema));
        };
        let places: Vec<_> = self.positions.iter().map(|p| moved(self.schema, *p)).collect();
        let positions = self.positions.iter().zip(&places);
        let positions: Vec<_> =
            positions.filter_map(|(p, place)| Some(Position { place: (*place)?, ..*p })).collect();
        if positions.is_empty() {
            return Ok(None);
        }
        let kept = BooleanArray::from(places.iter().map(Option::is_some).collect::<Vec<_>>());
        let message = Buffer::from(self.message.as_slice());
        let rows = decode_message(&message, self.meta_len, &known.schema)?;
        let rows = filter_record_batch(&rows, &kept).map_err(|error| error.to_string())?;
        let taken = RetractedEvents::new(&self.reason, self.schema, positions, &rows);
        taken.map(Some).map_err(|error| error.to_string())
    }

    fn decode(&self, epoch: Epoch, all: &Schemas) -> Result<Retraction, String> {
        let Some(known) = all.get(self.schema) else {
            return Err(format!("schema {} is unknown", self.schema));
        };
        let message = Buffer::from(self.message.as_slice());
        let rows = decode_message(&message, self.meta_len, &known.schema)?;
        if rows.num_rows() != self.positions.len() {
            let rows = rows.num_rows();
            let positions = self.positions.len();
            return Err(format!("{rows} rows at {positions} positions"));
        }
        let epochs = UInt64Array::from_iter_values(self.positions.iter().map(|p| p.epoch));
        let events = Chunk { stream: known.stream.clone(), rows, epochs: Epochs::Each(epochs) };
        Ok(Retraction { epoch, reason: self.reason.as_str().into(), events })
    }
}

impl Corrections {
    /// Adds these retractions to `retracted`. The epoch of each event must be before this one.
    ///
    /// # Errors
    /// A contradiction to earlier retractions; the log is damaged then.
    pub(super) fn apply(&self, retracted: &mut Retracted) -> Result<(), String> {
        for taken in &self.all {
            if !taken.positions.is_sorted_by(|a, b| a < b) || taken.positions.is_empty() {
                return Err("the positions of a retraction are out of order".to_owned());
            }
            retracted.add(self.epoch, taken.schema, &taken.positions)?;
        }
        Ok(())
    }

    /// The same after events were erased; see `erase/`. Empty retractions are dropped.
    ///
    /// # Errors
    /// Damage of the stored copy.
    pub(super) fn without(
        &self,
        schemas: &Schemas,
        moved: &impl Fn(u32, Position) -> Option<u64>,
    ) -> Result<Corrections, String> {
        let left = self.all.iter().map(|taken| taken.without(schemas, moved));
        let all = left.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Corrections { epoch: self.epoch, all })
    }

    /// Decodes the retractions for readers.
    ///
    /// # Errors
    /// Damage of the stored copy.
    pub(super) fn decode(&self, schemas: &Schemas) -> Result<Vec<Retraction>, String> {
        self.all.iter().map(|taken| taken.decode(self.epoch, schemas)).collect()
    }
}
