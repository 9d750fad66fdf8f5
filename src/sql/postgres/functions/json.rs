//! Values as JSON texts.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

use super::super::failure::{Outcome, failure};
use super::super::function::PgFunction;
use super::super::named_type::{self, JSON_PART};
use super::super::text_output;
use super::super::type_name::{Group, element, group};
use super::{as_given, unknown};

/// Writes the JSON of a row that has a value.
type Write = Box<dyn Fn(usize, &mut String)>;

pub(super) fn all() -> Vec<PgFunction> {
    let text = |_: &[DataType], _: &[Option<&ScalarValue>]| {
        Ok::<_, datafusion::error::DataFusionError>(DataType::Utf8)
    };
    let one = |types: &[DataType]| match types {
        [_] => Ok(types.to_vec()),
        _ => Err(unknown("to_json", types)),
    };
    [
        PgFunction::named("to_json", one, text, |args, _| shown(&args[0], ",")),
        PgFunction::named("row_to_json", one, text, |args, _| shown(&args[0], ",")),
        PgFunction::named("array_to_json", one, text, |args, _| shown(&args[0], ",")),
        PgFunction::named("pg_json_of_all", one, text, |args, _| {
            let is_nested = element(args[0].data_type()).is_some_and(|of| of.is_nested());
            shown(&args[0], if is_nested { ", \n " } else { ", " })
        }),
        PgFunction::named("json_build_array", as_given, text, |args, _| built_lists(args)),
        PgFunction::named("json_build_object", as_given, text, |args, _| built_objects(args)),
    ]
    .map(|function| function.giving(named_type::JSON))
    .into()
}

/// Values as JSON; `between` stands between the elements of a list.
fn shown(array: &ArrayRef, between: &'static str) -> Outcome<ArrayRef> {
    let write = match group(array.data_type()) {
        Group::List => list_writer(array, between)?,
        _ => writer(array)?,
    };
    let rows = (0..array.len()).map(|row| {
        (!text_output::is_absent(array, row)).then(|| {
            let mut text = String::new();
            write(row, &mut text);
            text
        })
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// A text in quotes.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                // Writing into a text does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn writer(array: &ArrayRef) -> Outcome<Write> {
    let of = group(array.data_type());
    if of == Group::List {
        return list_writer(array, ",");
    }
    if let DataType::Struct(fields) = array.data_type() {
        let columns = array.as_struct().columns().to_vec();
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let writers = columns.iter().map(writer).collect::<Outcome<Vec<_>>>()?;
        return Ok(Box::new(move |row, out| {
            out.push('{');
            for (at, (name, write)) in names.iter().zip(&writers).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quoted(name, out);
                out.push(':');
                value(&columns[at], write, row, out);
            }
            out.push('}');
        }));
    }
    let is_json = *array.data_type() == JSON_PART;
    let write = text_output::writer(array, of != Group::Bool)?;
    Ok(Box::new(move |row, out| {
        let mut room = BytesMut::new();
        write(row, &mut room);
        let text = String::from_utf8_lossy(&room);
        match of {
            _ if is_json => out.push_str(&text),
            Group::Bool | Group::Int(_) | Group::Numeric => out.push_str(&text),
            Group::Float | Group::Double if !text.ends_with(['N', 'y']) => out.push_str(&text),
            Group::Timestamp => quoted(&text.replacen(' ', "T", 1), out),
            Group::Timestamptz => quoted(&format!("{}:00", text.replacen(' ', "T", 1)), out),
            _ => quoted(&text, out),
        }
    }))
}

fn value(array: &ArrayRef, write: &Write, row: usize, out: &mut String) {
    match text_output::is_absent(array, row) {
        true => out.push_str("null"),
        false => write(row, out),
    }
}

fn list_writer(array: &ArrayRef, between: &'static str) -> Outcome<Write> {
    let lists = match array.data_type() {
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            cast(array, &DataType::List(Arc::clone(field)))?
        }
        _ => Arc::clone(array),
    };
    let lists = lists.as_list::<i32>().clone();
    let values = Arc::clone(lists.values());
    let write = writer(&values)?;
    Ok(Box::new(move |row, out| {
        let start = lists.value_offsets()[row];
        let end = lists.value_offsets()[row + 1];
        out.push('[');
        for at in start..end {
            if at > start {
                out.push_str(between);
            }
            value(&values, &write, at as usize, out);
        }
        out.push(']');
    }))
}

fn built_lists(args: &[ArrayRef]) -> Outcome<ArrayRef> {
    let writers = args.iter().map(writer).collect::<Outcome<Vec<_>>>()?;
    let rows = (0..args[0].len()).map(|row| {
        let mut text = String::from("[");
        for (at, write) in writers.iter().enumerate() {
            text.push_str(if at > 0 { ", " } else { "" });
            value(&args[at], write, row, &mut text);
        }
        text.push(']');
        Some(text)
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

fn built_objects(args: &[ArrayRef]) -> Outcome<ArrayRef> {
    if args.len() % 2 == 1 {
        let message = "argument list must have even number of elements";
        return Err(failure("22023", message));
    }
    let writers = args.iter().map(writer).collect::<Outcome<Vec<_>>>()?;
    let names = args.iter().step_by(2).map(text_output::parts).collect::<Outcome<Vec<_>>>()?;
    let rows = (0..args[0].len()).map(|row| {
        let mut text = String::from("{");
        for (pair, names) in names.iter().enumerate() {
            if names.is_null(row) {
                let message = "argument of json_build_object: key must not be null";
                return Err(failure("22004", message));
            }
            text.push_str(if pair > 0 { ", " } else { "" });
            quoted(names.as_string::<i32>().value(row), &mut text);
            text.push_str(" : ");
            value(&args[2 * pair + 1], &writers[2 * pair + 1], row, &mut text);
        }
        text.push('}');
        Ok(Some(text))
    });
    Ok(Arc::new(rows.collect::<Outcome<StringArray>>()?))
}
