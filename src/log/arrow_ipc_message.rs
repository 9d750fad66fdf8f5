//! Rows as an Arrow IPC message: the form that they have in frames.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use arrow_ipc::{Block, MetadataVersion};
use arrow_schema::SchemaRef;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::panics::caught;

/// Appends `rows` to `out` as one Arrow IPC message; returns the bytes of its metadata.
pub(super) fn encode_message(rows: &RecordBatch, out: &mut Vec<u8>) -> Result<u32> {
    let options = IpcWriteOptions::default();
    let mut tracker = DictionaryTracker::new(true);
    let mut context = IpcWriteContext::default();
    let encoded = IpcDataGenerator::default().encode(rows, &mut tracker, &options, &mut context);
    let written = encoded.and_then(|(_, data)| write_message(out, data, &options));
    match written {
        Ok((meta_len, _)) => Ok(meta_len as u32),
        Err(error) => Err(Error::new(Kind::Input, format!("cannot encode rows: {error}"))),
    }
}

/// Decodes the rows in the Arrow IPC message `message`, sharing its memory. The decoder checks
/// offsets and UTF-8; the caller has checked the checksum.
pub(super) fn decode_message(
    message: &Buffer,
    meta_len: u32,
    schema: &SchemaRef,
) -> Result<RecordBatch, String> {
    let body_len = message.len().checked_sub(meta_len as usize);
    let Some(body_len) = body_len.filter(|_| meta_len >= 8) else {
        return Err(format!("{meta_len} bytes of metadata in a message of {}", message.len()));
    };
    let block = Block::new(0, meta_len as i32, body_len as i64);
    let decoder = FileDecoder::new(schema.clone(), MetadataVersion::V5);
    // Arrow panics on some bytes that a right checksum does not exclude.
    match caught(|| decoder.read_record_batch(&block, message))? {
        Ok(Some(rows)) => Ok(rows),
        Ok(None) => Err("the message is empty".into()),
        Err(error) => Err(error.to_string()),
    }
}
