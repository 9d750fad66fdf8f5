//! Selects events in the log by conditions on their fields and by their epoch.

use arrow_array::{Array, ArrayRef, BooleanArray};

use super::predicate::Conditions;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_event::cell_text;
use diptych_log::{Chunk, FoundEvents, Reader};

/// Finds the events of `stream` in which all conditions hold, of one epoch or of all, without
/// retracted events.
///
/// # Errors
/// Wrong input (an unknown field, a value that its column cannot hold, no condition at all);
/// missing when there is no such stream, epoch or event.
pub fn choose(
    reader: &Reader,
    stream: &str,
    conditions: &Conditions,
    epoch: Option<Epoch>,
) -> Result<FoundEvents> {
    let upper = reader.upper()?;
    let info = reader.stream(stream)?;
    if conditions.is_empty() && epoch.is_none() {
        let message = format!("nothing says which events of {stream:?}");
        return Err(Error::new(Kind::Input, message)
            .remedy("name a FIELD=VALUE that they have, or their epoch, or both"));
    }
    conditions.check(&info)?;
    if let Some(epoch) = epoch.filter(|epoch| !(reader.lower()..upper).contains(epoch)) {
        let lower = reader.lower();
        let message = format!("epoch {epoch} is not in the log, which has [{lower}, {upper})");
        return Err(Error::new(Kind::Missing, message).remedy("name the epoch of the events"));
    }
    let epochs = epoch.map_or(reader.lower()..upper, |epoch| epoch..epoch.saturating_add(1));
    let found = reader.find(stream, epochs, |chunk| {
        Ok(BooleanArray::from(match conditions.chooser(&chunk.rows.schema())? {
            Some(chooser) => chooser(&chunk.rows)?,
            None => vec![false; chunk.len()],
        }))
    })?;
    if found.is_empty() {
        let epoch = epoch.map(|epoch| format!("epoch {epoch}"));
        let all: Vec<_> = conditions.shown().chain(epoch).collect();
        let message = format!("no event of stream {stream:?} has {}", all.join(" and "));
        return Err(Error::new(Kind::Missing, message)
            .remedy("look at the spelling; what was retracted already is in `log stat`"));
    }
    Ok(found)
}

/// Shows the first `rows` rows of a chunk as texts, column by column; none is null.
///
/// # Errors
/// When a value has no text.
pub fn texts(chunk: &Chunk, rows: usize) -> Result<Vec<Vec<Option<String>>>> {
    let unshown = |error| Error::new(Kind::Input, format!("an event has no text: {error}"));
    let columns = chunk.rows.columns();
    let cell = |column: &ArrayRef, row| {
        let text = column.is_valid(row).then(|| cell_text(column, row, ""));
        text.transpose().map_err(unshown)
    };
    let texts = |row| columns.iter().map(|column| cell(column, row)).collect();
    (0..rows.min(chunk.len())).map(texts).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, ListArray, RecordBatch, StringArray};

    use super::*;
    use diptych_log::StreamSummary;

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
            let conditions = Conditions::each(texts).expect("conditions");
            let Some(chooser) = conditions.chooser(&batch.schema()).expect("no errors") else {
                return Vec::new();
            };
            let selected = chooser(&batch).expect("rows");
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
        assert_eq!(rows(&["text:=null"]), [2]);
        assert_eq!(rows(&["text:=\"\""]), [1], "the empty text is not the absent one");
        assert_eq!(rows(&["text:=\"a, b\"", "n:=1"]), [0]);
        assert_eq!(rows(&["l:=[1, 2]"]), [0]);
        let schemas = vec![batch.schema()];
        let info = StreamSummary { name: "s".into(), schemas, rows: 3, retracted: 0 };
        let refused = |text| {
            let conditions = Conditions::each(&[text]).expect("a condition");
            conditions.check(&info).expect_err("no match").to_string()
        };
        let error = refused("n=one");
        assert!(error.contains("`n`: `one` is not a whole number"), "{error}");
        let error = refused("m=1");
        assert!(error.contains("text, n, l") && error.contains("no column `m`"), "{error}");
        assert!(refused("n:=null").contains("`n` is never null"));
        assert!(Conditions::each(&["n:=one"]).is_err() && Conditions::each(&[":=1"]).is_err());
        assert!(Conditions::each(&["=1"]).is_err() && Conditions::each(&["n"]).is_err());
    }
}
