//! Conditions that select events, as text: `FIELD=VALUE` or `FIELD:=JSON`, which must all hold.
//!
//! A value is written as in a file for `ingest`, and parsed by the type of its column. A field of a
//! struct is `OUTER.INNER`. As in a CSV file, an empty value is null where the column allows it,
//! and otherwise the empty text; JSON distinguishes them: `FIELD:=null` and `FIELD:=""`.
//!
//! A condition may name a field as readers see it: an event is selected when all conditions hold
//! for it as it is stored, or as a dataflow's event type reads it, where a missing field has its
//! default, and columns have their current type and name. Zero equals zero whatever its sign, and
//! NaN equals NaN.

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, cast::AsArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use serde::de::IgnoredAny;

use super::column_writers::writer;
use super::value_equality::equal;
use diptych_base::error::{Error, Kind, Result};
use diptych_event::ReadAs;
use diptych_log::{Chooser, StreamSummary};

/// Conditions on the fields of events, all of which must hold.
#[derive(Clone, Debug)]
pub struct Conditions {
    all: Vec<Condition>,
    /// The event types as which the stream's events are read, besides as they are stored.
    readers: Vec<ReadAs>,
}

/// A field, and the value that it must have.
#[derive(Clone, Debug)]
struct Condition {
    field: String,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    /// A value as a cell of a CSV file.
    Text(String),
    /// A value as a JSON token.
    Json(String),
}

/// A condition on the rows of one schema: the position of the column, and the value.
struct Equals {
    path: Vec<usize>,
    value: ArrayRef,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Value::Text(text) => write!(f, "{} = {text:?}", self.field),
            Value::Json(token) => write!(f, "{} := {token}", self.field),
        }
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Condition> {
        let parts = text.split_once('=').map(|(field, value)| match field.strip_suffix(':') {
            Some(field) => (field, Value::Json(value.trim().to_owned())),
            None => (field, Value::Text(value.to_owned())),
        });
        let (field, value) = parts.filter(|(field, _)| !field.is_empty()).ok_or_else(|| {
            Error::new(Kind::Input, format!("{text:?} is no condition"))
                .remedy("give FIELD=VALUE or FIELD:=JSON, for example user=17 or user:=null")
        })?;
        if let Value::Json(token) = &value
            && let Err(error) = serde_json::from_str::<IgnoredAny>(token)
        {
            return Err(Error::new(
                Kind::Input,
                format!("{token:?} in {text:?} is no JSON: {error}"),
            )
            .remedy("give a value in JSON, for example user:=\"\" or user:=null"));
        }
        Ok(Condition { field: field.to_owned(), value })
    }

    /// Resolves the condition on rows of a schema. In `defaulted` columns no value is missing.
    fn on(&self, schema: &Schema, defaulted: &[&str]) -> Result<Equals> {
        let Condition { field: name, value } = self;
        let (path, field) = find(schema.fields(), name)
            .ok_or_else(|| Error::new(Kind::Input, format!("there is no column `{name}`")))?;
        let nullable = field.is_nullable() && !defaulted.contains(&name.as_str());
        let mut column = writer(field)?;
        let pushed = match value {
            Value::Text(text) if text.is_empty() && nullable => {
                column.null();
                Ok(())
            }
            Value::Text(text) => column.text(text),
            Value::Json(token) if token == "null" && nullable => {
                column.null();
                Ok(())
            }
            Value::Json(token) if token == "null" => {
                return Err(Error::new(Kind::Input, format!("column `{name}` is never null")));
            }
            Value::Json(token) => column.json(token),
        };
        pushed.map_err(|bad| Error::new(Kind::Input, bad.inside(field.name()).to_string()))?;
        Ok(Equals { path, value: column.finish() })
    }
}

impl Conditions {
    /// Parses the conditions in `texts`.
    ///
    /// # Errors
    /// When there is none, or one is not `FIELD=VALUE` or `FIELD:=JSON`.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Conditions> {
        let conditions = Conditions::each(texts)?;
        if conditions.all.is_empty() {
            return Err(Error::new(Kind::Input, "no condition says which events are meant")
                .remedy("give FIELD=VALUE"));
        }
        Ok(conditions)
    }

    /// Parses the conditions in `texts`, which may be empty where another option selects events.
    ///
    /// # Errors
    /// When one is not `FIELD=VALUE` or `FIELD:=JSON`.
    pub fn each<S: AsRef<str>>(texts: &[S]) -> Result<Conditions> {
        let all = texts.iter().map(|text| Condition::parse(text.as_ref()));
        Ok(Conditions { all: all.collect::<Result<_>>()?, readers: Vec::new() })
    }

    /// Adds event types: an event is also selected when the conditions hold for it as one of these
    /// reads it.
    #[must_use]
    pub fn seen_by(mut self, readers: impl IntoIterator<Item = ReadAs>) -> Conditions {
        for reader in readers {
            if self.readers.iter().all(|known| known.schema != reader.schema) {
                self.readers.push(reader);
            }
        }
        self
    }

    /// Whether there are no conditions.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The conditions as text.
    pub(super) fn shown(&self) -> impl Iterator<Item = String> {
        self.all.iter().map(ToString::to_string)
    }

    /// Makes a chooser of the rows of a schema for which all conditions hold; none when they cannot
    /// hold for any row, because the schema lacks a field or has another type there.
    ///
    /// # Errors
    /// None at present.
    pub fn chooser(&self, schema: &SchemaRef) -> Result<Option<Chooser>> {
        let stored = self.on(schema, &[]).ok();
        let seen = self.readers.iter().filter_map(|reader| {
            let conditions = self.on(&reader.schema, reader.defaulted).ok()?;
            Some((reader.clone(), conditions))
        });
        let seen: Vec<_> = seen.collect();
        if stored.is_none() && seen.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(move |rows: &RecordBatch| {
            let mut chosen = vec![false; rows.num_rows()];
            let mut add = |conditions: &[Equals], rows: &RecordBatch| {
                let hold = all_hold(conditions, rows);
                chosen.iter_mut().zip(hold).for_each(|(chosen, holds)| *chosen |= holds);
            };
            if let Some(conditions) = &stored {
                add(conditions, rows);
            }
            for (reader, conditions) in &seen {
                // A type that cannot read the rows selects none.
                if let Ok(rows) = reader.rows(rows) {
                    add(conditions, &rows);
                }
            }
            Ok(chosen)
        })))
    }

    /// Checks that the conditions can hold for some event of the stream; returns a sentence for
    /// each of its schemas for which they cannot.
    ///
    /// # Errors
    /// When they can hold for none of its schemas: gives the reason for each.
    pub fn check(&self, stream: &StreamSummary) -> Result<Vec<String>> {
        let seen = |reader: &ReadAs| self.on(&reader.schema, reader.defaulted).is_ok();
        if self.readers.iter().any(seen) {
            return Ok(Vec::new());
        }
        let mut why = Vec::new();
        for schema in &stream.schemas {
            if let Err(error) = self.on(schema, &[]) {
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

    fn on(&self, schema: &Schema, defaulted: &[&str]) -> Result<Vec<Equals>> {
        self.all.iter().map(|condition| condition.on(schema, defaulted)).collect()
    }
}

fn all_hold(conditions: &[Equals], rows: &RecordBatch) -> Vec<bool> {
    let mut chosen = vec![true; rows.num_rows()];
    conditions.iter().for_each(|condition| condition.narrow(rows, &mut chosen));
    chosen
}

/// The position of a field, from the outermost column inwards.
fn find<'f>(fields: &'f Fields, name: &str) -> Option<(Vec<usize>, &'f Field)> {
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

impl Equals {
    /// Unselects the rows for which the condition does not hold.
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
