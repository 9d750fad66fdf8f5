//! The trait of types that can be fields of an event.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use std::fmt::Debug;

use super::column_path::ColumnPath;
use diptych_base::error::Result;

/// A type that can be a field of an event: its storage, its reading in place, and its appending.
///
/// Derive it (`#[derive(Event)]` on a struct or a unit enum); the implementations here cover the
/// rest. Its shape may change between releases.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of an event",
    label = "not a field type of events",
    note = "allowed: u8..u64, i8..i64, f32, f64, Decimal<SCALE>, bool, String, Vec<u8>, Date, \
            Timestamp, Option<T>, Vec<T>, and structs or unit enums that derive Event"
)]
pub trait Field: Sized + Clone + Send + 'static {
    /// The value as read from the column: the number itself, `&str` for `String`.
    type Row<'a>: Copy + Debug + PartialEq;
    /// The typed array; a clone shares it.
    type Column: Clone + Send + Sync + 'static;
    /// The builder that collects values for an array.
    type Builder: Default + Send + 'static;

    /// Whether the column may hold nulls and may be missing.
    const OPTIONAL: bool = false;

    /// The Arrow type of the column.
    fn data_type() -> DataType;

    /// The texts that the column may hold; empty when there is no such list.
    fn variants() -> &'static [&'static str] {
        &[]
    }

    /// Opens `array` as the typed array, widened without loss if need be.
    ///
    /// # Errors
    /// An input error that names the place: another type, or a null where none is allowed.
    fn column(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self::Column>;

    /// The value at `index`.
    ///
    /// # Panics
    /// When `index` is out of bounds.
    fn row(column: &Self::Column, index: usize) -> Self::Row<'_>;

    /// Copies the value into an owned one.
    fn own(row: Self::Row<'_>) -> Self;

    /// Appends a value.
    fn push(builder: &mut Self::Builder, value: &Self);

    /// Appends a borrowed value.
    fn push_row(builder: &mut Self::Builder, row: Self::Row<'_>);

    /// Appends a null.
    fn push_null(builder: &mut Self::Builder);

    /// The values so far as an array of [`Field::data_type`]; the builder is empty afterwards.
    fn finish(builder: &mut Self::Builder) -> ArrayRef;
}

/// A field type that is never null itself, so that `Option` of it has one meaning.
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` cannot be a field of an event",
    label = "not a type an event can hold as an Option",
    note = "allowed inside Option: every field type but Option"
)]
pub trait PlainField: Field {}

/// A field type that can be an item of a list. `u8` is not one: `Vec<u8>` is bytes.
#[diagnostic::on_unimplemented(
    message = "`Vec<{Self}>` cannot be a field of an event",
    label = "not a type an event can hold in a list",
    note = "allowed inside Vec: every field type; Vec<u8> is bytes"
)]
pub trait Item: Field {}
