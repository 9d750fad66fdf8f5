//! Which events are meant, as text: `FIELD=VALUE`, several of which must all hold.
//!
//! A value is spelt as in a file for `ingest`, and read by the type its column has in each schema
//! that the stream has had. A field of a struct is `OUTER.INNER`. As in a CSV file, nothing behind
//! the sign is null where the column allows it, and else the empty text.

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, PrimitiveArray, RecordBatch, StructArray,
    downcast_primitive_array,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use super::cells::writer;
use crate::error::{Error, Kind, Result};
use crate::log::{Chooser, StreamInfo};

/// Conditions on the fields of events, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions(Vec<(String, String)>);

/// A condition on the rows of one schema: where the column is, and the value.
struct Equals {
    path: Vec<usize>,
    value: ArrayRef,
}

impl Conditions {
    /// The conditions that `texts` spell.
    ///
    /// # Errors
    /// When there is none, or one is no `FIELD=VALUE`.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Conditions> {
        let conditions = Conditions::each(texts)?;
        if conditions.0.is_empty() {
            return Err(Error::new(Kind::Input, "no condition says which events are meant")
                .remedy("give FIELD=VALUE"));
        }
        Ok(conditions)
    }

    /// The same, where something else may say which events are meant.
    ///
    /// # Errors
    /// When one is no `FIELD=VALUE`.
    pub(crate) fn each<S: AsRef<str>>(texts: &[S]) -> Result<Conditions> {
        let one = |text: &S| {
            let text = text.as_ref();
            let parts = text.split_once('=').filter(|(field, _)| !field.is_empty());
            let (field, value) = parts.ok_or_else(|| {
                Error::new(Kind::Input, format!("{text:?} is no condition"))
                    .remedy("give FIELD=VALUE, for example user=17")
            })?;
            Ok((field.to_owned(), value.to_owned()))
        };
        texts.iter().map(one).collect::<Result<Vec<_>>>().map(Conditions)
    }

    /// Fields, and the texts of their values.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Chooses the rows of a schema for which all conditions hold; none when they cannot hold for
    /// any, because it lacks a field or holds values of another type there.
    ///
    /// # Errors
    /// None at present.
    pub fn chooser(&self, schema: &SchemaRef) -> Result<Option<Chooser>> {
        let Ok(conditions) = self.read(schema) else { return Ok(None) };
        Ok(Some(Box::new(move |rows: &RecordBatch| Ok(all_hold(&conditions, rows)))))
    }

    /// For which rows all conditions hold; for none when the schema lacks a field, or holds values
    /// of another type there.
    pub(super) fn rows(&self, rows: &RecordBatch) -> Vec<bool> {
        match self.read(&rows.schema()) {
            Ok(conditions) => all_hold(&conditions, rows),
            Err(_) => vec![false; rows.num_rows()],
        }
    }

    /// Whether they can hold for any event of the stream; gives a sentence for each of its schemas
    /// for which they cannot.
    ///
    /// # Errors
    /// When there is no such schema: says for each why.
    pub fn check(&self, stream: &StreamInfo) -> Result<Vec<String>> {
        let mut why = Vec::new();
        for schema in &stream.schemas {
            if let Err(error) = self.read(schema) {
                let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                why.push(format!("events with the columns {}: {error}", names.join(", ")));
            }
        }
        if why.len() < stream.schemas.len() {
            return Ok(why);
        }
        let message = format!("no event of stream {} can match: {}", stream.name, why.join("; "));
        Err(Error::new(Kind::Input, message)
            .remedy("name columns of the stream, with values spelt as in a file for `ingest`"))
    }

    fn read(&self, schema: &Schema) -> Result<Vec<Equals>> {
        let one = |(name, text): &(String, String)| {
            let (path, field) = find(schema.fields(), name)
                .ok_or_else(|| Error::new(Kind::Input, format!("there is no column `{name}`")))?;
            Ok(Equals { path, value: value(field, text)? })
        };
        self.0.iter().map(one).collect()
    }
}

fn all_hold(conditions: &[Equals], rows: &RecordBatch) -> Vec<bool> {
    let mut chosen = vec![true; rows.num_rows()];
    conditions.iter().for_each(|condition| condition.narrow(rows, &mut chosen));
    chosen
}

/// The place of a field, from the outermost column inwards.
pub(super) fn find<'f>(fields: &'f Fields, name: &str) -> Option<(Vec<usize>, &'f Field)> {
    if let Some((index, field)) = fields.find(name) {
        return Some((vec![index], field));
    }
    let (outer, inner) = name.split_once('.')?;
    let (index, field) = fields.find(outer)?;
    let DataType::Struct(fields) = field.data_type() else { return None };
    let (mut path, field) = find(fields, inner)?;
    path.insert(0, index);
    Some((path, field))
}

/// The value that `text` spells in the column `field`: an array of one.
pub(super) fn value(field: &Field, text: &str) -> Result<ArrayRef> {
    let mut column = writer(field)?;
    if text.is_empty() && field.is_nullable() {
        column.null();
    } else {
        let pushed = column.text(text);
        pushed.map_err(|bad| Error::new(Kind::Input, bad.inside(field.name()).to_string()))?;
    }
    Ok(column.finish())
}

impl Equals {
    /// Takes those rows back for which it does not hold.
    fn narrow(&self, rows: &RecordBatch, chosen: &mut [bool]) {
        let mut column = rows.column(self.path[0]);
        for index in &self.path[1..] {
            let outer: &StructArray = column.as_struct();
            let present = |row| outer.is_valid(row);
            chosen.iter_mut().enumerate().for_each(|(row, chosen)| *chosen &= present(row));
            column = outer.column(*index);
        }
        let null = self.value.is_null(0);
        for (row, chosen) in chosen.iter_mut().enumerate() {
            *chosen &= column.is_null(row) == null;
        }
        if !null {
            equal(column, &self.value, chosen);
        }
    }
}

/// Takes those rows back that do not have the value; nulls have been.
fn equal(column: &ArrayRef, value: &ArrayRef, chosen: &mut [bool]) {
    let mut narrow = |same: &dyn Fn(usize) -> bool| {
        for (row, chosen) in chosen.iter_mut().enumerate() {
            *chosen = *chosen && same(row);
        }
    };
    match column.data_type() {
        DataType::Utf8 => {
            let (column, value) = (column.as_string::<i32>(), value.as_string::<i32>().value(0));
            narrow(&|row| column.value(row) == value);
        }
        DataType::Binary => {
            let (column, value) = (column.as_binary::<i32>(), value.as_binary::<i32>().value(0));
            narrow(&|row| column.value(row) == value);
        }
        DataType::Boolean => {
            let (column, value) = (column.as_boolean(), value.as_boolean().value(0));
            narrow(&|row| column.value(row) == value);
        }
        _ => downcast_primitive_array! {
            column => primitives(column, value, &mut narrow),
            _ => narrow(&|row| column.slice(row, 1).to_data() == value.to_data()),
        },
    }
}

fn primitives<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    value: &ArrayRef,
    narrow: &mut dyn FnMut(&dyn Fn(usize) -> bool),
) {
    let value = value.as_primitive::<T>().value(0);
    narrow(&|row| column.value(row).is_eq(value));
}
