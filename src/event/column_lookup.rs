//! Finds the columns of a record batch or a struct array by name, and applies schema evolution.

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, Scalar, StructArray, new_null_array,
};
use arrow_schema::{DataType, Fields};
use arrow_select::zip::zip;

use super::column_path::ColumnPath;
use super::field::Field;
use super::widen::{conform, refuse};
use diptych_base::error::{Error, Kind, Result};

/// Turns a column of an older type into an array of the new one; `None` when the column does not
/// have the older type.
pub(crate) type Upcast<'a> = &'a dyn Fn(&ArrayRef, &ColumnPath<'_>) -> Result<Option<ArrayRef>>;

/// The columns from which a struct reads its fields.
pub struct ColumnSource<'a> {
    fields: &'a Fields,
    columns: &'a [ArrayRef],
    rows: usize,
    at: &'a ColumnPath<'a>,
}

impl<'a> ColumnSource<'a> {
    /// The columns of a record batch.
    pub fn batch(rows: &'a RecordBatch, at: &'a ColumnPath<'a>) -> Self {
        let fields = rows.schema_ref().fields();
        ColumnSource { fields, columns: rows.columns(), rows: rows.num_rows(), at }
    }

    /// The columns of a struct array.
    pub fn structure(array: &'a StructArray, at: &'a ColumnPath<'a>) -> Self {
        ColumnSource { fields: array.fields(), columns: array.columns(), rows: array.len(), at }
    }

    /// Reads the column `name` as `T`: converted by `upcast` when it has the older type, with
    /// `default` for a missing column and for nulls.
    ///
    /// # Errors
    /// An input error that names the column, when it is missing, null, or of another type.
    pub fn read<T: Field>(
        &self,
        name: &str,
        default: Option<&dyn Fn() -> T>,
        upcast: Option<Upcast<'_>>,
    ) -> Result<T::Column> {
        let at = self.at.column(name);
        let Some(index) = self.fields.iter().position(|field| field.name() == name) else {
            let array = self.missing::<T>(default, &at)?;
            return T::column(array, &at);
        };
        let mut array = self.columns[index].clone();
        if let Some(upcast) = upcast
            && *array.data_type() != T::data_type()
            && let Some(converted) = upcast(&array, &at)?
        {
            array = converted;
        }
        if let Some(default) = default
            && array.logical_null_count() > 0
        {
            array = fill::<T>(&array, default, &at)?;
        }
        T::column(array, &at)
    }

    fn missing<T: Field>(
        &self,
        default: Option<&dyn Fn() -> T>,
        at: &ColumnPath<'_>,
    ) -> Result<ArrayRef> {
        if let Some(default) = default {
            let value = default();
            let mut builder = T::Builder::default();
            (0..self.rows).for_each(|_| T::push(&mut builder, &value));
            return Ok(T::finish(&mut builder));
        }
        if T::OPTIONAL {
            return Ok(new_null_array(&T::data_type(), self.rows));
        }
        let names: Vec<_> = self.fields.iter().map(|field| field.name().as_str()).collect();
        Err(Error::new(
            Kind::Input,
            format!("column `{at}` is missing; there are {}", names.join(", ")),
        )
        .remedy("make the field an Option, or give it #[event(default)]"))
    }
}

/// Casts `array` to `T`'s type, with the default in place of its nulls.
fn fill<T: Field>(
    array: &ArrayRef,
    default: &dyn Fn() -> T,
    at: &ColumnPath<'_>,
) -> Result<ArrayRef> {
    let array = conform(array.clone(), &T::data_type(), at)?;
    let mut builder = T::Builder::default();
    T::push(&mut builder, &default());
    let value = Scalar::new(T::finish(&mut builder));
    let valid = match array.logical_nulls() {
        Some(nulls) => BooleanArray::new(nulls.into_inner(), None),
        None => return Ok(array),
    };
    zip(&valid, &array, &value).map_err(|error| {
        Error::new(Kind::Input, format!("column `{at}`: cannot fill nulls: {error}"))
    })
}

/// Wraps the user's function from the older type to the newer one as a conversion of arrays.
pub fn upcast<O: Field, N: Field>(
    convert: impl Fn(O) -> N,
) -> impl Fn(&ArrayRef, &ColumnPath<'_>) -> Result<Option<ArrayRef>> {
    move |array, at| {
        if !array.data_type().equals_datatype(&O::data_type()) {
            return Ok(None);
        }
        let old = O::column(array.clone(), at)?;
        let mut builder = N::Builder::default();
        for row in 0..array.len() {
            if at.exists(row) {
                N::push(&mut builder, &convert(O::own(O::row(&old, row))));
            } else {
                N::push_null(&mut builder);
            }
        }
        Ok(Some(N::finish(&mut builder)))
    }
}

/// `array` as a struct array, and the place with the rows that its own nulls leave.
///
/// # Errors
/// An input error when it is of another type, or holds a null where the field is no `Option`.
pub fn structure<'a, T: Field>(
    array: ArrayRef,
    at: &'a ColumnPath<'a>,
) -> Result<(StructArray, ColumnPath<'a>)> {
    at.refuse_nulls(&array)?;
    let DataType::Struct(_) = array.data_type() else {
        return Err(refuse(array.data_type(), &T::data_type(), at));
    };
    let array = array.as_struct().clone();
    let inside = at.masked(array.nulls());
    Ok((array, inside))
}
