//! Columns of values as texts, in `PostgreSQL`'s forms.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, Float32Type, Float64Type, Int64Type};

use super::failure::Outcome;
use super::numeric::{Numeric, Numerics};
use super::time_arithmetic;
use super::type_name::{Group, group};
use crate::value_text;

/// Writes the value of a row; rows without one are not asked for.
type Write<'a> = Box<dyn Fn(usize, &mut BytesMut) + 'a>;

/// The values of `array` as texts.
pub(super) fn column(array: &ArrayRef) -> Outcome<ArrayRef> {
    let write = writer(array, false)?;
    let nulls = array.logical_nulls();
    let mut texts = StringBuilder::new();
    let mut room = BytesMut::new();
    for row in 0..array.len() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            texts.append_null();
            continue;
        }
        room.clear();
        write(row, &mut room);
        texts.append_value(String::from_utf8_lossy(&room));
    }
    Ok(Arc::new(texts.finish()))
}

/// The values of `array` as texts, in the form that they have as parts of texts.
pub(super) fn parts(array: &ArrayRef) -> Outcome<ArrayRef> {
    let write = writer(array, true)?;
    let mut texts = StringBuilder::new();
    let mut room = BytesMut::new();
    for row in 0..array.len() {
        if is_absent(array, row) {
            texts.append_null();
            continue;
        }
        room.clear();
        write(row, &mut room);
        texts.append_value(String::from_utf8_lossy(&room));
    }
    Ok(Arc::new(texts.finish()))
}

/// Whether a row has no value; a column of type null has none at all.
pub(super) fn is_absent(array: &ArrayRef, row: usize) -> bool {
    *array.data_type() == DataType::Null || array.is_null(row)
}

/// How the values of a column are written; booleans as `t` and `f` where they are parts.
pub(super) fn writer(array: &ArrayRef, is_part: bool) -> Outcome<Write<'static>> {
    let array = match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values)?,
        _ => Arc::clone(array),
    };
    Ok(match group(array.data_type()) {
        Group::Bool => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| match (is_part, values.value(row)) {
                (true, value) => value_text::boolean(value, out),
                (false, true) => out.put_slice(b"true"),
                (false, false) => out.put_slice(b"false"),
            })
        }
        Group::Int(_) => {
            let values = cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
            Box::new(move |row, out| value_text::integer(values.value(row), out))
        }
        Group::Numeric => {
            let values = Numerics::of(&array)?;
            Box::new(move |row, out| {
                let text = values.get(row).map(Numeric::text);
                out.put_slice(text.unwrap_or_default().as_bytes());
            })
        }
        Group::Float => {
            let values = cast(&array, &DataType::Float32)?.as_primitive::<Float32Type>().clone();
            Box::new(move |row, out| value_text::single(values.value(row), out))
        }
        Group::Double => {
            let values = array.as_primitive::<Float64Type>().clone();
            Box::new(move |row, out| value_text::double(values.value(row), out))
        }
        Group::Text | Group::Unknown => {
            let values = cast(&array, &DataType::Utf8)?.as_string::<i32>().clone();
            Box::new(move |row, out| out.put_slice(values.value(row).as_bytes()))
        }
        Group::Bytes => {
            let values = cast(&array, &DataType::Binary)?.as_binary::<i32>().clone();
            Box::new(move |row, out| value_text::bytea(values.value(row), out))
        }
        _ => return times(&array),
    })
}

fn times(array: &ArrayRef) -> Outcome<Write<'static>> {
    Ok(match group(array.data_type()) {
        Group::Date => {
            let values = cast(array, &DataType::Date32)?.as_primitive::<Date32Type>().clone();
            Box::new(move |row, out| value_text::date(values.value(row).into(), out))
        }
        Group::Time => {
            let values = time_arithmetic::times(array)?;
            Box::new(move |row, out| value_text::time(values.value(row), out))
        }
        Group::Timestamp | Group::Timestamptz => {
            let has_zone = group(array.data_type()) == Group::Timestamptz;
            let values = time_arithmetic::moments(array)?;
            Box::new(move |row, out| value_text::timestamp(values.value(row), has_zone, out))
        }
        Group::Interval => {
            let values = time_arithmetic::spans(array)?;
            Box::new(move |row, out| {
                let span = time_arithmetic::span(values.value(row));
                value_text::interval(span.months, span.days, span.micros, out);
            })
        }
        Group::List => {
            let lists = cast(array, &list_type(array.data_type()))?;
            let lists = lists.as_list::<i32>().clone();
            let write = writer(lists.values(), true)?;
            Box::new(move |row, out| list(&lists, row, &write, out))
        }
        _ if matches!(array.data_type(), DataType::Struct(_)) => record(array)?,
        _ => {
            let values = cast(array, &DataType::Utf8)?.as_string::<i32>().clone();
            Box::new(move |row, out| out.put_slice(values.value(row).as_bytes()))
        }
    })
}

/// A row in parentheses.
fn record(array: &ArrayRef) -> Outcome<Write<'static>> {
    let columns = array.as_struct().columns().to_vec();
    let writers = columns.iter().map(|column| writer(column, true));
    let writers = writers.collect::<Outcome<Vec<_>>>()?;
    Ok(Box::new(move |row, out| {
        out.put_u8(b'(');
        let mut room = BytesMut::new();
        for (at, (column, write)) in columns.iter().zip(&writers).enumerate() {
            if at > 0 {
                out.put_u8(b',');
            }
            if !is_absent(column, row) {
                room.clear();
                write(row, &mut room);
                value_text::record_field(&room, out);
            }
        }
        out.put_u8(b')');
    }))
}

fn list_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            DataType::List(Arc::clone(field))
        }
        other => other.clone(),
    }
}

fn list(
    lists: &datafusion::arrow::array::ListArray,
    row: usize,
    write: &Write<'static>,
    out: &mut BytesMut,
) {
    let start = lists.value_offsets()[row] as usize;
    let end = lists.value_offsets()[row + 1] as usize;
    let is_nested = group(lists.values().data_type()) == Group::List;
    let mut item = BytesMut::new();
    out.put_u8(b'{');
    for at in start..end {
        if at > start {
            out.put_u8(b',');
        }
        if lists.values().is_null(at) {
            out.put_slice(b"NULL");
            continue;
        }
        item.clear();
        write(at, &mut item);
        if is_nested {
            out.put_slice(&item);
        } else {
            value_text::list_element(&item, out);
        }
    }
    out.put_u8(b'}');
}
