//! Values of Arrow arrays as JSON and CSV: numbers and booleans as such, floats without a JSON
//! number as text, and every other type as the text in which views show it.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use data_encoding::HEXLOWER;

const OPTIONS: FormatOptions<'static> = FormatOptions::new();

/// One column of a record batch, ready to be written cell by cell.
pub(super) struct Cells<'a> {
    array: &'a ArrayRef,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// A value that is written without quotes.
    Plain(ArrayFormatter<'a>),
    Float(ArrayFormatter<'a>),
    Quoted(ArrayFormatter<'a>),
    /// A list of values of any type.
    List,
    /// Names and columns of a nested record.
    Record(Vec<(String, Cells<'a>)>),
    /// Bytes as hexadecimal digits.
    Bytes,
    /// Texts that are made already.
    Texts(arrow_array::StringArray),
}

impl<'a> Cells<'a> {
    /// The cells of `array`.
    ///
    /// # Errors
    /// When Arrow cannot show its type.
    pub(super) fn of(array: &'a ArrayRef) -> Result<Cells<'a>, ArrowError> {
        let formatter = || ArrayFormatter::try_new(array.as_ref(), &OPTIONS);
        let kind = match array.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Kind::Float(formatter()?),
            DataType::Boolean => Kind::Plain(formatter()?),
            kind if kind.is_integer() => Kind::Plain(formatter()?),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Bytes,
            DataType::List(_) => Kind::List,
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter();
                let named = fields
                    .iter()
                    .zip(columns)
                    .map(|(field, column)| Ok((field.name().clone(), Cells::of(column)?)));
                Kind::Record(named.collect::<Result<_, ArrowError>>()?)
            }
            // Arrow shows superfluous zeros of the one, and fields of the other.
            DataType::Decimal256(..) | DataType::Interval(_) => {
                let texts = diptych_sql::texts_of(array);
                Kind::Texts(texts.map_err(|error| ArrowError::ComputeError(error.to_string()))?)
            }
            _ => Kind::Quoted(formatter()?),
        };
        Ok(Cells { array, kind })
    }

    /// Writes the cell of `row` as JSON.
    pub(super) fn json(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match &self.kind {
            Kind::Plain(formatter) => show(formatter, row, out),
            Kind::Float(formatter) => {
                let value = formatter.value(row).to_string();
                // NaN and the infinities begin with a letter behind their sign.
                let digits =
                    value.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
                if digits { out.extend_from_slice(value.as_bytes()) } else { text(&value, out) }
            }
            Kind::Quoted(formatter) => match strings(self.array, row) {
                Some(value) => text(value, out),
                None => text(&formatter.value(row).to_string(), out),
            },
            Kind::Texts(texts) => text(texts.value(row), out),
            Kind::Bytes => {
                out.push(b'"');
                hex(self.array, row, out);
                out.push(b'"');
            }
            Kind::List => {
                let items = self.array.as_list::<i32>().value(row);
                out.push(b'[');
                // A list of a type that cannot be shown is written as empty; SQL has no such type.
                if let Ok(cells) = Cells::of(&items) {
                    for item in 0..items.len() {
                        if item > 0 {
                            out.push(b',');
                        }
                        cells.json(item, out);
                    }
                }
                out.push(b']');
            }
            Kind::Record(columns) => {
                out.push(b'{');
                for (at, (name, column)) in columns.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    text(name, out);
                    out.push(b':');
                    column.json(row, out);
                }
                out.push(b'}');
            }
        }
    }

    /// Writes the cell of `row` as a CSV field.
    fn csv(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_null(row) {
            return;
        }
        match &self.kind {
            Kind::Plain(formatter) | Kind::Float(formatter) => show(formatter, row, out),
            Kind::Texts(texts) => csv_field(texts.value(row), out),
            Kind::Bytes => hex(self.array, row, out),
            Kind::Quoted(formatter) => match strings(self.array, row) {
                Some(value) => csv_field(value, out),
                None => csv_field(&formatter.value(row).to_string(), out),
            },
            Kind::List | Kind::Record(_) => {
                let mut json = Vec::new();
                self.json(row, &mut json);
                csv_field(&String::from_utf8_lossy(&json), out);
            }
        }
    }
}

fn show(formatter: &ArrayFormatter<'_>, row: usize, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{}", formatter.value(row));
}

fn strings(array: &ArrayRef, row: usize) -> Option<&str> {
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}

fn hex(array: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    let bytes = match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        _ => array.as_binary_view().value(row),
    };
    out.extend_from_slice(HEXLOWER.encode(bytes).as_bytes());
}

/// Writes a text as JSON.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    // Neither the text nor the vector can fail.
    let _ = serde_json::to_writer(out, value);
}

fn csv_field(value: &str, out: &mut Vec<u8>) {
    let special = |byte: u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let quoted = value.is_empty()
        || value.bytes().any(special)
        || value.starts_with(' ')
        || value.ends_with(' ');
    if quoted {
        out.push(b'"');
        out.extend_from_slice(value.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(value.as_bytes());
    }
}

/// Writes the names as a line of CSV.
pub(super) fn csv_header(names: &[String], out: &mut Vec<u8>) {
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        csv_field(name, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a row as a line of CSV.
pub(super) fn csv_row(columns: &[Cells<'_>], row: usize, out: &mut Vec<u8>) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        column.csv(row, out);
    }
    out.extend_from_slice(b"\r\n");
}
