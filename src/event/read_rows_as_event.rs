//! Reads stored rows as an event type does: columns by name, defaults, wider types.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Event, EventAppender as _};
use diptych_base::error::Result;

/// The rules by which an event type reads the rows of a stream.
#[derive(Clone, Debug)]
pub struct ReadAs {
    /// The columns of the event type.
    pub schema: SchemaRef,
    /// The columns without missing values, although the schema allows nulls.
    pub defaulted: &'static [&'static str],
    rows: fn(&RecordBatch) -> Result<RecordBatch>,
}

impl ReadAs {
    /// The rules of `E`.
    pub fn of<E: Event>() -> Self {
        ReadAs { schema: E::schema(), defaulted: E::defaulted(), rows: rows::<E> }
    }

    /// Converts stored rows to those that a function on the stream sees.
    ///
    /// # Errors
    /// An input error that names the column, when the type cannot read it.
    pub fn rows(&self, stored: &RecordBatch) -> Result<RecordBatch> {
        (self.rows)(stored)
    }
}

fn rows<E: Event>(stored: &RecordBatch) -> Result<RecordBatch> {
    let columns = E::columns(stored)?;
    let mut seen = E::Appender::default();
    (0..stored.num_rows()).for_each(|row| seen.push_row(E::row(&columns, row)));
    Ok(seen.finish())
}
