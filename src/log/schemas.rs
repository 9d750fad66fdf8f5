//! The schemas of a log: every (stream, schema) pair gets a number where it is first used.
//!
//! Frames and segments name schemas by that number. The definition is in the frame that first uses
//! it and, once that frame is sealed, in the manifest.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_ipc::convert::try_schema_from_flatbuffer_bytes;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::append_request::{EPOCH_COLUMN, check_stream};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits;
use diptych_base::panics::caught;

/// A schema as stored on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredSchema {
    pub(super) id: u32,
    pub(super) stream: String,
    /// An Arrow IPC `Message` flatbuffer with the schema, without `_epoch`.
    ipc: Vec<u8>,
}

/// A schema in use.
#[derive(Clone, Debug)]
pub(super) struct KnownSchema {
    pub(super) id: u32,
    pub(super) stream: Arc<str>,
    pub(super) schema: SchemaRef,
    /// The same schema with `_epoch` as its last column, as segments have it.
    pub(super) sealed: SchemaRef,
}

/// All schemas known so far; the number is the position.
#[derive(Clone, Debug, Default)]
pub(super) struct Schemas {
    known: Vec<KnownSchema>,
    by_stream: HashMap<Arc<str>, Vec<u32>>,
}

impl Schemas {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn get(&self, id: u32) -> Option<&KnownSchema> {
        self.known.get(id as usize)
    }

    /// Streams by name, each with the numbers of its schemas.
    pub(super) fn streams(&self) -> Vec<(Arc<str>, Vec<u32>)> {
        let mut streams: Vec<_> =
            self.by_stream.iter().map(|(name, ids)| (name.clone(), ids.clone())).collect();
        streams.sort();
        streams
    }

    /// The number of this pair; a new number if none below [`len`](Schemas::len) has it.
    pub(super) fn number(&mut self, stream: &str, schema: &SchemaRef) -> Result<u32> {
        let ids = self.by_stream.get(stream).map_or(&[] as &[u32], Vec::as_slice);
        let same = |id: &&u32| {
            let known = &self.known[**id as usize].schema;
            Arc::ptr_eq(known, schema) || known == schema
        };
        if let Some(id) = ids.iter().rev().find(same) {
            return Ok(*id);
        }
        if self.known.len() >= limits::SCHEMAS_MAX {
            let max = limits::SCHEMAS_MAX;
            let message = format!("{stream}: a log holds at most {max} schemas");
            return Err(Error::new(Kind::Input, message)
                .remedy("append this stream with one of the schemas it had before"));
        }
        Ok(self.push(stream.into(), schema.clone()))
    }

    fn push(&mut self, stream: Arc<str>, schema: SchemaRef) -> u32 {
        let id = self.known.len() as u32;
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(EPOCH_COLUMN, DataType::UInt64, false)));
        let sealed = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        self.by_stream.entry(stream.clone()).or_default().push(id);
        self.known.push(KnownSchema { id, stream, schema, sealed });
        id
    }

    /// Drops the numbers from `len` on: the frame that was to define them was not written.
    pub(super) fn truncate(&mut self, len: usize) {
        self.known.truncate(len);
        self.by_stream.retain(|_, ids| {
            ids.retain(|id| (*id as usize) < len);
            !ids.is_empty()
        });
    }

    /// The definitions from number `from` on.
    pub(super) fn stored(&self, from: usize) -> Vec<StoredSchema> {
        let store = |(id, known): (usize, &KnownSchema)| {
            let mut tracker = DictionaryTracker::new(false);
            let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
                &known.schema,
                &mut tracker,
                &IpcWriteOptions::default(),
            );
            let stream = known.stream.to_string();
            StoredSchema { id: id as u32, stream, ipc: encoded.ipc_message }
        };
        self.known.iter().enumerate().skip(from).map(store).collect()
    }

    /// Adds definitions read from disk; a known definition must come in order too.
    pub(super) fn load(&mut self, stored: &[StoredSchema]) -> Result<(), String> {
        for one in stored {
            if one.id as usize != self.known.len() {
                let expected = self.known.len();
                return Err(format!("schema {} is defined where {expected} is due", one.id));
            }
            check_stream(&one.stream).map_err(|e| e.to_string())?;
            // Arrow panics on some bytes that a right checksum does not exclude.
            let schema = caught(|| try_schema_from_flatbuffer_bytes(&one.ipc))
                .map_err(|said| format!("schema {}: {said}", one.id))?;
            let schema = schema.map_err(|e| format!("schema {}: {e}", one.id))?;
            self.push(one.stream.as_str().into(), Arc::new(schema));
        }
        Ok(())
    }
}
