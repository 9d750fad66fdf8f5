//! The wall clocks of the epochs of rows, read only for dataflows that need them.

use std::sync::Arc;

use super::reader::Reader;
use super::row_chunk::{Chunk, Epochs};
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The recorded clock of each epoch of some rows, in microseconds since 1970 (UTC).
#[derive(Clone, Debug)]
pub enum Clocks {
    /// Not read, because no dataflow needs them.
    Unread,
    /// All rows have the same clock.
    One(i64),
    /// The clocks of consecutive epochs, from the given epoch on.
    From(Epoch, Arc<[i64]>),
}

impl Clocks {
    /// The clock of `epoch`.
    ///
    /// Panics when that clock was not read.
    pub fn at(&self, epoch: Epoch) -> i64 {
        let known = match self {
            Clocks::Unread => None,
            Clocks::One(clock) => Some(*clock),
            Clocks::From(first, clocks) => {
                let index = epoch.checked_sub(*first).and_then(|index| usize::try_from(index).ok());
                index.and_then(|index| clocks.get(index)).copied()
            }
        };
        known.unwrap_or_else(|| panic!("the clock of epoch {epoch} was not read: {self:?}"))
    }
}

/// Reads clocks chunk by chunk, and keeps those of the current segment.
pub struct ClockReader {
    reader: Arc<Reader>,
    known: Option<(Epoch, Arc<[i64]>)>,
}

impl ClockReader {
    /// Makes a reader that has read nothing yet.
    pub fn new(reader: &Arc<Reader>) -> Self {
        ClockReader { reader: Arc::clone(reader), known: None }
    }

    /// The clocks of the rows of `chunk`.
    ///
    /// # Errors
    /// Damage, or the disk's error.
    pub fn of(&mut self, chunk: &Chunk) -> Result<Clocks> {
        let (first, last) = match &chunk.epochs {
            Epochs::One(epoch) => (*epoch, *epoch),
            Epochs::Each(epochs) => match (epochs.values().first(), epochs.values().last()) {
                (Some(first), Some(last)) => (*first, *last),
                _ => return Ok(Clocks::Unread),
            },
        };
        let covers = |(lower, clocks): &&(Epoch, Arc<[i64]>)| {
            *lower <= first && last - *lower < clocks.len() as Epoch
        };
        if let Some((lower, clocks)) = self.known.as_ref().filter(covers) {
            return Ok(Clocks::From(*lower, Arc::clone(clocks)));
        }
        let (lower, clocks) = self.reader.clocks(first, last + 1)?;
        let clocks: Arc<[i64]> = clocks.into();
        self.known = Some((lower, Arc::clone(&clocks)));
        Ok(Clocks::From(lower, clocks))
    }
}
