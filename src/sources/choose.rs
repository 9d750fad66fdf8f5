//! Choosing events that are in the log, by what their fields hold: `FIELD=VALUE`.
//!
//! A value is written as in a file, and read by the parser of its column: what was ingested from a
//! text is found by that text. No text stands for null where the column allows it.

use std::cell::OnceCell;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, SchemaRef};

use super::bad::Bad;
use super::cells::writer;
use crate::error::{Error, Kind, Result};
use crate::log::{Chunk, Found, Reader};
use crate::time::Epoch;

/// The events of `stream` in which every condition (field, value) holds, of one epoch or of all,
/// that still stand.
///
/// # Errors
/// Wrong input (an unknown field, a value that its column cannot hold, no condition at all);
/// missing when there is no such stream, epoch or event.
pub(crate) fn choose(
    reader: &Reader,
    stream: &str,
    conditions: &[(String, String)],
    epoch: Option<Epoch>,
) -> Result<Found> {
    let upper = reader.upper()?;
    let streams = reader.streams();
    let Some(info) = streams.iter().find(|info| *info.name == *stream) else {
        let names: Vec<_> = streams.iter().map(|info| &*info.name).collect();
        return Err(Error::new(Kind::Missing, format!("the log has no stream {stream:?}")).remedy(
            match names.as_slice() {
                [] => "nothing was appended to it yet".to_owned(),
                names => format!("it has {}", names.join(", ")),
            },
        ));
    };
    if conditions.is_empty() && epoch.is_none() {
        let message = format!("nothing says which events of {stream:?}");
        return Err(Error::new(Kind::Input, message)
            .remedy("name a FIELD=VALUE that they have, or their epoch, or both"));
    }
    for (field, text) in conditions {
        check(stream, &info.schemas, field, text)?;
    }
    if let Some(epoch) = epoch.filter(|epoch| !(reader.lower()..upper).contains(epoch)) {
        let lower = reader.lower();
        let message = format!("epoch {epoch} is not in the log, which has [{lower}, {upper})");
        return Err(Error::new(Kind::Missing, message).remedy("name the epoch of the events"));
    }
    let range = epoch.map_or((reader.lower(), upper), |epoch| (epoch, epoch.saturating_add(1)));
    let found = reader.find(stream, range, |chunk| select(chunk, conditions))?;
    if found.is_empty() {
        let conditions = conditions.iter().map(|(field, text)| format!("{field} = {text:?}"));
        let epoch = epoch.map(|epoch| format!("epoch {epoch}"));
        let all: Vec<_> = conditions.chain(epoch).collect();
        let message = format!("no event of stream {stream:?} has {}", all.join(" and "));
        return Err(Error::new(Kind::Missing, message)
            .remedy("look at the spelling; what was retracted already is in `log stat`"));
    }
    Ok(found)
}

/// `FIELD=VALUE` in two.
///
/// # Errors
/// When it is none.
pub(crate) fn condition(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err(Error::new(Kind::Input, format!("{text:?} is no condition"))
            .remedy("write FIELD=VALUE, with a column of the stream")),
    }
}

/// Some schema of the stream has the field and can hold the value.
fn check(stream: &str, schemas: &[SchemaRef], field: &str, text: &str) -> Result<()> {
    let found: Vec<_> = schemas.iter().filter_map(|s| s.field_with_name(field).ok()).collect();
    let mut wrong = None;
    for one in &found {
        match parse(one, text)? {
            Ok(_) => return Ok(()),
            Err(bad) => wrong = Some(bad),
        }
    }
    if let Some(bad) = wrong {
        return Err(Error::new(Kind::Input, format!("{stream}: {}", bad.inside(field)))
            .remedy("write the value as a file that is ingested would have it"));
    }
    let newest = schemas.last().into_iter().flat_map(|schema| schema.fields());
    let names: Vec<_> = newest.map(|field| field.name().as_str()).collect();
    let message = format!("stream {stream:?} has no column {field:?}");
    Err(Error::new(Kind::Input, message).remedy(format!("its columns are {}", names.join(", "))))
}

/// The value as an array of one.
fn parse(field: &Field, text: &str) -> Result<Result<ArrayRef, Bad>> {
    let mut writer = writer(field)?;
    let empty = text.is_empty() && field.is_nullable();
    let written = match field.data_type() {
        _ if empty => {
            writer.null();
            Ok(())
        }
        DataType::List(_) | DataType::Struct(_) => writer.json(text),
        _ => writer.text(text),
    };
    Ok(written.map(|()| writer.finish()))
}

/// The rows of a chunk in which all conditions hold.
fn select(chunk: &Chunk, conditions: &[(String, String)]) -> Result<BooleanArray> {
    let mut selected = vec![true; chunk.len()];
    let schema = chunk.rows.schema();
    for (name, text) in conditions {
        let at = schema.index_of(name).ok();
        let value = at.map(|at| parse(schema.field(at), text)).transpose()?;
        // Where the column is missing, or of a type that cannot hold the value, none has it.
        let (Some(at), Some(Ok(value))) = (at, value) else {
            return Ok(BooleanArray::from(vec![false; chunk.len()]));
        };
        let column = chunk.rows.column(at);
        let alike = Alike::new(column, &value)?;
        for (row, selected) in selected.iter_mut().enumerate() {
            *selected = *selected && alike.holds(row);
        }
    }
    Ok(BooleanArray::from(selected))
}

/// Compares the rows of a column with one value: by text, which is quick, then truly.
struct Alike<'a> {
    column: &'a ArrayRef,
    rows: ArrayFormatter<'a>,
    value: &'a ArrayRef,
    text: String,
    /// Where a text says all there is to say.
    plain: OnceCell<bool>,
}

impl<'a> Alike<'a> {
    fn new(column: &'a ArrayRef, value: &'a ArrayRef) -> Result<Alike<'a>> {
        let options = FormatOptions::default();
        let unshown = |error| Error::new(Kind::Input, format!("a value has no text: {error}"));
        let rows = ArrayFormatter::try_new(column.as_ref(), &options).map_err(unshown)?;
        let one = ArrayFormatter::try_new(value.as_ref(), &options).map_err(unshown)?;
        let text = one.value(0).to_string();
        Ok(Alike { column, rows, value, text, plain: OnceCell::new() })
    }

    fn holds(&self, row: usize) -> bool {
        if self.column.is_null(row) || self.value.is_null(0) {
            return self.column.is_null(row) && self.value.is_null(0);
        }
        let plain = self.plain.get_or_init(|| !self.column.data_type().is_nested());
        self.rows.value(row).to_string() == self.text
            && (*plain || self.column.slice(row, 1).to_data() == self.value.to_data())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, ListArray, RecordBatch, StringArray};

    use super::*;
    use crate::log::Epochs;

    #[test]
    fn values_are_read_as_files_are() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a, b"), Some(""), None]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 17850, -1]));
        let lists = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            None,
            Some(vec![]),
        ]);
        let columns = [("text", texts, true), ("n", numbers, false), ("l", Arc::new(lists), true)];
        let rows = RecordBatch::try_from_iter_with_nullable(columns).expect("rows");
        let chunk = Chunk { stream: "s".into(), rows, epochs: Epochs::One(0) };
        let rows = |conditions: &[&str]| {
            let all: Result<Vec<_>> = conditions.iter().map(|text| condition(text)).collect();
            let selected = select(&chunk, &all.expect("conditions")).expect("selected");
            (0..3).filter(|row| selected.value(*row)).collect::<Vec<_>>()
        };
        assert_eq!(rows(&["text=a, b"]), [0]);
        assert_eq!(rows(&["text="]), [2], "no text is null where the column allows it");
        assert_eq!(rows(&["n=17850.0"]), [1]);
        assert_eq!(rows(&["n= -1 "]), [2]);
        assert_eq!(rows(&["l=[1,2]"]), [0]);
        assert_eq!(rows(&["l=[]"]), [2]);
        assert_eq!(rows(&["l="]), [1]);
        assert_eq!(rows(&["n=1", "text=b"]), [] as [usize; 0]);
        assert_eq!(rows(&["missing=1"]), [] as [usize; 0]);
        let error = check("s", &[chunk.rows.schema()], "n", "one").expect_err("no number");
        assert!(error.to_string().contains("`n`: `one` is not a whole number"), "{error}");
        let error = check("s", &[chunk.rows.schema()], "m", "1").expect_err("no column");
        assert!(error.to_string().contains("text, n, l"), "{error}");
        assert!(condition("=1").is_err() && condition("n").is_err());
    }
}
