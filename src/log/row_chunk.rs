//! Chunks that readers get: record batches and the epochs of their rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{BooleanArray, RecordBatch, UInt64Array};
use arrow_select::filter::{filter, filter_record_batch};

use diptych_base::time::Epoch;

/// Rows of one stream, with the epoch of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The stream the rows belong to.
    pub stream: Arc<str>,
    /// The rows: the user's columns only, under the schema they were appended with.
    pub rows: RecordBatch,
    /// The epoch of each row.
    pub epochs: Epochs,
}

/// The epoch of each row of a chunk.
#[derive(Clone, Debug, PartialEq)]
pub enum Epochs {
    /// All rows have this epoch.
    One(Epoch),
    /// One epoch per row, never decreasing, no nulls.
    Each(UInt64Array),
}

impl Epochs {
    /// The epoch of the row at `index`.
    ///
    /// # Panics
    /// If there is no such row (not checked for [`Epochs::One`]).
    pub fn at(&self, index: usize) -> Epoch {
        match self {
            Epochs::One(epoch) => *epoch,
            Epochs::Each(epochs) => epochs.value(index),
        }
    }

    /// The epochs of rows `[offset, offset + len)`.
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Self {
        match self {
            Epochs::One(epoch) => Epochs::One(*epoch),
            Epochs::Each(epochs) => Epochs::Each(epochs.slice(offset, len)).simplest(),
        }
    }

    /// Converts to [`Epochs::One`] if all epochs are equal.
    #[must_use]
    pub fn simplest(self) -> Self {
        match &self {
            // Epochs never decrease, so equal ends mean that all are equal.
            Epochs::Each(each) => match (each.values().first(), each.values().last()) {
                (Some(first), Some(last)) if first == last => Epochs::One(*first),
                _ => self,
            },
            Epochs::One(_) => self,
        }
    }
}

impl Chunk {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether the chunk has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows `[offset, offset + len)`, sharing the same memory.
    ///
    /// # Panics
    /// If the chunk has fewer rows.
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Chunk {
        let stream = self.stream.clone();
        let rows = self.rows.slice(offset, len);
        Chunk { stream, rows, epochs: self.epochs.slice(offset, len) }
    }

    /// The rows for which `stands` is true; `None` if there are none.
    pub fn filter(&self, stands: &BooleanArray) -> Option<Chunk> {
        let rows = filter_record_batch(&self.rows, stands);
        let rows = rows.unwrap_or_else(|e| panic!("{} of {} rows: {e}", stands.len(), self.len()));
        let epochs = match &self.epochs {
            Epochs::One(epoch) => Epochs::One(*epoch),
            Epochs::Each(epochs) => {
                let kept = filter(epochs, stands);
                let kept = kept.unwrap_or_else(|e| panic!("{} epochs: {e}", epochs.len()));
                Epochs::Each(kept.as_primitive::<UInt64Type>().clone()).simplest()
            }
        };
        (rows.num_rows() > 0).then(|| Chunk { stream: self.stream.clone(), rows, epochs })
    }

    /// The rows whose epoch is in `[lower, upper)`, sharing the same memory; `None` if there are
    /// none.
    pub fn between(self, lower: Epoch, upper: Epoch) -> Option<Chunk> {
        let (start, end) = match &self.epochs {
            Epochs::One(epoch) if (lower..upper).contains(epoch) => (0, self.len()),
            Epochs::One(_) => (0, 0),
            Epochs::Each(epochs) => {
                let epochs = epochs.values();
                (epochs.partition_point(|e| *e < lower), epochs.partition_point(|e| *e < upper))
            }
        };
        match end.saturating_sub(start) {
            0 => None,
            len if len == self.len() => Some(self),
            len => Some(self.slice(start, len)),
        }
    }
}

/// One sealed epoch across all streams.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedEpoch {
    /// The epoch; no event will ever be added to it.
    pub epoch: Epoch,
    /// The wall clock when it was sealed, in microseconds since 1970 (UTC): recorded, never used to
    /// order anything.
    pub clock_us: i64,
    /// The events, ordered by the schema's first appearance in the log. A stream may have several
    /// chunks: one for each schema, and more where a large epoch was stored in pieces. None is
    /// empty, but there may be no chunk at all.
    pub chunks: Vec<Chunk>,
    /// Retractions of earlier epochs' events. The events remain among the chunks of their own
    /// epochs: appended data is never changed.
    pub retractions: Vec<Retraction>,
}

impl SealedEpoch {
    /// The number of events in all streams.
    pub fn rows(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }

    /// Bytes of memory that the epoch takes.
    pub fn bytes(&self) -> usize {
        let taken = self.retractions.iter().map(|taken| &taken.events);
        let chunks = self.chunks.iter().chain(taken);
        let rows: usize = chunks.map(|chunk| chunk.rows.get_array_memory_size()).sum();
        rows + size_of::<SealedEpoch>()
    }
}

/// Retracted events, as readers get them.
#[derive(Clone, Debug, PartialEq)]
pub struct Retraction {
    /// The epoch that retracts them: from it on they do not count.
    pub epoch: Epoch,
    /// The reason.
    pub reason: Arc<str>,
    /// A copy of the events, each with the epoch in which it was appended.
    pub events: Chunk,
}
