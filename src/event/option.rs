//! `Option<T>` as a field type: the column of `T` beside its null mask.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::column_path::ColumnPath;
use super::field::{Field, Item, PlainField};
use diptych_base::error::Result;

impl<T: PlainField> Field for Option<T> {
    type Row<'a> = Option<T::Row<'a>>;
    type Column = (T::Column, Option<NullBuffer>);
    type Builder = T::Builder;

    const OPTIONAL: bool = true;

    fn data_type() -> DataType {
        T::data_type()
    }
    fn variants() -> &'static [&'static str] {
        T::variants()
    }
    fn column(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self::Column> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let column = T::column(array, &at.masked(nulls.as_ref()))?;
        Ok((column, nulls))
    }
    #[inline]
    fn row((column, nulls): &Self::Column, index: usize) -> Self::Row<'_> {
        match nulls {
            Some(nulls) if nulls.is_null(index) => None,
            _ => Some(T::row(column, index)),
        }
    }
    fn own(row: Self::Row<'_>) -> Self {
        row.map(T::own)
    }
    fn push(builder: &mut Self::Builder, value: &Self) {
        match value {
            Some(value) => T::push(builder, value),
            None => T::push_null(builder),
        }
    }
    fn push_row(builder: &mut Self::Builder, row: Self::Row<'_>) {
        match row {
            Some(row) => T::push_row(builder, row),
            None => T::push_null(builder),
        }
    }
    fn push_null(builder: &mut Self::Builder) {
        T::push_null(builder);
    }
    fn finish(builder: &mut Self::Builder) -> ArrayRef {
        T::finish(builder)
    }
}

impl<T: PlainField> Item for Option<T> {}
