//! Functions that generated code calls. Not part of the public interface: they change without
//! notice.

use arrow_array::{RecordBatchOptions, StructArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder};
use arrow_schema::{Field as ArrowField, Schema};
use std::collections::HashMap;
use std::sync::Arc;

pub use arrow_array::builder::{ArrayBuilder, StringBuilder};
pub use arrow_array::{ArrayRef, RecordBatch};
pub use arrow_schema::{DataType, SchemaRef};

pub use super::column_lookup::{ColumnSource, structure, upcast};
pub use super::column_path::ColumnPath;
pub use super::unit_enum::ChoiceColumn;

use super::field::Field;
use super::{UNIT_KEY, VARIANTS_KEY};

/// Counts the rows of an appender and records its null rows (only when nested in an `Option`).
#[derive(Debug)]
pub struct Presence(NullBufferBuilder);

impl Default for Presence {
    fn default() -> Self {
        Presence(NullBufferBuilder::new(0))
    }
}

impl Presence {
    /// Counts a row with a value.
    pub fn present(&mut self) {
        self.0.append_non_null();
    }

    /// Counts a null row.
    pub fn absent(&mut self) {
        self.0.append_null();
    }

    /// The number of rows counted so far.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the number of rows and their null mask; resets the count to zero.
    pub fn finish(&mut self) -> FinishedRows {
        let count = self.0.len();
        FinishedRows { count, nulls: self.0.finish() }
    }
}

/// The number of rows of a finished batch, and its null mask.
#[derive(Debug)]
pub struct FinishedRows {
    count: usize,
    nulls: Option<NullBuffer>,
}

/// The Arrow field of a column of `T`.
pub fn field<T: Field>(name: &str, nullable: bool) -> ArrowField {
    let field = ArrowField::new(name, T::data_type(), nullable || T::OPTIONAL);
    if T::variants().is_empty() {
        return field;
    }
    let listed = serde_json::Value::from(T::variants()).to_string();
    field.with_metadata(HashMap::from([(VARIANTS_KEY.to_owned(), listed)]))
}

/// The Arrow field of a column with a default unit for numbers without one.
pub fn in_unit(field: ArrowField, unit: &str) -> ArrowField {
    field.with_metadata(HashMap::from([(UNIT_KEY.to_owned(), unit.to_owned())]))
}

/// Makes the schema of an event.
pub fn schema(fields: Vec<ArrowField>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

/// The Arrow type of an event nested in another.
pub fn struct_type(schema: SchemaRef) -> DataType {
    DataType::Struct(schema.fields().clone())
}

/// Builds a record batch of freshly finished arrays.
pub fn batch(schema: SchemaRef, arrays: Vec<ArrayRef>, rows: FinishedRows) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows.count));
    match RecordBatch::try_new_with_options(schema, arrays, &options) {
        Ok(batch) => batch,
        Err(error) => panic!("an appender of {} rows broke its own schema: {error}", rows.count),
    }
}

/// Builds a struct array of freshly finished arrays.
pub fn struct_array(schema: SchemaRef, arrays: Vec<ArrayRef>, rows: FinishedRows) -> ArrayRef {
    match StructArray::try_new_with_length(schema.fields().clone(), arrays, rows.nulls, rows.count)
    {
        Ok(array) => Arc::new(array),
        Err(error) => panic!("an appender of {} rows broke its own schema: {error}", rows.count),
    }
}
