//! What an event type makes of stored rows: columns by its names, defaults, wider types.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Append as _, Event};
use diptych_base::error::Result;

/// How an event type reads the rows of a stream.
#[derive(Clone, Debug)]
pub struct ReadAs {
    /// The columns that it has.
    pub schema: SchemaRef,
    /// Those in which nothing is ever missing, although the schema allows it.
    pub defaulted: &'static [&'static str],
    rows: fn(&RecordBatch) -> Result<RecordBatch>,
}

impl ReadAs {
    /// How `E` reads them.
    pub fn of<E: Event>() -> Self {
        ReadAs { schema: E::schema(), defaulted: E::defaulted(), rows: rows::<E> }
    }

    /// The rows as a function that reads the stream sees them.
    ///
    /// # Errors
    /// When it cannot read them: an input error that names the column.
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
