//! Segments: a rotated frame file, rewritten as columns.
//!
//! A segment `[lower, upper)` is one Arrow IPC file per schema, whose last column `_epoch` has each
//! row's epoch, plus an epoch file: a record for every epoch (so that empty ones are not lost) and
//! the place and checksum of every record batch ("block") of the Arrow files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::checksummed_file::{Envelope, u32_at};
use super::frame_file::{FILE_HEAD, FrameFile};
use super::layout::{Dir, damaged, epochs_name, retractions_name, rows_name, state_name};
use super::listed_file::{FileChecksum, read_listed};
use super::manifest::{RowsEntry, SegmentEntry};
use super::producer_mark::{ProducerMark, Trimmed};
use super::producer_table::ProducerTable;
use super::schemas::Schemas;
use super::silent_producers::RecentlySilent;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{File, Open};
use diptych_base::limits;
use diptych_base::time::Epoch;

/// The content of an epoch file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EpochTable {
    pub(super) lower: Epoch,
    /// One record for each epoch from `lower` on.
    pub(super) epochs: Vec<EpochRecord>,
    /// The blocks of each Arrow file, by schema number.
    pub(super) blocks: Vec<(u32, Vec<SegmentBlock>)>,
}

/// The record of an epoch besides its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EpochRecord {
    pub(super) clock_us: i64,
    pub(super) producers: Vec<ProducerMark>,
    pub(super) trimmed: Vec<Trimmed>,
    pub(super) offsets: Vec<(String, String)>,
}

/// A record batch message in an Arrow file. All blocks but the last have `BLOCK_ROWS` rows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SegmentBlock {
    pub(super) offset: u64,
    pub(super) meta_len: u32,
    /// Bytes, metadata included.
    pub(super) len: u64,
    pub(super) rows: u32,
    pub(super) crc: u32,
    /// The first and the last row's epoch.
    pub(super) first: Epoch,
    pub(super) last: Epoch,
}

/// The files that [`write_segment`] has written.
pub(super) struct Written {
    pub(super) entry: SegmentEntry,
    /// The checksum of the state file.
    pub(super) state: FileChecksum,
    /// The checksum of the file of retractions, if there is one.
    pub(super) retractions: Option<FileChecksum>,
    /// The producers that moved from memory to a file.
    pub(super) silenced: RecentlySilent,
}

/// Writes the segment for the whole of `frames`, whose epochs end at `upper`; advances `schemas`
/// and `state` from its beginning to its end. The caller writes the manifest. All files are durable
/// when this returns, the directory is not.
pub(super) fn write_segment(
    dir: &Dir,
    frames: &FrameFile,
    schemas: &mut Schemas,
    state: &mut ProducerTable,
) -> Result<Written> {
    let lower = frames.first;
    let mut files = BTreeMap::new();
    let mut epochs = Vec::new();
    let mut corrections = Vec::new();
    let mut offset = FILE_HEAD;
    let end = frames.file.len()?;
    while offset < end {
        let epoch = lower + epochs.len() as Epoch;
        let frame = frames.frame(offset, end, epoch)?;
        let header = &frame.header;
        schemas.load(&header.schemas).map_err(|e| frames.damage(offset, e))?;
        state.replay(epoch, header, |e| frames.damage(offset, e))?;
        for payload in &header.payloads {
            let rows = frames.rows(frame.payload_base, payload, schemas)?;
            let file = match files.entry(payload.schema) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    entry.insert(RowsFile::create(dir, lower, 0, schemas, payload.schema)?)
                }
            };
            file.push(epoch, rows)?;
        }
        corrections.extend(frames.corrections(&frame)?);
        offset = frame.end();
        let header = frame.header;
        epochs.push(EpochRecord {
            clock_us: header.clock_us,
            producers: header.producers,
            trimmed: header.trimmed,
            offsets: header.offsets,
        });
    }
    let upper = lower + epochs.len() as Epoch;
    let clock_max = epochs.iter().map(|record| record.clock_us).max().unwrap_or(i64::MIN);
    let mut rows = Vec::new();
    let mut blocks = Vec::new();
    for (schema, file) in files {
        let (entry, of_file) = file.finish(schema)?;
        rows.push(entry);
        blocks.push((schema, of_file));
    }
    let epochs = EpochTable { lower, epochs, blocks }.store(dir, 0)?;
    let silenced = state.seal_silent(dir, lower)?;
    let state = write_file(dir, &state_name(lower), &state.wrap()?)?;
    let mut retractions = None;
    if !corrections.is_empty() {
        let bytes = super::retraction_files::wrap(&corrections)?;
        retractions = Some(write_file(dir, &retractions_name(lower, 0), &bytes)?);
    }
    let entry = SegmentEntry { lower, upper, clock_max, epochs, rows, rewritten: 0 };
    Ok(Written { entry, state, retractions, silenced })
}

pub(super) fn write_file(dir: &Dir, name: &str, bytes: &[u8]) -> Result<FileChecksum> {
    let file = dir.disk.open(&dir.file(name), Open::Create)?;
    file.write_at(0, bytes)?;
    file.sync_data()?;
    Ok(FileChecksum::of(bytes))
}

/// An Arrow file that is being written.
pub(super) struct RowsFile {
    file: Box<dyn File>,
    rewritten: u32,
    schema: SchemaRef,
    /// Encodes into memory; encoded bytes are moved to the file block by block.
    writer: FileWriter<Vec<u8>>,
    sum: FileChecksum,
    rows: u64,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    blocks: Vec<SegmentBlock>,
}

impl RowsFile {
    /// Creates the file for the rows of schema `id` in the segment that starts at `lower`, with its
    /// number of rewrites.
    pub(super) fn create(
        dir: &Dir,
        lower: Epoch,
        rewritten: u32,
        schemas: &Schemas,
        id: u32,
    ) -> Result<Self> {
        let Some(known) = schemas.get(id) else {
            unreachable!("schema {id} was used to decode rows, {} are known", schemas.len());
        };
        let path = dir.file(&rows_name(lower, &known.stream, id, rewritten));
        let file = dir.disk.open(&path, Open::Create)?;
        let schema = known.sealed.clone();
        let writer = FileWriter::try_new(Vec::new(), &schema).map_err(encoding)?;
        let waiting = Vec::new();
        let blocks = Vec::new();
        let sum = FileChecksum { len: 0, crc: 0 };
        let rows = 0;
        let waiting_rows = 0;
        let mut this =
            RowsFile { file, rewritten, schema, writer, sum, rows, waiting, waiting_rows, blocks };
        this.drain()?;
        Ok(this)
    }

    /// Moves encoded bytes to the file; returns its CRC and length.
    fn drain(&mut self) -> Result<FileChecksum> {
        let bytes = std::mem::take(self.writer.get_mut());
        self.file.write_at(self.sum.len, &bytes)?;
        let sum = FileChecksum::of(&bytes);
        self.sum.crc = crc32c::crc32c_append(self.sum.crc, &bytes);
        self.sum.len += sum.len;
        Ok(sum)
    }

    fn push(&mut self, epoch: Epoch, rows: RecordBatch) -> Result<()> {
        let epochs = UInt64Array::from_value(epoch, rows.num_rows());
        self.push_each(Arc::new(epochs), &rows)
    }

    /// Appends rows with the epoch of each.
    pub(super) fn push_each(&mut self, epochs: ArrayRef, rows: &RecordBatch) -> Result<()> {
        let mut columns = rows.columns().to_vec();
        columns.push(epochs);
        let rows = RecordBatch::try_new(self.schema.clone(), columns).map_err(encoding)?;
        self.waiting_rows += rows.num_rows();
        self.waiting.push(rows);
        while self.waiting_rows >= limits::BLOCK_ROWS {
            self.write_block(limits::BLOCK_ROWS)?;
        }
        Ok(())
    }

    /// Writes the first `len` of the waiting rows as one block.
    fn write_block(&mut self, len: usize) -> Result<()> {
        let mut block = Vec::new();
        let mut missing = len;
        let mut rest = Vec::new();
        for rows in self.waiting.drain(..) {
            let take = missing.min(rows.num_rows());
            if take > 0 {
                block.push(rows.slice(0, take));
            }
            if take < rows.num_rows() {
                rest.push(rows.slice(take, rows.num_rows() - take));
            }
            missing -= take;
        }
        self.waiting = rest;
        self.waiting_rows -= len;
        let rows = concat_batches(&self.schema, &block).map_err(encoding)?;
        let epochs = rows.columns().last().and_then(|c| c.as_any().downcast_ref::<UInt64Array>());
        let ends = epochs.and_then(|e| Some((*e.values().first()?, *e.values().last()?)));
        let Some((first, last)) = ends else {
            unreachable!("a block of {len} rows has epochs, got {rows:?}");
        };
        self.writer.write(&rows).map_err(encoding)?;
        // The message starts with a marker and the length of the metadata after these 8 bytes.
        let meta_len = 8 + u32_at(self.writer.get_ref(), 4);
        let offset = self.sum.len;
        let FileChecksum { len: bytes, crc } = self.drain()?;
        let rows = len as u32;
        self.blocks.push(SegmentBlock { offset, meta_len, len: bytes, rows, crc, first, last });
        self.rows += len as u64;
        Ok(())
    }

    /// Writes the remaining rows and syncs the file.
    pub(super) fn finish(mut self, schema: u32) -> Result<(RowsEntry, Vec<SegmentBlock>)> {
        if self.waiting_rows > 0 {
            self.write_block(self.waiting_rows)?;
        }
        self.writer.finish().map_err(encoding)?;
        self.drain()?;
        self.file.sync_data()?;
        let RowsFile { rows, sum, rewritten, .. } = self;
        Ok((RowsEntry { schema, rows, sum, rewritten }, self.blocks))
    }
}

pub(super) fn encoding(error: ArrowError) -> Error {
    Error::new(Kind::Io, format!("cannot encode a segment: {error}"))
}

impl EpochTable {
    /// Writes the epoch file of a segment with this number of rewrites.
    pub(super) fn store(&self, dir: &Dir, rewritten: u32) -> Result<FileChecksum> {
        write_file(dir, &epochs_name(self.lower, rewritten), &Envelope::Epochs.wrap(self)?)
    }

    /// Reads the epoch file of a segment, checked against its entry in the manifest.
    pub(super) fn load(dir: &Dir, segment: &SegmentEntry) -> Result<Self> {
        let name = segment.epochs_name();
        let path = dir.file(&name);
        let bytes = read_listed(dir, &name, segment.epochs)?;
        let table: EpochTable = Envelope::Epochs.unwrap(&path, &bytes)?;
        let epochs = segment.upper - segment.lower;
        let of_file = |(entry, (schema, blocks)): (&RowsEntry, &(u32, Vec<SegmentBlock>))| {
            let rows: u64 = blocks.iter().map(|block| u64::from(block.rows)).sum();
            entry.schema == *schema && entry.rows == rows
        };
        let same = table.lower == segment.lower
            && table.epochs.len() as u64 == epochs
            && table.blocks.len() == segment.rows.len()
            && segment.rows.iter().zip(&table.blocks).all(of_file);
        if same { Ok(table) } else { Err(damaged(&path, 24, "the table is not that of MANIFEST")) }
    }
}
