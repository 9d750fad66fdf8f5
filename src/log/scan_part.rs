//! Parts: independent pieces of the history, which many workers read at the same time.
//!
//! A part is up to `BLOCK_ROWS` consecutive rows of one schema within one segment. Rows are counted
//! from the segment's first epoch, so a part has the same rows whether the segment is still a frame
//! file or already sealed: two processes that ask for the same epochs get the same list of parts,
//! even if a segment is sealed in between.
//!
//! Of a sealed segment a part reads its own block. Of a frame it reads all rows of the stream,
//! however few are its own: until a segment is sealed, every worker with a part of a frame holds
//! that frame's rows for a moment (one epoch, `limits::EPOCH_BYTES_MAX` of requests at most).

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::event_position::Retracted;
use super::frame::Payload;
use super::frame_file::FrameFile;
use super::reader_index::FrameIndex;
use super::row_chunk::{Chunk, Epochs};
use super::schemas::{KnownSchema, Schemas};
use super::segment::SegmentBlock;
use super::segment_rows_reader::RowsReader;
use diptych_base::error::Result;
use diptych_base::limits;
use diptych_base::time::Epoch;

/// A piece of the history, up to 65,536 rows of one stream under one schema.
///
/// It can be sent to another thread and read there, any number of times, while the log goes on.
#[derive(Clone, Debug)]
pub struct Part {
    known: KnownSchema,
    /// The requested epochs; rows of others are left out.
    lower: Epoch,
    upper: Epoch,
    rows: usize,
    source: Source,
    /// Leaves out retracted events.
    standing: Option<AppliedRetractions>,
}

/// The retractions that apply to a part.
#[derive(Clone, Debug)]
pub(super) struct AppliedRetractions {
    pub(super) retracted: Arc<Retracted>,
    /// Only retractions by epochs below count.
    pub(super) upper: Epoch,
    pub(super) schema: u32,
    /// The place of a block's first row in its epoch; for rows of frames each piece has it.
    pub(super) place: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Block { file: Arc<RowsReader>, block: SegmentBlock },
    Frames { file: FrameFile, schemas: Arc<Schemas>, schema: u32, pieces: Vec<Piece> },
}

fn chunks<P: Borrow<Part>>(part: P) -> impl Iterator<Item = Result<Chunk>> {
    let count = match &part.borrow().source {
        Source::Block { block, .. } => usize::from(block.last >= part.borrow().lower),
        Source::Frames { pieces, .. } => pieces.len(),
    };
    let mut failed = false;
    (0..count)
        .map_while(move |index| {
            if failed {
                return None;
            }
            let chunk = part.borrow().chunk(index);
            failed = chunk.is_err();
            Some(chunk)
        })
        .filter_map(Result::transpose)
}

/// A range of rows of one frame.
#[derive(Clone, Copy, Debug)]
struct Piece {
    epoch: Epoch,
    payload_base: u64,
    payload: Payload,
    skip: usize,
    take: usize,
}

impl Part {
    /// The stream of the rows.
    pub fn stream(&self) -> &Arc<str> {
        &self.known.stream
    }

    /// The number of the rows' schema.
    pub(super) fn number(&self) -> u32 {
        self.known.id
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.known.schema
    }

    /// The number of rows at most; rows outside the requested epochs are counted too.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows, in the order of the log. The checksums, offsets and UTF-8 of the returned rows
    /// have been verified. Nothing follows an error.
    ///
    /// # Errors
    /// Damage, with file and offset; the disk's error.
    pub fn chunks(&self) -> impl Iterator<Item = Result<Chunk>> + '_ {
        chunks(self)
    }

    /// Iterates as [`Part::chunks`] and keeps the part alive; one chunk is in memory at a time.
    pub fn into_chunks(self) -> impl Iterator<Item = Result<Chunk>> {
        chunks(self)
    }

    fn chunk(&self, index: usize) -> Result<Option<Chunk>> {
        let (chunk, place) = match &self.source {
            Source::Block { file, block } => {
                let place = self.standing.as_ref().map_or(0, |standing| standing.place);
                (file.chunk(block)?, place)
            }
            Source::Frames { file, schemas, pieces, .. } => {
                let piece = &pieces[index];
                let rows = file.rows(piece.payload_base, &piece.payload, schemas)?;
                let rows = rows.slice(piece.skip, piece.take);
                let stream = self.known.stream.clone();
                let epochs = Epochs::One(piece.epoch);
                (Chunk { stream, rows, epochs }, piece.skip as u64)
            }
        };
        let stands = self.standing.as_ref().and_then(|standing| {
            let AppliedRetractions { retracted, upper, schema, .. } = standing;
            retracted.standing(*schema, chunk.len(), &chunk.epochs, place, *upper)
        });
        let chunk = match stands {
            None => Some(chunk),
            Some(stands) => chunk.filter(&stands),
        };
        Ok(chunk.and_then(|chunk| chunk.between(self.lower, self.upper)))
    }

    /// The same part without the retracted events.
    pub(super) fn standing(self, standing: AppliedRetractions) -> Part {
        Part { standing: Some(standing), ..self }
    }

    /// The number of its schema, for parts of frames; blocks do not store it.
    pub(super) fn schema_of_frames(&self) -> Option<u32> {
        match &self.source {
            Source::Block { .. } => None,
            Source::Frames { schema, .. } => Some(*schema),
        }
    }

    /// Every row, also outside the requested epochs, and the first one's place in its epoch where
    /// that is known.
    pub(super) fn whole(&self) -> impl Iterator<Item = Result<(Chunk, Option<u64>)>> + '_ {
        let count = match &self.source {
            Source::Block { block, .. } => usize::from(block.last >= self.lower),
            Source::Frames { pieces, .. } => pieces.len(),
        };
        (0..count).map(move |index| match &self.source {
            Source::Block { file, block } => Ok((file.chunk(block)?, None)),
            Source::Frames { file, schemas, pieces, .. } => {
                let piece = &pieces[index];
                let rows = file.rows(piece.payload_base, &piece.payload, schemas)?;
                let stream = self.known.stream.clone();
                let rows = rows.slice(piece.skip, piece.take);
                let chunk = Chunk { stream, rows, epochs: Epochs::One(piece.epoch) };
                Ok((chunk, Some(piece.skip as u64)))
            }
        })
    }

    /// The part of a block of a segment, unless the block starts at `upper` or later.
    pub(super) fn of_block(
        file: &Arc<RowsReader>,
        block: SegmentBlock,
        lower: Epoch,
        upper: Epoch,
    ) -> Option<Part> {
        let known = file.known.clone();
        let rows = block.rows as usize;
        let source = Source::Block { file: Arc::clone(file), block };
        let part = Part { known, lower, upper, rows, source, standing: None };
        (block.first < upper).then_some(part)
    }

    /// The parts of a frame file, in the order its segment will have them.
    pub(super) fn of_frames(
        index: &FrameIndex,
        schemas: &Arc<Schemas>,
        lower: Epoch,
        upper: Epoch,
    ) -> Vec<Part> {
        // By schema: rows so far, parts so far.
        let mut parts = BTreeMap::<u32, (usize, Vec<Part>)>::new();
        for frame in index.frames.iter().take_while(|frame| frame.epoch < upper) {
            for payload in &frame.payloads {
                let Some(known) = schemas.get(payload.schema) else { continue };
                let (before, parts) = parts.entry(payload.schema).or_default();
                let mut skip = 0;
                let rows = payload.rows as usize;
                while skip < rows {
                    let filled = *before % limits::BLOCK_ROWS;
                    if filled == 0 {
                        let source = Source::Frames {
                            file: index.file.clone(),
                            schemas: Arc::clone(schemas),
                            schema: payload.schema,
                            pieces: Vec::new(),
                        };
                        let known = known.clone();
                        let standing = None;
                        parts.push(Part { known, lower, upper, rows: 0, source, standing });
                    }
                    let take = (rows - skip).min(limits::BLOCK_ROWS - filled);
                    let epoch = frame.epoch;
                    let payload_base = frame.payload_base;
                    let piece = Piece { epoch, payload_base, payload: *payload, skip, take };
                    let Some(part) = parts.last_mut() else {
                        unreachable!("row {before} lies in a part that was begun");
                    };
                    part.add(piece);
                    *before += take;
                    skip += take;
                }
            }
        }
        parts.into_values().flat_map(|(_, parts)| parts).collect()
    }

    fn add(&mut self, piece: Piece) {
        self.rows += piece.take;
        if let Source::Frames { pieces, .. } = &mut self.source
            && piece.epoch >= self.lower
        {
            pieces.push(piece);
        }
    }
}
