//! Column writers for lists and objects of JSON, and for records themselves: a record is an object,
//! a CSV record one whose cells come in the order of the header.

use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::{FieldRef, Fields};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::bad_record::{Bad, shortened};
use super::column_writers::{ColumnWriter, writer, writer_within};
use super::unmatched_fields::{OnUnknown, Unknown, Unmatched};
use diptych_base::error::Result;
use diptych_event::Unit;

/// Appends a JSON token to `writer`; `null` is a missing value.
fn push(writer: &mut dyn ColumnWriter, nullable: bool, token: &str) -> Result<(), Bad> {
    match token {
        "null" if nullable => {
            writer.null();
            Ok(())
        }
        "null" => Err(Bad::record("null, where a value is required")),
        _ => writer.json(token),
    }
}

/// Reads `token` with `visitor`, to its end.
fn read<'de, V: Visitor<'de>>(token: &'de str, visitor: V, list: bool) -> serde_json::Result<()> {
    let mut tokens = serde_json::Deserializer::from_str(token);
    if list {
        tokens.deserialize_seq(visitor)?
    } else {
        tokens.deserialize_map(visitor)?
    };
    tokens.end()
}

/// A column of lists.
pub(crate) struct Lists {
    items: Box<dyn ColumnWriter>,
    field: FieldRef,
    /// The end of each list among the items.
    ends: Vec<usize>,
    nulls: NullBufferBuilder,
}

impl Lists {
    /// Makes a column of lists of the items that `field` declares; numbers that are read as times
    /// have `unit`.
    pub(crate) fn new(field: &FieldRef, unit: Option<Unit>) -> Result<Self> {
        Ok(Lists {
            items: writer_within(field, unit)?,
            field: Arc::clone(field),
            ends: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        })
    }

    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
}

struct Items<'a> {
    lists: &'a mut Lists,
    count: usize,
    bad: &'a mut Option<Bad>,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(token) = items.next_element::<&RawValue>()? {
            let nullable = self.lists.field.is_nullable();
            if let Err(bad) = push(&mut *self.lists.items, nullable, token.get()) {
                *self.bad = Some(bad.inside(&format!("[{}]", self.count)));
                return Err(serde::de::Error::custom("a bad item"));
            }
            self.count += 1;
        }
        let end = self.lists.end() + self.count;
        self.lists.ends.push(end);
        self.lists.nulls.append_non_null();
        Ok(())
    }
}

impl ColumnWriter for Lists {
    fn text(&mut self, text: &str) -> Result<(), Bad> {
        self.json(text)
    }
    fn json(&mut self, token: &str) -> Result<(), Bad> {
        let mut bad = None;
        let items = Items { lists: self, count: 0, bad: &mut bad };
        read(token, items, true)
            .map_err(|_| bad.unwrap_or_else(|| Bad::value(token, "a list in JSON")))
    }
    fn null(&mut self) {
        self.ends.push(self.end());
        self.nulls.append_null();
    }
    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.nulls.truncate(rows);
        self.items.truncate(self.end());
    }
    fn refuse_unknown(&mut self) {
        self.items.refuse_unknown();
    }
    fn unmatched(&self, path: &str, told: &mut Unmatched) {
        self.items.unmatched(&format!("{path}[]"), told);
    }
    fn finish(&mut self) -> ArrayRef {
        let mut start = 0;
        let lengths = self.ends.drain(..).map(|end| end - std::mem::replace(&mut start, end));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let items = self.items.finish();
        Arc::new(ListArray::new(Arc::clone(&self.field), offsets, items, self.nulls.finish()))
    }
}

/// A column of objects, or the columns of a stream.
pub(crate) struct Structs {
    columns: Vec<Box<dyn ColumnWriter>>,
    fields: Fields,
    names: HashMap<String, usize>,
    /// The columns that the current object has given so far.
    seen: Vec<bool>,
    /// The columns that any object has given so far.
    given: Vec<bool>,
    unknown: Unknown,
    on_unknown: OnUnknown,
    /// Whether there was any object.
    any: bool,
    rows: usize,
    nulls: NullBufferBuilder,
}

impl Structs {
    /// Makes a column of objects with `fields`.
    pub(crate) fn new(fields: &Fields) -> Result<Self> {
        let names = fields.iter().enumerate().map(|(index, field)| (field.name().clone(), index));
        Ok(Structs {
            columns: fields.iter().map(|field| writer(field)).collect::<Result<_>>()?,
            names: names.collect(),
            seen: vec![false; fields.len()],
            given: vec![false; fields.len()],
            unknown: Unknown::default(),
            on_unknown: OnUnknown::default(),
            any: false,
            fields: fields.clone(),
            rows: 0,
            nulls: NullBufferBuilder::new(0),
        })
    }

    /// The number of complete objects.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a record given as cells, one for each column; `None` for a column that the file
    /// lacks. After an error nothing of the record is kept.
    pub(crate) fn cells<'a>(
        &mut self,
        mut cell: impl FnMut(usize) -> Result<Option<&'a str>, Bad>,
    ) -> Result<(), Bad> {
        for index in 0..self.columns.len() {
            let column = &mut self.columns[index];
            let nullable = self.fields[index].is_nullable();
            let cell = cell(index);
            self.given[index] |= matches!(cell, Ok(Some(_)));
            let pushed = match cell {
                Err(bad) => Err(bad),
                Ok(None | Some("")) if nullable => {
                    column.null();
                    Ok(())
                }
                // A required column is in the header: that was checked.
                Ok(text) => column.text(text.unwrap_or_default()),
            };
            if let Err(bad) = pushed {
                let bad = bad.inside(self.fields[index].name());
                self.truncate(self.rows);
                return Err(bad);
            }
        }
        self.present();
        Ok(())
    }

    /// Appends a JSON object. After an error nothing of the object is kept.
    pub(crate) fn object(&mut self, token: &str) -> Result<(), Bad> {
        let pushed = self.try_object(token);
        if pushed.is_err() {
            self.truncate(self.rows);
        }
        pushed
    }

    fn try_object(&mut self, token: &str) -> Result<(), Bad> {
        self.seen.fill(false);
        let mut bad = None;
        read(token, Members { structs: self, bad: &mut bad }, false)
            .map_err(|error| bad.unwrap_or_else(|| not_an_object(token, &error)))?;
        if self.on_unknown == OnUnknown::Refuse && !self.unknown.names().is_empty() {
            return Err(Bad::record(self.no_columns()));
        }
        for index in 0..self.columns.len() {
            self.given[index] |= self.seen[index];
            if self.seen[index] {
                continue;
            }
            if !self.fields[index].is_nullable() {
                return Err(Bad::record("is missing").inside(self.fields[index].name()));
            }
            self.columns[index].null();
        }
        self.present();
        Ok(())
    }

    /// Describes the unknown members and the known columns.
    fn no_columns(&self) -> String {
        let unknown: Vec<_> = self.unknown.names().iter().map(|name| format!("`{name}`")).collect();
        let known: Vec<_> = self.fields.iter().map(|field| field.name().as_str()).collect();
        let are = if unknown.len() == 1 { "is no column" } else { "are no columns" };
        let known = shortened(&known.join(", "));
        format!("{} {are} of the stream here, which are {known}", unknown.join(", "))
    }

    fn present(&mut self) {
        self.rows += 1;
        self.any = true;
        self.nulls.append_non_null();
    }

    /// Removes all objects.
    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Returns the columns so far, in the order of the fields, and empties them.
    pub(crate) fn arrays(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        self.nulls = NullBufferBuilder::new(0);
        self.columns.iter_mut().map(|column| column.finish()).collect()
    }
}

fn not_an_object(token: &str, error: &serde_json::Error) -> Bad {
    match token.trim_ascii_start().as_bytes().first() {
        Some(b'{') => {
            let text = shortened(token);
            Bad::record(format!("`{text}` is no JSON: {error}"))
        }
        _ => Bad::value(token, "a JSON object"),
    }
}

struct Members<'a> {
    structs: &'a mut Structs,
    bad: &'a mut Option<Bad>,
}

impl Members<'_> {
    fn member(&mut self, index: usize, token: &str) -> Result<(), Bad> {
        let structs = &mut *self.structs;
        if std::mem::replace(&mut structs.seen[index], true) {
            return Err(Bad::record("is given twice"));
        }
        push(&mut *structs.columns[index], structs.fields[index].is_nullable(), token)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        loop {
            let Structs { names, unknown, .. } = &mut *self.structs;
            let Some(known) = members.next_key_seed(Name { names, unknown })? else {
                return Ok(());
            };
            let Some(index) = known else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let token = members.next_value::<&RawValue>()?;
            if let Err(bad) = self.member(index, token.get()) {
                *self.bad = Some(bad.inside(self.structs.fields[index].name()));
                return Err(serde::de::Error::custom("a bad member"));
            }
        }
    }
}

/// Reads a key as the index of its column, without allocating a string.
struct Name<'a> {
    names: &'a HashMap<String, usize>,
    unknown: &'a mut Unknown,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Option<usize>, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        let known = self.names.get(key).copied();
        if known.is_none() {
            self.unknown.add(key);
        }
        Ok(known)
    }
}

impl ColumnWriter for Structs {
    fn text(&mut self, text: &str) -> Result<(), Bad> {
        self.json(text)
    }
    fn json(&mut self, token: &str) -> Result<(), Bad> {
        self.try_object(token)
    }
    fn null(&mut self) {
        self.columns.iter_mut().for_each(|column| column.null());
        self.rows += 1;
        self.nulls.append_null();
    }
    fn truncate(&mut self, rows: usize) {
        self.rows = rows;
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.nulls.truncate(rows);
    }
    fn refuse_unknown(&mut self) {
        self.on_unknown = OnUnknown::Refuse;
        self.columns.iter_mut().for_each(|column| column.refuse_unknown());
    }
    fn unmatched(&self, path: &str, told: &mut Unmatched) {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            _ => format!("{path}.{name}"),
        };
        self.unknown.names().iter().for_each(|name| told.ignored(below(name)));
        // Without any object the column itself is absent.
        if !self.any {
            return;
        }
        for ((field, column), given) in self.fields.iter().zip(&self.columns).zip(&self.given) {
            match given {
                true => column.unmatched(&below(field.name()), told),
                false => told.absent(below(field.name())),
            }
        }
    }
    fn finish(&mut self) -> ArrayRef {
        let fields = self.fields.clone();
        let rows = self.rows;
        let nulls = self.nulls.finish();
        match StructArray::try_new_with_length(fields, self.arrays(), nulls, rows) {
            Ok(array) => Arc::new(array),
            Err(error) => panic!("{rows} objects broke their own schema: {error}"),
        }
    }
}
