//! Bytes as texts and back, and whole numbers in hexadecimal digits.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type};

use super::super::failure::{Outcome, failure, invalid_text};
use super::super::function::PgFunction;
use super::super::last_made::LastMade;
use super::super::type_name::{Group, group, integer};
use super::unknown;

/// The digits of base64, in order.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The length of a line of base64.
const LINE: usize = 76;

pub(super) fn all() -> Vec<PgFunction> {
    vec![
        PgFunction::named("encode", bytes_and_name, |_, _| Ok(DataType::Utf8), encoded),
        PgFunction::named("decode", two_texts, |_, _| Ok(DataType::Binary), decoded),
        PgFunction::named("to_hex", one_integer, |_, _| Ok(DataType::Utf8), hexadecimals),
    ]
}

#[derive(Clone, Copy)]
enum Encoding {
    Hexadecimal,
    Base64,
    Escape,
}

fn named(name: &str) -> Outcome<Encoding> {
    match name.to_ascii_lowercase().as_str() {
        "hex" => Ok(Encoding::Hexadecimal),
        "base64" => Ok(Encoding::Base64),
        "escape" => Ok(Encoding::Escape),
        _ => Err(failure("22023", format!("unrecognized encoding: \"{name}\""))),
    }
}

fn is_text(of: &DataType) -> bool {
    matches!(group(of), Group::Text | Group::Unknown)
}

fn bytes_and_name(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        // A text is one that is written here; a column of texts is refused before.
        [bytes, name] if is_text(name) && (is_text(bytes) || group(bytes) == Group::Bytes) => {
            Ok(vec![DataType::Binary, DataType::Utf8])
        }
        _ => Err(unknown("encode", types)),
    }
}

fn two_texts(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [text, name] if is_text(text) && is_text(name) => Ok(vec![DataType::Utf8; 2]),
        _ => Err(unknown("decode", types)),
    }
}

fn one_integer(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] => match group(one) {
            // A smallint is refused, because it is not told which is meant.
            Group::Int(width) => Ok(vec![integer(width.max(4))]),
            Group::Unknown => Ok(vec![DataType::Int32]),
            _ => Err(unknown("to_hex", types)),
        },
        _ => Err(unknown("to_hex", types)),
    }
}

/// A negative number is that of its bits.
fn hexadecimals(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let texts: StringArray = if *args[0].data_type() == DataType::Int32 {
        let numbers = args[0].as_primitive::<Int32Type>().iter();
        numbers.map(|number| number.map(|number| format!("{number:x}"))).collect()
    } else {
        let numbers = args[0].as_primitive::<Int64Type>().iter();
        numbers.map(|number| number.map(|number| format!("{number:x}"))).collect()
    };
    Ok(Arc::new(texts))
}

fn encoded(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let names = args[1].as_string::<i32>();
    let mut encodings = LastMade::default();
    let rows = args[0].as_binary::<i32>().iter().zip(names);
    let rows = rows.map(|(bytes, name)| {
        let Some((bytes, name)) = bytes.zip(name) else { return Ok(None) };
        Ok(Some(match encodings.of(name, named)? {
            Encoding::Hexadecimal => hexadecimal(bytes),
            Encoding::Base64 => base64(bytes),
            Encoding::Escape => escaped(bytes),
        }))
    });
    Ok(Arc::new(rows.collect::<Outcome<StringArray>>()?))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Lines of 76 digits, of which also the last ends with a new line when it is full.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + bytes.len() / 57 + 4);
    let mut line = 0;
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            match at <= part.len() {
                true => text.push(DIGITS[(group >> (18 - 6 * at) & 63) as usize].into()),
                false => text.push('='),
            }
        }
        line += 4;
        if line == LINE && part.len() == 3 {
            text.push('\n');
            line = 0;
        }
    }
    text
}

/// Bytes that are no ASCII in octal digits.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 | 0x80.. => {
                // Writing into a text does not fail.
                let _ = write!(text, "\\{byte:03o}");
            }
            b'\\' => text.push_str("\\\\"),
            byte => text.push(char::from(*byte)),
        }
    }
    text
}

fn decoded(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let names = args[1].as_string::<i32>();
    let mut encodings = LastMade::default();
    let rows = args[0].as_string::<i32>().iter().zip(names);
    let rows = rows.map(|(text, name)| {
        let Some((text, name)) = text.zip(name) else { return Ok(None) };
        match encodings.of(name, named)? {
            Encoding::Hexadecimal => of_hexadecimal(text).map(Some),
            Encoding::Base64 => of_base64(text).map(Some),
            Encoding::Escape if text.starts_with("\\x") => Err(invalid_text("bytea", text)),
            Encoding::Escape => super::super::text_input::bytes(text).map(Some),
        }
    });
    let rows = rows.collect::<Outcome<Vec<Option<Vec<u8>>>>>()?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\t' | '\r')
}

fn of_hexadecimal(text: &str) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let digit = |c: char| {
        let value = c.to_digit(16).map(|value| value as u8);
        value.ok_or_else(|| failure("22023", format!("invalid hexadecimal digit: \"{c}\"")))
    };
    let mut chars = text.chars().filter(|c| !is_blank(*c));
    while let Some(first) = chars.next() {
        let high = digit(first)?;
        let odd = || failure("22023", "invalid hexadecimal data: odd number of digits");
        bytes.push(high << 4 | digit(chars.next().ok_or_else(odd)?)?);
    }
    Ok(bytes)
}

fn of_base64(text: &str) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    // The digits of a group so far, how many, and how many of them stand for nothing.
    let (mut group, mut count, mut ends) = (0_u32, 0, 0_usize);
    for c in text.chars().filter(|c| !is_blank(*c)) {
        let value = if c == '=' {
            // Only the last two of a group may stand for nothing.
            if count < 2 {
                return Err(failure("22023", "unexpected \"=\" while decoding base64 sequence"));
            }
            ends += 1;
            0
        } else {
            let value = u8::try_from(c).ok().and_then(|c| DIGITS.iter().position(|d| *d == c));
            value.filter(|_| ends == 0).ok_or_else(|| {
                let message =
                    format!("invalid symbol \"{c}\" found while decoding base64 sequence");
                failure("22023", message)
            })?
        };
        group = group << 6 | value as u32;
        count += 1;
        if count == 4 {
            bytes.extend(&group.to_be_bytes()[1..4 - ends.min(2)]);
            (group, count) = (0, 0);
        }
    }
    match count {
        0 => Ok(bytes),
        _ => Err(failure("22023", "invalid base64 end sequence")),
    }
}
