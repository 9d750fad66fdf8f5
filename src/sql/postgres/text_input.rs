//! Reads texts as values of other types, as `PostgreSQL` does.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::scalar::ScalarValue;

use super::failure::{Outcome, failure, invalid_text};
use super::numeric::Numeric;
use super::type_name::{Group, group, name};
use super::{interval_text, numeric, time_arithmetic, time_text};
use crate::known_settings::truth;

/// The value that `text` is in type `to`.
pub(super) fn value(text: &str, to: &DataType) -> Outcome<ScalarValue> {
    use DataType as D;
    Ok(match to {
        D::Boolean => ScalarValue::Boolean(Some(boolean(text)?)),
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 => {
            return integer(text, to);
        }
        D::UInt64 => {
            let number: Result<u64, _> = text.trim().parse();
            ScalarValue::UInt64(Some(number.map_err(|_| invalid_text("numeric", text))?))
        }
        D::Float32 => ScalarValue::Float32(Some(double(text, "real")? as f32)),
        D::Float64 => ScalarValue::Float64(Some(double(text, "double precision")?)),
        D::Decimal128(..) | D::Decimal256(..) => return decimal(Numeric::parse(text)?, to),
        D::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        D::LargeUtf8 => ScalarValue::LargeUtf8(Some(text.to_owned())),
        D::Utf8View => ScalarValue::Utf8View(Some(text.to_owned())),
        D::Binary => ScalarValue::Binary(Some(bytes(text)?)),
        D::Date32 => ScalarValue::Date32(Some(time_text::date(text)?)),
        D::Time64(TimeUnit::Microsecond) => {
            ScalarValue::Time64Microsecond(Some(time_text::time(text)?))
        }
        D::Timestamp(TimeUnit::Microsecond, None) => {
            ScalarValue::TimestampMicrosecond(Some(time_text::timestamp(text)?), None)
        }
        D::Timestamp(TimeUnit::Microsecond, zone) => {
            ScalarValue::TimestampMicrosecond(Some(time_text::timestamptz(text)?), zone.clone())
        }
        D::Interval(_) => {
            let span = interval_text::interval(text)?;
            ScalarValue::IntervalMonthDayNano(Some(time_arithmetic::of_span(span)?))
        }
        D::List(field) => list(text, field)?,
        other => return Err(failure("0A000", format!("no text is read as {}", name(other)))),
    })
}

/// A column of texts as another type.
pub(super) fn column(texts: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    let texts = cast(texts, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    if matches!(to, DataType::Decimal128(..) | DataType::Decimal256(..)) {
        return numeric::column(texts.iter().map(|text| text.map(Numeric::parse).transpose()), to);
    }
    let absent = ScalarValue::try_from(to)?;
    if texts.is_empty() {
        return Ok(datafusion::arrow::array::new_empty_array(to));
    }
    let one = |text: Option<&str>| text.map_or(Ok(absent.clone()), |text| value(text, to));
    let values = texts.iter().map(one).collect::<Outcome<Vec<_>>>()?;
    ScalarValue::iter_to_array(values)
}

/// A number as a value of a decimal type, rounded to its scale.
pub(super) fn decimal(number: Numeric, to: &DataType) -> Outcome<ScalarValue> {
    let array = numeric::column(std::iter::once(Ok(Some(number))), to)?;
    ScalarValue::try_from_array(&array, 0)
}

fn boolean(text: &str) -> Outcome<bool> {
    truth(text).ok_or_else(|| invalid_text("boolean", text))
}

fn integer(text: &str, to: &DataType) -> Outcome<ScalarValue> {
    let type_name = name(to);
    let digits = text.trim();
    let number: i128 = digits.parse().map_err(|_| {
        let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
        match !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            true => too_large(text, &type_name),
            false => invalid_text(&type_name, text),
        }
    })?;
    let wide = i64::try_from(number).ok().map(|number| ScalarValue::Int64(Some(number)));
    let value = wide.ok_or_else(|| too_large(text, &type_name))?;
    value.cast_to(to).map_err(|_| too_large(text, &type_name))
}

fn too_large(text: &str, type_name: &str) -> datafusion::error::DataFusionError {
    failure("22003", format!("value \"{text}\" is out of range for type {type_name}"))
}

fn double(text: &str, type_name: &str) -> Outcome<f64> {
    let word = text.trim();
    let lower = word.to_ascii_lowercase();
    let number = match lower.as_str() {
        "nan" => f64::NAN,
        "infinity" | "+infinity" | "inf" | "+inf" => f64::INFINITY,
        "-infinity" | "-inf" => f64::NEG_INFINITY,
        _ if word.bytes().any(|byte| byte.is_ascii_digit()) => {
            let number: f64 = word.parse().map_err(|_| invalid_text(type_name, text))?;
            let is_beyond =
                number.is_infinite() || (type_name == "real" && (number as f32).is_infinite());
            if is_beyond {
                let message = format!("\"{text}\" is out of range for type {type_name}");
                return Err(failure("22003", message));
            }
            number
        }
        _ => return Err(invalid_text(type_name, text)),
    };
    Ok(number)
}

/// `\x` and hexadecimal digits, or text with escapes.
pub(super) fn bytes(text: &str) -> Outcome<Vec<u8>> {
    let wrong = || invalid_text("bytea", text);
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let (pairs, []) = digits.as_chunks::<2>() else {
            return Err(failure("22023", "invalid hexadecimal data: odd number of digits"));
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        return pairs.iter().map(|pair| byte(pair).ok_or_else(wrong)).collect();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                after
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            (b'\\', _) => return Err(wrong()),
            (byte, after) => {
                bytes.push(*byte);
                after
            }
        };
    }
    Ok(bytes)
}

/// `{1,2,NULL}`: lists of one dimension.
fn list(text: &str, field: &Arc<Field>) -> Outcome<ScalarValue> {
    let wrong = || failure("22P02", format!("malformed array literal: \"{text}\""));
    let items = elements(text).ok_or_else(wrong)?;
    let to = field.data_type();
    let absent = ScalarValue::try_from(to)?;
    let one = |item: Option<String>| item.map_or(Ok(absent.clone()), |item| value(&item, to));
    let values = items.into_iter().map(one).collect::<Outcome<Vec<_>>>()?;
    let values = ScalarValue::new_list(&values, to, true);
    let values = cast(&(values as ArrayRef), &DataType::List(Arc::clone(field)))?;
    Ok(ScalarValue::List(Arc::new(values.as_list::<i32>().clone())))
}

/// The elements of a list in braces; an unquoted NULL is none.
pub(super) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let text = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut chars = text.chars().peekable();
    if text.trim().is_empty() {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut is_quoted = false;
        while let Some(c) = chars.next_if(|c| *c != ',') {
            match c {
                '"' => {
                    is_quoted = true;
                    loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => item.push(chars.next()?),
                            c => item.push(c),
                        }
                    }
                }
                '\\' => item.push(chars.next()?),
                '{' | '}' => return None,
                c => item.push(c),
            }
        }
        let trimmed = if is_quoted { item } else { item.trim().to_owned() };
        let is_null = !is_quoted && trimmed.eq_ignore_ascii_case("null");
        if trimmed.is_empty() && !is_quoted {
            return None;
        }
        items.push((!is_null).then_some(trimmed));
        if chars.next().is_none() {
            return Some(items);
        }
    }
}

/// Whether texts can be read as this type.
pub(super) fn is_readable(to: &DataType) -> bool {
    match to {
        DataType::List(field) => is_readable(field.data_type()),
        DataType::Timestamp(unit, _) | DataType::Time64(unit) => *unit == TimeUnit::Microsecond,
        _ => !matches!(group(to), Group::Other | Group::Unknown | Group::List),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values() {
        let of = |text: &str, to: DataType| value(text, &to).map(|value| value.to_string());
        assert_eq!(of(" 5 ", DataType::Int32).expect("a number"), "5");
        assert_eq!(of("t", DataType::Boolean).expect("a bool"), "true");
        assert_eq!(of("of", DataType::Boolean).expect("a bool"), "false");
        assert_eq!(bytes("\\xDEad").expect("bytes"), [0xDE, 0xAD]);
        assert_eq!(bytes("a\\001\\\\").expect("bytes"), [b'a', 1, b'\\']);
        for (text, to) in [
            ("1.5", DataType::Int32),
            ("99999999999", DataType::Int32),
            ("o", DataType::Boolean),
            ("1e400", DataType::Float64),
            ("\\x1", DataType::Binary),
            ("x", DataType::Date32),
        ] {
            assert!(of(text, to).is_err(), "{text}");
        }
        let ints = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
        assert_eq!(of("{1,NULL,3}", ints.clone()).expect("a list"), "[1, , 3]");
        assert!(of("{1,{2}}", ints.clone()).is_err() && of("1", ints).is_err());
    }
}
