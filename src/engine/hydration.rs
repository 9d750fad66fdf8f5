//! Hydration: brings a dataflow to the boundary F, by feeding all of history at the time `F - 1`.
//!
//! Both layers start here. History comes either as rows of the log (a batch run, or a first start)
//! or as blocks of accumulations (a restore); in both cases it is fed at `F - 1`, and nothing at F
//! or later is fed before the probe has passed `F - 1` on all workers. That cuts the published
//! batches exactly at F.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arrow_buffer::Buffer;
use timely::worker::Worker;

use super::batch_progress::Progress;
use super::stored_state::StoredState;
use super::worker_dataflow::{Installed, share};
use diptych_base::error::{Error, Result};
use diptych_base::time::Epoch;
use diptych_dataflow::{Definition, StreamInfo};
use diptych_log::{Chunk, ClockReader, Clocks, Part, Reader};
use diptych_serving::Publish;

/// A piece of history that a worker feeds.
pub enum HistoryPiece {
    /// Rows of the log, all of which this worker reads, and the clocks of their epochs.
    Rows(Chunk, Clocks),
    /// This worker's share of retracted events, which are taken back from earlier accumulations.
    Taken(Chunk),
    /// Rows of the log that were retracted since, and the clocks of their epochs: for operators
    /// that watch all events, retracted ones included.
    Seen(Chunk, Clocks),
    /// A block of the accumulation with this name.
    Block(String, Buffer),
}

/// This worker's share of the history before the boundary.
pub type History = Box<dyn Iterator<Item = Result<HistoryPiece>>>;

/// Where the accumulations of a dataflow are.
#[derive(Clone)]
pub enum StatePlace {
    /// All of them in memory.
    Memory,
    /// What has changed lately in memory, the rest in files; at first all of these, or none where
    /// there are no files yet.
    Files(Option<Arc<StoredState>>),
}

/// Gives worker `index` of `peers` (in that order) its share of the blocks of accumulations.
pub type AccumulationBlocks = Arc<dyn Fn(usize, usize) -> History + Send + Sync>;

/// The history of `streams` in `epochs` for worker `index` of `peers`: every `peers`-th part of the
/// rows that are not retracted at their end, and its share of the events before `epochs` that these
/// epochs retract.
pub fn history(
    reader: &Arc<Reader>,
    epochs: Range<Epoch>,
    streams: &[StreamInfo],
    index: usize,
    peers: usize,
) -> Result<History> {
    let Range { start: lower, end: upper } = epochs;
    let named = |name: &str| streams.iter().any(|stream| *stream.name == *name);
    let wanted = |part: &Part| named(part.stream());
    let from = lower.max(reader.lower());
    let timed = streams.iter().filter(|stream| stream.timed);
    let timed: Vec<_> = timed.map(|stream| stream.name.clone()).collect();
    let mut clocks = ClockReader::new(reader);
    let retractions = reader.retractions(from, upper)?.into_iter().map(|taken| taken.events);
    let retractions: Vec<_> = retractions.collect();
    let mut seen = Vec::new();
    for events in retractions.iter().filter(|events| timed.iter().any(|t| **t == *events.stream)) {
        if let Some(events) = events.clone().between(lower, upper) {
            let mine = share(events.len(), index, peers);
            let mine = events.slice(mine.start, mine.len());
            let clocks = clocks.of(&mine)?;
            seen.push(Ok(HistoryPiece::Seen(mine, clocks)));
        }
    }
    let taken: Vec<_> = retractions
        .into_iter()
        .filter(|events| named(&events.stream))
        .filter_map(|events| events.between(0, lower))
        .map(|events| {
            let mine = share(events.len(), index, peers);
            Ok(HistoryPiece::Taken(events.slice(mine.start, mine.len())))
        })
        .collect();
    let parts = reader.standing(from, upper, upper)?.into_iter().filter(wanted);
    let mine: Vec<_> = parts.skip(index).step_by(peers).collect();
    // One chunk is in memory at a time, for parts of any size.
    let chunks = mine.into_iter().flat_map(Part::into_chunks);
    Ok(Box::new(seen.into_iter().chain(taken).chain(chunks.map(move |chunk| {
        let chunk = chunk?;
        let asked = timed.iter().any(|stream| **stream == *chunk.stream);
        let clocks = if asked { clocks.of(&chunk)? } else { Clocks::Unread };
        Ok(HistoryPiece::Rows(chunk, clocks))
    }))))
}

/// A dataflow on one worker that hydrates up to its boundary.
pub struct Lane {
    installed: Installed,
    boundary: Epoch,
    history: Option<History>,
    progress: Arc<Progress>,
}

impl Lane {
    /// Installs the dataflow, with its state in `place`; [`Lane::approach`] then feeds it
    /// `history`, which does not have what is in files.
    pub fn install(
        worker: &mut Worker,
        definition: &Definition,
        (shards, publisher): (usize, &Arc<dyn Publish>),
        place: &StatePlace,
        (boundary, history): (Epoch, History),
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        let mut installed = Installed::install(worker, definition, shards, publisher)?;
        if let StatePlace::Files(stored) = place {
            let stored = stored.as_deref();
            installed.rest_on(stored.map_or(0, StoredState::boundary), stored);
        }
        let history = (boundary > 0).then_some(history);
        if let Some(last) = boundary.checked_sub(1) {
            installed.advance_to(last);
        }
        Ok(Lane { installed, boundary, history, progress: Arc::clone(progress) })
    }

    /// Feeds one more piece of history. True when the dataflow is at the boundary: every worker has
    /// published everything below. The worker must step between two calls.
    ///
    /// Errors when the history cannot be read, or the dataflow panics.
    pub fn approach(&mut self) -> Result<bool> {
        if let Some(error) = self.fault() {
            return Err(error);
        }
        let Some(history) = &mut self.history else {
            return Ok(self.installed.passed(self.boundary));
        };
        let asked = Instant::now();
        let piece = history.next();
        self.progress.decoded(asked.elapsed());
        let begun = Instant::now();
        match piece {
            Some(Ok(HistoryPiece::Rows(chunk, clocks))) => {
                let rows = chunk.rows.num_rows();
                self.installed.feed(&chunk, 0..rows, &clocks)?;
                self.progress.fed(rows as u64, begun.elapsed());
                self.installed.relieve();
            }
            Some(Ok(HistoryPiece::Taken(chunk))) => {
                self.installed.take_back(&chunk, 0..chunk.len())?;
                self.installed.relieve();
            }
            Some(Ok(HistoryPiece::Seen(chunk, clocks))) => self.installed.watch(&chunk, &clocks)?,
            Some(Ok(HistoryPiece::Block(name, bytes))) => self.installed.load(&name, &bytes)?,
            Some(Err(error)) => return Err(error),
            None => {
                self.history = None;
                self.installed.advance_to(self.boundary);
            }
        }
        Ok(false)
    }

    /// Is there more history to feed? If not, the lane waits for the other workers.
    pub fn has_more(&self) -> bool {
        self.history.is_some()
    }

    /// The panic of the dataflow on this worker, as an error, if there was one.
    pub fn fault(&self) -> Option<Error> {
        let error = self.installed.fault()?;
        let history = self.installed.at() <= self.boundary && self.boundary > 0;
        if history {
            return Some(error.within(format!("all that was before epoch {}", self.boundary)));
        }
        Some(error)
    }

    /// The boundary, at which the batch layer ends and the speed layer begins.
    pub fn boundary(&self) -> Epoch {
        self.boundary
    }

    /// The installed dataflow.
    pub fn installed(&mut self) -> &mut Installed {
        &mut self.installed
    }

    /// Removes the dataflow from the worker.
    pub fn uninstall(self, worker: &mut Worker) {
        self.installed.uninstall(worker);
    }
}
