//! Replays the log epoch by epoch, as the speed layer receives it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::erase::rewritten_history;
use super::frame_file::FrameFile;
use super::layout::{Dir, damaged};
use super::manifest::SegmentEntry;
use super::reader_index::{Indexed, ReaderIndex};
use super::retraction::Corrections;
use super::row_chunk::{Chunk, Epochs, SealedEpoch};
use super::schemas::Schemas;
use super::segment::{EpochTable, SegmentBlock};
use super::segment_rows_reader::RowsReader;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The sealed epochs of an interval, in order; see [`Reader::epochs`](super::Reader::epochs).
///
/// It holds one block of rows per schema in memory, whatever the size of the history.
#[derive(Debug)]
pub struct Replay {
    dir: Dir,
    /// The identity of the log it reads.
    identity: u64,
    schemas: Arc<Schemas>,
    next: Epoch,
    upper: Epoch,
    segments: VecDeque<SegmentEntry>,
    frames: VecDeque<(FrameFile, VecDeque<Indexed>)>,
    segment: Option<Segment>,
    corrections: VecDeque<Arc<Corrections>>,
}

/// The segment that is being replayed.
#[derive(Debug)]
struct Segment {
    upper: Epoch,
    lower: Epoch,
    table: EpochTable,
    cursors: Vec<Cursor>,
}

/// The progress of the replay of one Arrow file.
#[derive(Debug)]
struct Cursor {
    file: Arc<RowsReader>,
    blocks: VecDeque<SegmentBlock>,
    /// The unread rest of the last block.
    rest: Option<Chunk>,
}

impl Replay {
    pub(super) fn new(dir: &Dir, view: &ReaderIndex, lower: Epoch, upper: Epoch) -> Self {
        let segments = view.manifest.segments.iter();
        let segments = segments.filter(|s| s.lower < upper && s.upper > lower).cloned().collect();
        let mut frames = VecDeque::new();
        for index in &view.frames {
            let wanted = index.frames.iter().filter(|f| (lower..upper).contains(&f.epoch));
            frames.push_back((index.file.clone(), wanted.cloned().collect()));
        }
        let corrections = view.corrections.iter();
        let corrections = corrections.filter(|c| (lower..upper).contains(&c.epoch)).cloned();
        Replay {
            corrections: corrections.collect(),
            dir: dir.clone(),
            identity: view.manifest.identity,
            schemas: Arc::new(view.schemas.clone()),
            next: lower,
            upper,
            segments,
            frames,
            segment: None,
        }
    }

    fn sealed(&mut self) -> Result<SealedEpoch> {
        let epoch = self.next;
        if self.segment.as_ref().is_some_and(|segment| segment.upper <= epoch) {
            self.segment = None;
        }
        if self.segment.is_none()
            && let Some(entry) = self.segments.pop_front()
        {
            self.segment =
                Some(Segment::open(&self.dir, self.identity, &entry, &self.schemas, epoch)?);
        }
        let mut sealed = match &mut self.segment {
            Some(segment) => segment.sealed(epoch),
            None => self.sealed_in_frames(epoch),
        }?;
        if let Some(corrections) = self.corrections.pop_front_if(|c| c.epoch == epoch) {
            let decoded = corrections.decode(&self.schemas);
            sealed.retractions = decoded.map_err(|e| damaged(&self.dir.path, 0, e))?;
        }
        Ok(sealed)
    }

    fn sealed_in_frames(&mut self, epoch: Epoch) -> Result<SealedEpoch> {
        while self.frames.front().is_some_and(|(_, frames)| frames.is_empty()) {
            self.frames.pop_front();
        }
        let next = self.frames.front_mut().and_then(|(f, frames)| Some((f, frames.pop_front()?)));
        let Some((file, frame)) = next.filter(|(_, frame)| frame.epoch == epoch) else {
            unreachable!("epoch {epoch} below {} is in the view", self.upper);
        };
        let mut chunks = Vec::new();
        for payload in &frame.payloads {
            let rows = file.rows(frame.payload_base, payload, &self.schemas)?;
            let Some(known) = self.schemas.get(payload.schema) else {
                unreachable!("schema {} was used to decode rows", payload.schema);
            };
            chunks.push(Chunk { stream: known.stream.clone(), rows, epochs: Epochs::One(epoch) });
        }
        Ok(SealedEpoch { epoch, clock_us: frame.clock_us, chunks, retractions: Vec::new() })
    }
}

impl Iterator for Replay {
    type Item = Result<SealedEpoch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.upper {
            return None;
        }
        let sealed = self.sealed();
        // Nothing follows an error.
        self.next = if sealed.is_ok() { self.next + 1 } else { self.upper };
        Some(sealed)
    }
}

impl Segment {
    fn open(
        dir: &Dir,
        identity: u64,
        entry: &SegmentEntry,
        schemas: &Schemas,
        from: Epoch,
    ) -> Result<Self> {
        let table = rewritten_history::explained(dir, identity, EpochTable::load(dir, entry))?;
        let mut cursors = Vec::new();
        for (rows, (_, blocks)) in entry.rows.iter().zip(&table.blocks) {
            let file = RowsReader::new(dir, identity, entry, rows, schemas)?;
            let blocks = blocks.iter().filter(|block| block.last >= from).copied().collect();
            cursors.push(Cursor { file, blocks, rest: None });
        }
        Ok(Segment { upper: entry.upper, lower: entry.lower, table, cursors })
    }

    fn sealed(&mut self, epoch: Epoch) -> Result<SealedEpoch> {
        let clock_us = self.table.epochs[(epoch - self.lower) as usize].clock_us;
        let mut chunks = Vec::new();
        for cursor in &mut self.cursors {
            cursor.take(epoch, &mut chunks)?;
        }
        Ok(SealedEpoch { epoch, clock_us, chunks, retractions: Vec::new() })
    }
}

impl Cursor {
    /// Moves the rows of `epoch` into `chunks`. Earlier ones are skipped.
    fn take(&mut self, epoch: Epoch, chunks: &mut Vec<Chunk>) -> Result<()> {
        loop {
            let chunk = match (self.rest.take(), self.blocks.front()) {
                (Some(rest), _) => rest,
                (None, Some(block)) if block.first <= epoch => {
                    let chunk = self.file.chunk(block)?;
                    self.blocks.pop_front();
                    chunk
                }
                _ => return Ok(()),
            };
            let all = chunk.len();
            let count = |epochs: &Epochs, bound: Epoch| match epochs {
                Epochs::One(one) => {
                    if *one < bound {
                        all
                    } else {
                        0
                    }
                }
                Epochs::Each(each) => each.values().partition_point(|e| *e < bound),
            };
            let start = count(&chunk.epochs, epoch);
            let end = count(&chunk.epochs, epoch + 1);
            if start < end {
                chunks.push(chunk.slice(start, end - start));
            }
            if end < all {
                self.rest = Some(chunk.slice(end, all - end));
                return Ok(());
            }
        }
    }
}
