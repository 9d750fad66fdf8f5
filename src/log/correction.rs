//! Corrections: events are never edited; one that is wrong is taken back by a later epoch.
//!
//! A correction names the events by position, carries a copy of their rows, so that who lives from
//! epoch to epoch need not look back, and says why. In frames it is a section of its own; a
//! segment has a file of its own for all of its epochs. See README.md for the bytes.

use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_buffer::Buffer;
use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, Epochs};
use super::envelope::Envelope;
use super::frame::{decode_message, encode_message};
use super::layout::{Dir, damaged, retractions_name};
use super::manifest::{Manifest, Sum, read_listed};
use super::position::{Position, Retracted};
use super::schemas::Schemas;
use crate::error::Result;
use crate::time::Epoch;

/// Events that are taken back, as readers get them.
#[derive(Clone, Debug, PartialEq)]
pub struct Retraction {
    /// The epoch that takes them back: from it on they do not stand.
    pub epoch: Epoch,
    /// Why.
    pub reason: Arc<str>,
    /// A copy of the events, each with the epoch that it was appended in.
    pub events: Chunk,
}

/// One correction as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Correction {
    pub(super) reason: String,
    pub(super) taken: Vec<Taken>,
}

/// Events of one schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) schema: u32,
    /// Strictly ascending.
    pub(super) positions: Vec<Position>,
    meta_len: u32,
    /// The rows, in the order of the positions, as one Arrow IPC message.
    message: Vec<u8>,
}

/// All corrections of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Corrections {
    pub(super) epoch: Epoch,
    pub(super) all: Vec<Correction>,
}

impl Taken {
    /// These rows, which are at these positions.
    pub(super) fn new(schema: u32, positions: Vec<Position>, rows: &RecordBatch) -> Result<Taken> {
        let mut message = Vec::new();
        let meta_len = encode_message(rows, &mut message)?;
        Ok(Taken { schema, positions, meta_len, message })
    }

    fn decode(&self, epoch: Epoch, reason: &Arc<str>, all: &Schemas) -> Result<Retraction, String> {
        let Some(known) = all.get(self.schema) else {
            return Err(format!("schema {} is unknown", self.schema));
        };
        let message = Buffer::from(self.message.as_slice());
        let rows = decode_message(&message, self.meta_len, &known.schema)?;
        if rows.num_rows() != self.positions.len() {
            let (rows, positions) = (rows.num_rows(), self.positions.len());
            return Err(format!("{rows} rows at {positions} positions"));
        }
        let epochs = UInt64Array::from_iter_values(self.positions.iter().map(|p| p.epoch));
        let events = Chunk { stream: known.stream.clone(), rows, epochs: Epochs::Each(epochs) };
        Ok(Retraction { epoch, reason: reason.clone(), events })
    }
}

impl Corrections {
    /// The epoch of an event is looked up, and must be one before this.
    ///
    /// # Errors
    /// What contradicts what was taken back before; the log is damaged then.
    pub(super) fn apply(&self, retracted: &mut Retracted) -> Result<(), String> {
        for taken in self.all.iter().flat_map(|correction| &correction.taken) {
            if !taken.positions.is_sorted_by(|a, b| a < b) || taken.positions.is_empty() {
                return Err("the positions of a retraction are out of order".to_owned());
            }
            retracted.add(self.epoch, taken.schema, &taken.positions)?;
        }
        Ok(())
    }

    /// What readers get.
    ///
    /// # Errors
    /// What is not as it was written.
    pub(super) fn decode(&self, schemas: &Schemas) -> Result<Vec<Retraction>, String> {
        let mut decoded = Vec::new();
        for correction in &self.all {
            let reason = Arc::from(correction.reason.as_str());
            for taken in &correction.taken {
                decoded.push(taken.decode(self.epoch, &reason, schemas)?);
            }
        }
        Ok(decoded)
    }
}

/// The bytes of a segment's file.
pub(super) fn wrap(of_segment: &Vec<Corrections>) -> Result<Vec<u8>> {
    Envelope::Retractions.wrap(of_segment)
}

/// The corrections of the segment at `lower`, checked against what the manifest says.
pub(super) fn load(dir: &Dir, lower: Epoch, sum: Sum) -> Result<Vec<Corrections>> {
    let name = retractions_name(lower);
    let path = dir.file(&name);
    let bytes = read_listed(dir, &name, sum)?;
    let found: Vec<Corrections> = Envelope::Retractions.unwrap(&path, &bytes)?;
    if !found.is_sorted_by(|a, b| a.epoch < b.epoch) || found.iter().any(|c| c.epoch < lower) {
        return Err(damaged(&path, 24, "its epochs are not those of the segment, in order"));
    }
    Ok(found)
}

/// The corrections of all sealed segments, in order; `retracted` gets what they take back.
pub(super) fn load_all(
    dir: &Dir,
    manifest: &Manifest,
    retracted: &mut Retracted,
) -> Result<Vec<Arc<Corrections>>> {
    let mut all = Vec::new();
    for (lower, sum) in &manifest.retractions {
        let path = dir.file(&retractions_name(*lower));
        for corrections in load(dir, *lower, *sum)? {
            corrections.apply(retracted).map_err(|e| damaged(&path, 24, e))?;
            all.push(Arc::new(corrections));
        }
    }
    Ok(all)
}
