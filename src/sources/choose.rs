//! Choosing events that are in the log, by what their fields hold and by their epoch.

use arrow_array::{Array, BooleanArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::SchemaRef;

use super::conditions::{Conditions, find, value};
use crate::error::{Error, Kind, Result};
use crate::log::{Chunk, Found, Reader};
use crate::time::Epoch;

/// The events of `stream` in which all conditions hold, of one epoch or of all,
/// that still stand.
///
/// # Errors
/// Wrong input (an unknown field, a value that its column cannot hold, no condition at all);
/// missing when there is no such stream, epoch or event.
pub(crate) fn choose(
    reader: &Reader,
    stream: &str,
    conditions: &Conditions,
    epoch: Option<Epoch>,
) -> Result<Found> {
    let upper = reader.upper()?;
    let info = reader.stream(stream)?;
    if conditions.pairs().is_empty() && epoch.is_none() {
        let message = format!("nothing says which events of {stream:?}");
        return Err(Error::new(Kind::Input, message)
            .remedy("name a FIELD=VALUE that they have, or their epoch, or both"));
    }
    for (field, text) in conditions.pairs() {
        check(stream, &info.schemas, field, text)?;
    }
    if let Some(epoch) = epoch.filter(|epoch| !(reader.lower()..upper).contains(epoch)) {
        let lower = reader.lower();
        let message = format!("epoch {epoch} is not in the log, which has [{lower}, {upper})");
        return Err(Error::new(Kind::Missing, message).remedy("name the epoch of the events"));
    }
    let range = epoch.map_or((reader.lower(), upper), |epoch| (epoch, epoch.saturating_add(1)));
    let found =
        reader.find(stream, range, |chunk| Ok(BooleanArray::from(conditions.rows(&chunk.rows))))?;
    if found.is_empty() {
        let conditions =
            conditions.pairs().iter().map(|(field, text)| format!("{field} = {text:?}"));
        let epoch = epoch.map(|epoch| format!("epoch {epoch}"));
        let all: Vec<_> = conditions.chain(epoch).collect();
        let message = format!("no event of stream {stream:?} has {}", all.join(" and "));
        return Err(Error::new(Kind::Missing, message)
            .remedy("look at the spelling; what was retracted already is in `log stat`"));
    }
    Ok(found)
}

/// The first `rows` rows of a chunk as texts, column by column; none is null.
///
/// # Errors
/// When a value has no text.
pub(crate) fn texts(chunk: &Chunk, rows: usize) -> Result<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::default();
    let unshown = |error| Error::new(Kind::Input, format!("an event has no text: {error}"));
    let shown = |column| ArrayFormatter::try_new(column, &options).map_err(unshown);
    let columns = chunk.rows.columns().iter().map(|column| Ok((column, shown(column)?)));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let text = |row: usize| {
        columns
            .iter()
            .map(|(column, shown)| column.is_valid(row).then(|| shown.value(row).to_string()))
            .collect()
    };
    Ok((0..rows.min(chunk.len())).map(text).collect())
}

/// Some schema of the stream has the field and can hold the value.
fn check(stream: &str, schemas: &[SchemaRef], name: &str, text: &str) -> Result<()> {
    let mut wrong = None;
    for (_, field) in schemas.iter().filter_map(|schema| find(schema.fields(), name)) {
        match value(field, text) {
            Ok(_) => return Ok(()),
            Err(error) => wrong = Some(error),
        }
    }
    if let Some(error) = wrong {
        return Err(error
            .within(stream)
            .remedy("write the value as a file that is ingested would have it"));
    }
    let newest = schemas.last().into_iter().flat_map(|schema| schema.fields());
    let names: Vec<_> = newest.map(|field| field.name().as_str()).collect();
    let message = format!("stream {stream:?} has no column {name:?}");
    Err(Error::new(Kind::Input, message).remedy(format!("its columns are {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};

    use super::*;

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
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("rows");
        let rows = |texts: &[&str]| {
            let selected = Conditions::each(texts).expect("conditions").rows(&batch);
            (0..3).filter(|row| selected[*row]).collect::<Vec<_>>()
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
        let error = check("s", &[batch.schema()], "n", "one").expect_err("no number");
        assert!(error.to_string().contains("`n`: `one` is not a whole number"), "{error}");
        let error = check("s", &[batch.schema()], "m", "1").expect_err("no column");
        assert!(error.to_string().contains("text, n, l"), "{error}");
        assert!(Conditions::each(&["=1"]).is_err() && Conditions::each(&["n"]).is_err());
    }
}
