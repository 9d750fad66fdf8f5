//! Finds events to erase by their content, and keeps their positions.
//!
//! A position is (schema, epoch, ordinal); the ordinal counts the rows of that schema in that epoch
//! from 0, and is the same in a frame file and in the segment it becomes. All other records that
//! name events by position are moved along with [`EventPlaces::moved`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::reader::Reader;
use crate::row_chunk::Epochs;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::ERASED_EVENTS_MAX;
use diptych_base::time::Epoch;

/// Tells for each row of a batch whether it is to be erased.
pub type Chooser = Box<dyn Fn(&RecordBatch) -> Result<Vec<bool>> + Send + Sync>;

/// The positions of the events to erase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPlaces {
    /// Positions by schema number; ascending.
    places: BTreeMap<u32, Vec<(Epoch, u64)>>,
    events: u64,
}

/// Counts the rows of one schema within their epoch.
#[derive(Debug, Default)]
pub(super) struct Ordinals {
    last: Option<Epoch>,
    next: u64,
}

impl Ordinals {
    /// The position of the next row, which is of `epoch`.
    pub(super) fn place(&mut self, epoch: Epoch) -> (Epoch, u64) {
        if self.last != Some(epoch) {
            (self.last, self.next) = (Some(epoch), 0);
        }
        self.next += 1;
        (epoch, self.next - 1)
    }
}

impl EventPlaces {
    /// The number of events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The first and the last epoch with such an event.
    pub fn epochs(&self) -> Option<(Epoch, Epoch)> {
        let first = self.places.values().filter_map(|places| places.first()).map(|p| p.0).min();
        let last = self.places.values().filter_map(|places| places.last()).map(|p| p.0).max();
        first.zip(last)
    }

    /// The positions of a schema in `[lower, upper)`.
    pub(super) fn between(&self, schema: u32, lower: Epoch, upper: Epoch) -> &[(Epoch, u64)] {
        let places = self.places.get(&schema).map_or(&[] as &[_], Vec::as_slice);
        let from = places.partition_point(|(epoch, _)| *epoch < lower);
        let to = places.partition_point(|(epoch, _)| *epoch < upper);
        &places[from..to]
    }

    /// The new position of an event once these are erased; none when it is erased itself.
    pub fn moved(&self, schema: u32, epoch: Epoch, ordinal: u64) -> Option<u64> {
        let erased = self.between(schema, epoch, epoch + 1);
        let before = erased.partition_point(|(_, other)| *other < ordinal);
        let is_one = erased.get(before).is_some_and(|(_, other)| *other == ordinal);
        (!is_one).then_some(ordinal - before as u64)
    }
}

impl Reader {
    /// Finds the events of a stream that `choose` selects, in all of the log. `choose` is called
    /// once for each schema of the stream; none means that no event of that schema is selected.
    ///
    /// # Errors
    /// When there are too many at once, errors of `choose`, damage, the disk's error.
    pub fn places(
        &self,
        stream: &str,
        choose: &dyn Fn(&SchemaRef) -> Result<Option<Chooser>>,
    ) -> Result<EventPlaces> {
        let mut found = EventPlaces::default();
        let mut schemas = BTreeMap::new();
        for part in self.parts(self.lower(), self.upper()?)? {
            if **part.stream() != *stream {
                continue;
            }
            let number = part.number();
            let schema = Arc::clone(part.schema());
            if let std::collections::btree_map::Entry::Vacant(entry) = schemas.entry(number) {
                entry.insert((choose(&schema)?, Ordinals::default()));
            }
            let Some((Some(chooser), ordinals)) = schemas.get_mut(&number) else { continue };
            for chunk in part.chunks() {
                let chunk = chunk?;
                found.note(number, &chooser(&chunk.rows)?, &chunk.epochs, ordinals)?;
            }
        }
        Ok(found)
    }
}

impl EventPlaces {
    fn note(
        &mut self,
        schema: u32,
        chosen: &[bool],
        epochs: &Epochs,
        ordinals: &mut Ordinals,
    ) -> Result<()> {
        for (index, chosen) in chosen.iter().enumerate() {
            let place = ordinals.place(epochs.at(index));
            if *chosen {
                self.places.entry(schema).or_default().push(place);
                self.events += 1;
            }
        }
        if self.events > ERASED_EVENTS_MAX {
            let message = format!("more than {ERASED_EVENTS_MAX} events match");
            return Err(Error::new(Kind::Input, message)
                .remedy("erase fewer at a time, with one more condition"));
        }
        Ok(())
    }
}
