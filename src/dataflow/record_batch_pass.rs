//! One pass of the linear front over (a part of) one record batch.
//!
//! A pass is shared by every barrier that reads the stream: typed columns are looked up once. It
//! also remembers which row a user's closure is looking at, so that a panic can name the event,
//! and collects what fallible operators reject.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use super::retention::Expiry;
use super::weight::Weight;
use diptych_base::error::Error;
use diptych_base::limits;
use diptych_base::time::Epoch;
use diptych_event::{Event, cell_text};
use diptych_log::{Chunk, Clocks, Epochs};

/// A row that a fallible operator rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// The epoch of the event.
    pub epoch: Epoch,
    /// The stream of the event.
    pub stream: String,
    /// The reason that the user's function gave.
    pub reason: String,
    /// The event's weight at that point of the recipe.
    pub weight: Weight,
    /// The expiry of the event.
    pub(super) expiry: Expiry,
}

/// One pass over rows `range` of a chunk.
pub struct Pass<'c> {
    chunk: &'c Chunk,
    clocks: &'c Clocks,
    range: Range<usize>,
    weight: Weight,
    reached: Cell<bool>,
    barrier: Cell<usize>,
    row: Cell<usize>,
    expiry: Cell<Expiry>,
    columns: RefCell<Vec<(TypeId, Rc<dyn Any>)>>,
    rejected: RefCell<Vec<Rejected>>,
    refused: RefCell<Option<Error>>,
}

impl<'c> Pass<'c> {
    /// A pass over the rows `range` of `chunk`, whose epochs have the clocks `clocks`.
    pub fn new(chunk: &'c Chunk, range: Range<usize>, clocks: &'c Clocks) -> Self {
        Pass {
            chunk,
            clocks,
            expiry: Cell::new(Expiry::NEVER),
            weight: 1,
            reached: Cell::new(false),
            row: Cell::new(range.start),
            range,
            barrier: Cell::new(0),
            columns: RefCell::default(),
            rejected: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    /// A pass over retracted events: each has weight -1.
    pub fn taking_back(chunk: &'c Chunk, range: Range<usize>) -> Self {
        Pass { weight: -1, ..Pass::new(chunk, range, &Clocks::Unread) }
    }

    /// The weight of each row of this pass.
    #[inline]
    pub(super) fn weight(&self) -> Weight {
        self.weight
    }

    /// Records that a retracted row reaches an accumulation that cannot undo it.
    pub(super) fn reach(&self) {
        self.reached.set(true);
    }

    /// Has a retracted row reached such an accumulation so far?
    pub fn has_reached(&self) -> bool {
        self.reached.get()
    }

    /// Declares that barrier `index` drives the recipe from here on.
    pub fn begin(&self, index: usize) {
        self.barrier.set(index);
    }

    pub(super) fn barrier(&self) -> usize {
        self.barrier.get()
    }

    pub(super) fn stream(&self) -> &str {
        &self.chunk.stream
    }

    pub(super) fn rows(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Records the row that user code is about to see.
    #[inline]
    pub(super) fn enter(&self, row: usize) {
        self.row.set(row);
    }

    /// Records the expiry of the row that user code is about to see.
    #[inline]
    pub(super) fn expire_with(&self, expiry: Expiry) {
        self.expiry.set(expiry);
    }

    /// The expiry of the row that user code sees.
    #[inline]
    pub(super) fn expiry(&self) -> Expiry {
        self.expiry.get()
    }

    /// The epoch of the row user code is looking at, and the clock of that epoch.
    pub(super) fn moment(&self) -> (Epoch, i64) {
        let epoch = self.epoch(self.row.get());
        (epoch, self.clocks.at(epoch))
    }

    /// The typed columns of the chunk, or `None` when its schema cannot be read as an `E` (the
    /// refusal is kept for [`Pass::finish`]).
    pub(super) fn columns<E: Event>(&self) -> Option<Rc<E::Columns>> {
        let wanted = TypeId::of::<E>();
        let known =
            self.columns.borrow().iter().find(|(id, _)| *id == wanted).map(|(_, c)| c.clone());
        if let Some(columns) = known {
            return columns.downcast().ok();
        }
        match E::columns(&self.chunk.rows) {
            Ok(columns) => {
                let columns = Rc::new(columns);
                self.columns.borrow_mut().push((wanted, Rc::clone(&columns) as Rc<dyn Any>));
                Some(columns)
            }
            Err(error) => {
                let place = format!("stream {:?}, epoch {}", self.chunk.stream, self.epoch(0));
                *self.refused.borrow_mut() = Some(error.within(place));
                None
            }
        }
    }

    /// Keeps a row that a fallible operator rejected.
    pub(super) fn fail(&self, mut reason: String, weight: Weight) {
        reason.truncate(reason.floor_char_boundary(limits::ERROR_REASON_BYTES));
        let epoch = self.epoch(self.row.get());
        let stream = self.chunk.stream.to_string();
        self.rejected.borrow_mut().push(Rejected {
            epoch,
            stream,
            reason,
            weight,
            expiry: self.expiry.get(),
        });
    }

    fn epoch(&self, row: usize) -> Epoch {
        match &self.chunk.epochs {
            Epochs::One(epoch) => *epoch,
            Epochs::Each(epochs) if row < epochs.len() => epochs.value(row),
            Epochs::Each(_) => 0,
        }
    }

    /// Stream, epoch and contents of the row user code looked at last.
    pub fn place(&self) -> String {
        let row = self.row.get();
        let event = describe_row(&self.chunk.rows, row);
        format!("stream {:?}, epoch {}, event {event}", self.chunk.stream, self.epoch(row))
    }

    /// Takes the rows that were rejected so far.
    pub(super) fn take_rejected(&self) -> Vec<Rejected> {
        std::mem::take(&mut *self.rejected.borrow_mut())
    }

    /// Ends the pass. An error tells why the chunk could not be read at all.
    pub fn finish(self) -> Result<(), Error> {
        self.refused.into_inner().map_or(Ok(()), Err)
    }
}

/// One row as `{column: value, …}`, for messages only.
fn describe_row(rows: &arrow_array::RecordBatch, row: usize) -> String {
    let schema = rows.schema();
    let values = rows.columns().iter().zip(schema.fields()).map(|(array, field)| {
        let value = cell_text(array, row, "").unwrap_or_else(|_| "?".to_owned());
        format!("{}: {value}", field.name())
    });
    format!("{{{}}}", values.collect::<Vec<_>>().join(", "))
}
