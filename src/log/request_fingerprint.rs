//! The fingerprint of an append request, which distinguishes a repeat from another request with the
//! same number.
//!
//! It covers the appended content and not its form: the streams, and for each the values of its
//! rows by the name of their column. The order of columns, how rows are cut into batches, the width
//! of an integer, and columns or members without a value in any row make no difference, so that a
//! repeat is recognised when its JSON is written in another way, or when the event has got a column
//! meanwhile. Logs store fingerprints: what they cover, and how, never changes.

use std::num::NonZeroU64;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter;
use xxhash_rust::xxh3::Xxh3;

use super::append_request::Append;
use super::checksummed_file::encode;
use super::retraction::RetractedEvents;
use diptych_base::error::{Error, Kind, Result};

/// The fingerprint of one request. (A hash of zero becomes one.)
pub(super) type Fingerprint = NonZeroU64;

/// Computes the fingerprint of a request's appends and retractions.
///
/// # Errors
/// When the rows of a stream have a type that is not stored.
pub(super) fn fingerprint(append: &Append, taken: &[RetractedEvents]) -> Result<Fingerprint> {
    let mut hash = Xxh3::new();
    let filled: Vec<_> = append.batches.iter().filter(|(_, rows)| rows.num_rows() > 0).collect();
    let mut streams: Vec<&Arc<str>> = filled.iter().map(|(stream, _)| stream).collect();
    streams.sort();
    streams.dedup();
    number(&mut hash, streams.len());
    for name in streams {
        text(&mut hash, name.as_bytes());
        let batches = filled.iter().filter(|(stream, _)| stream == name).map(|(_, rows)| rows);
        for rows in joined(batches)? {
            number(&mut hash, rows.num_rows());
            let schema = rows.schema();
            let names = schema.fields().iter().map(|field| field.name().as_str());
            columns(&mut hash, names.zip(rows.columns()).collect())?;
        }
    }
    number(&mut hash, append.offsets.len());
    for (source, offset) in &append.offsets {
        text(&mut hash, source.as_bytes());
        text(&mut hash, offset.as_bytes());
    }
    if !taken.is_empty() {
        text(&mut hash, &encode(&taken)?);
    }
    Ok(NonZeroU64::new(hash.digest()).unwrap_or(NonZeroU64::MIN))
}

/// Joins neighbouring batches of one schema, so that their cut does not matter.
fn joined<'r>(batches: impl Iterator<Item = &'r RecordBatch>) -> Result<Vec<RecordBatch>> {
    let mut runs: Vec<Vec<RecordBatch>> = Vec::new();
    for rows in batches {
        match runs.last_mut() {
            Some(run) if run[0].schema_ref() == rows.schema_ref() => run.push(rows.clone()),
            _ => runs.push(vec![rows.clone()]),
        }
    }
    let join = |mut run: Vec<RecordBatch>| match run.len() {
        1 => Ok(run.swap_remove(0)),
        _ => concat_batches(&run[0].schema(), &run).map_err(|e| unfit(&e)),
    };
    runs.into_iter().map(join).collect()
}

fn unfit(error: &arrow_schema::ArrowError) -> Error {
    Error::new(Kind::Input, format!("the rows have no fingerprint: {error}"))
}

fn number(hash: &mut Xxh3, number: usize) {
    hash.update(&(number as u64).to_le_bytes());
}

fn text(hash: &mut Xxh3, bytes: &[u8]) {
    number(hash, bytes.len());
    hash.update(bytes);
}

/// Hashes columns of equal length, by name; columns without a value are skipped.
fn columns(hash: &mut Xxh3, mut named: Vec<(&str, &ArrayRef)>) -> Result<()> {
    named.retain(|(_, column)| column.logical_null_count() < column.len());
    named.sort_by_key(|(name, _)| *name);
    number(hash, named.len());
    for (name, column) in named {
        text(hash, name.as_bytes());
        values(hash, column)?;
    }
    Ok(())
}

/// Hashes which rows are null, and the values of the others.
fn values(hash: &mut Xxh3, column: &ArrayRef) -> Result<()> {
    let nulls = column.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let Some(nulls) = nulls else {
        number(hash, 0);
        return present(hash, column);
    };
    number(hash, nulls.null_count());
    for row in (0..nulls.len()).filter(|row| nulls.is_null(*row)) {
        number(hash, row);
    }
    let there = BooleanArray::new(nulls.into_inner(), None);
    present(hash, &filter(column, &there).map_err(|e| unfit(&e))?)
}

/// Hashes the values of a column without nulls.
fn present(hash: &mut Xxh3, column: &ArrayRef) -> Result<()> {
    match column.data_type() {
        DataType::Boolean => {
            let flags = column.as_boolean().values().iter();
            flags.for_each(|flag| hash.update(&[u8::from(flag)]));
        }
        DataType::Int8 => integers::<Int8Type>(hash, column.as_primitive()),
        DataType::Int16 => integers::<Int16Type>(hash, column.as_primitive()),
        DataType::Int32 => integers::<Int32Type>(hash, column.as_primitive()),
        DataType::Int64 => integers::<Int64Type>(hash, column.as_primitive()),
        DataType::UInt8 => integers::<UInt8Type>(hash, column.as_primitive()),
        DataType::UInt16 => integers::<UInt16Type>(hash, column.as_primitive()),
        DataType::UInt32 => integers::<UInt32Type>(hash, column.as_primitive()),
        DataType::UInt64 => integers::<UInt64Type>(hash, column.as_primitive()),
        DataType::Utf8 => {
            column.as_string::<i32>().iter().flatten().for_each(|s| text(hash, s.as_bytes()));
        }
        DataType::LargeUtf8 => {
            column.as_string::<i64>().iter().flatten().for_each(|s| text(hash, s.as_bytes()));
        }
        DataType::Utf8View => {
            column.as_string_view().iter().flatten().for_each(|s| text(hash, s.as_bytes()));
        }
        DataType::Binary => {
            column.as_binary::<i32>().iter().flatten().for_each(|bytes| text(hash, bytes));
        }
        DataType::LargeBinary => {
            column.as_binary::<i64>().iter().flatten().for_each(|bytes| text(hash, bytes));
        }
        DataType::BinaryView => {
            column.as_binary_view().iter().flatten().for_each(|bytes| text(hash, bytes));
        }
        DataType::FixedSizeBinary(_) => {
            column.as_fixed_size_binary().iter().flatten().for_each(|bytes| text(hash, bytes));
        }
        DataType::List(_) => return lists::<i32>(hash, column),
        DataType::LargeList(_) => return lists::<i64>(hash, column),
        DataType::ListView(_) => {
            return (0..column.len())
                .try_for_each(|row| one_list(hash, &column.as_list_view::<i32>().value(row)));
        }
        DataType::LargeListView(_) => {
            return (0..column.len())
                .try_for_each(|row| one_list(hash, &column.as_list_view::<i64>().value(row)));
        }
        DataType::FixedSizeList(..) => {
            return (0..column.len())
                .try_for_each(|row| one_list(hash, &column.as_fixed_size_list().value(row)));
        }
        DataType::Map(..) => {
            return (0..column.len()).try_for_each(|row| {
                let entries: ArrayRef = Arc::new(column.as_map().value(row));
                one_list(hash, &entries)
            });
        }
        DataType::Struct(fields) => {
            let names = fields.iter().map(|field| field.name().as_str());
            return columns(hash, names.zip(column.as_struct().columns()).collect());
        }
        other => fixed(hash, column, other)?,
    }
    Ok(())
}

fn integers<T: ArrowPrimitiveType>(hash: &mut Xxh3, column: &PrimitiveArray<T>)
where
    T::Native: Into<i128>,
{
    for value in column.values() {
        hash.update(&Into::<i128>::into(*value).to_le_bytes());
    }
}

fn lists<O: OffsetSizeTrait>(hash: &mut Xxh3, column: &ArrayRef) -> Result<()> {
    let list = column.as_list::<O>();
    let offsets = list.value_offsets();
    offsets.windows(2).for_each(|two| number(hash, (two[1] - two[0]).as_usize()));
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(()) };
    let first = first.as_usize();
    let last = last.as_usize();
    values(hash, &list.values().slice(first, last - first))
}

fn one_list(hash: &mut Xxh3, items: &ArrayRef) -> Result<()> {
    number(hash, items.len());
    values(hash, items)
}

/// Hashes values of a fixed number of bytes: floats, decimals, dates and times.
fn fixed(hash: &mut Xxh3, column: &ArrayRef, kind: &DataType) -> Result<()> {
    if let DataType::Null = kind {
        return Ok(());
    }
    let data = column.to_data();
    let bytes = kind.primitive_width().and_then(|width| {
        let start = data.offset() * width;
        let end = (data.offset() + data.len()) * width;
        data.buffers().first()?.as_slice().get(start..end)
    });
    let Some(bytes) = bytes else {
        let message = format!("a column of type {kind} has no fingerprint");
        return Err(Error::new(Kind::Input, message).remedy("append it without a producer"));
    };
    hash.update(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use arrow_array::{Int32Array, Int64Array, ListArray, StringArray, StructArray};
    use arrow_schema::{Field, Fields};

    use super::*;

    fn rows(columns: &[(&str, ArrayRef)]) -> RecordBatch {
        let all = columns.iter().map(|(name, column)| (*name, Arc::clone(column), true));
        RecordBatch::try_from_iter_with_nullable(all).unwrap()
    }

    fn of(stream: &str, rows: &RecordBatch) -> Fingerprint {
        fingerprint(&Append::rows(stream, rows.clone()), &[]).unwrap()
    }

    fn numbers(of: &[Option<i64>]) -> ArrayRef {
        Arc::new(Int64Array::from(of.to_vec()))
    }

    fn texts(of: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(of.to_vec()))
    }

    fn lists(of: Vec<Option<Vec<Option<i32>>>>) -> ArrayRef {
        type Int = Int32Type;
        Arc::new(ListArray::from_iter_primitive::<Int, _, _>(of))
    }

    #[test]
    fn what_is_the_same_content_has_the_same_fingerprint() {
        let n = numbers(&[Some(1), None, Some(3)]);
        let text = texts(&[Some("a"), Some(""), None]);
        let list = lists(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
        let parts = [("n", n), ("text", text), ("list", list)];
        let whole = rows(&parts);
        let expected = of("s", &whole);
        let mut turned = parts.clone();
        turned.reverse();
        assert_eq!(of("s", &rows(&turned)), expected, "another order of columns");
        let mut more = parts.to_vec();
        more.push(("later", numbers(&[None, None, None])));
        assert_eq!(of("s", &rows(&more)), expected, "a column without values");
        more[0].1 = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
        assert_eq!(of("s", &rows(&more)), expected, "another width");
        let stream: Arc<str> = "s".into();
        for at in 0..=3 {
            let cut = [whole.slice(0, at), whole.slice(at, 3 - at)];
            let batches = cut.map(|rows| (Arc::clone(&stream), rows)).into();
            let append = Append { batches, ..Append::default() };
            assert_eq!(fingerprint(&append, &[]).unwrap(), expected, "cut at {at}");
        }
        let nothing = (Arc::from("t"), whole.slice(0, 0));
        let batches = vec![(stream, whole), nothing];
        let append = Append { batches, ..Append::default() };
        assert_eq!(fingerprint(&append, &[]).unwrap(), expected, "no rows of another stream");
    }

    #[test]
    fn every_other_content_has_another() {
        let nested = |n: &[Option<i64>]| -> ArrayRef {
            let fields = Fields::from(vec![Field::new("n", DataType::Int64, true)]);
            Arc::new(StructArray::new(fields, vec![numbers(n)], None))
        };
        let list = |of| lists(vec![Some(of), Some(vec![])]);
        let all = [
            rows(&[("n", numbers(&[Some(1), Some(2)]))]),
            rows(&[("n", numbers(&[Some(2), Some(1)]))]),
            rows(&[("n", numbers(&[Some(1), None]))]),
            rows(&[("n", numbers(&[None, Some(1)]))]),
            rows(&[("n", numbers(&[Some(1)]))]),
            rows(&[("m", numbers(&[Some(1), Some(2)]))]),
            rows(&[("n", texts(&[Some("1"), Some("2")]))]),
            rows(&[("n", texts(&[Some("12"), Some("")]))]),
            rows(&[("n", texts(&[Some(""), Some("12")]))]),
            rows(&[("n", numbers(&[None, None]))]),
            rows(&[("n", nested(&[Some(1), Some(2)]))]),
            rows(&[("n", nested(&[Some(1), None]))]),
            rows(&[("n", list(vec![Some(1), Some(2)]))]),
            rows(&[("n", list(vec![Some(1)]))]),
            rows(&[("n", list(vec![None, Some(1)]))]),
            rows(&[("n", lists(vec![Some(vec![]), Some(vec![Some(1), Some(2)])]))]),
        ];
        let mut seen = std::collections::HashMap::new();
        for (number, rows) in all.iter().enumerate() {
            for stream in ["s", "t"] {
                let before = seen.insert(of(stream, rows), (stream, number));
                assert_eq!(before, None, "{stream}, {rows:?}");
            }
        }
        let with = |offset: &str| {
            let mut append = Append::rows("s", all[0].clone());
            append.offsets.push(("topic/0".into(), offset.into()));
            fingerprint(&append, &[]).unwrap()
        };
        assert_ne!(with("1"), with("2"));
        assert_ne!(with("1"), of("s", &all[0]));
        assert_ne!(fingerprint(&Append::default(), &[]).unwrap(), of("s", &all[0]));
    }
}
