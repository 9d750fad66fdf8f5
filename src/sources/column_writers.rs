//! Writes text values to typed arrays: one writer per column, which parses, collects, and can
//! truncate.
//!
//! A record is pushed column by column; when one of its values is bad, the columns before it have
//! one value too many. So every writer can be truncated to a number of rows, which Arrow's builders
//! cannot.

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, TimeUnit};
use data_encoding::HEXLOWER_PERMISSIVE;
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use super::bad_record::Bad;
use super::nested_column_writers::{Lists, Structs};
use super::unmatched_fields::Unmatched;
use diptych_base::error::{Error, Kind, Result};
use diptych_event::{Date, Timestamp, UNIT_KEY, Unit, VARIANTS_KEY, is_number, parse_decimal};

/// Collects the values of one column.
///
/// After an error a writer may hold a part of the value: the caller truncates it.
pub(crate) trait ColumnWriter: Send {
    /// Parses `text` and appends the value.
    fn text(&mut self, text: &str) -> Result<(), Bad>;

    /// Appends the value of a JSON token other than `null`. A number may be a string.
    fn json(&mut self, token: &str) -> Result<(), Bad> {
        match token.as_bytes().first() {
            Some(b'"') => self.text(&unquoted(token)?),
            _ => self.text(token),
        }
    }

    /// Appends a null.
    fn null(&mut self);

    /// Removes all values but the first `rows`.
    fn truncate(&mut self, rows: usize);

    /// Makes an object with a member that is not a field a bad value from now on.
    fn refuse_unknown(&mut self) {}

    /// Adds the differences between the values so far and the fields to `told`, below `path`.
    fn unmatched(&self, _path: &str, _told: &mut Unmatched) {}

    /// Returns the values as an array; the writer is empty afterwards.
    fn finish(&mut self) -> ArrayRef;
}

/// Makes the writer of the column that `field` declares.
///
/// # Errors
/// When `#[derive(Event)]` makes no column of this type.
pub(crate) fn writer(field: &Field) -> Result<Box<dyn ColumnWriter>> {
    writer_within(field, None)
}

/// Makes a writer as [`writer`] does, where `outer` is the unit of the list around the values.
///
/// # Errors
/// As [`writer`]; and when the unit is unknown.
pub(super) fn writer_within(field: &Field, outer: Option<Unit>) -> Result<Box<dyn ColumnWriter>> {
    let unit = unit(field)?.or(outer);
    Ok(match field.data_type() {
        DataType::UInt8 => integers::<UInt8Type>(u8::MIN, u8::MAX),
        DataType::UInt16 => integers::<UInt16Type>(u16::MIN, u16::MAX),
        DataType::UInt32 => integers::<UInt32Type>(u32::MIN, u32::MAX),
        DataType::UInt64 => integers::<UInt64Type>(u64::MIN, u64::MAX),
        DataType::Int8 => integers::<Int8Type>(i8::MIN, i8::MAX),
        DataType::Int16 => integers::<Int16Type>(i16::MIN, i16::MAX),
        DataType::Int32 => integers::<Int32Type>(i32::MIN, i32::MAX),
        DataType::Int64 => integers::<Int64Type>(i64::MIN, i64::MAX),
        DataType::Float32 => {
            numbers::<Float32Type>(field, "a number", |text| float(text, f32::is_infinite))
        }
        DataType::Float64 => {
            numbers::<Float64Type>(field, "a number", |text| float(text, f64::is_infinite))
        }
        DataType::Decimal128(_, scale) if *scale >= 0 => {
            let scale = scale.cast_unsigned();
            let expected = format!("a decimal number with at most {scale} digits behind the point");
            numbers::<Decimal128Type>(field, expected, move |text| parse_decimal(text, scale))
        }
        DataType::Date32 => days(field, unit),
        DataType::Timestamp(TimeUnit::Microsecond, _) => times(field, unit),
        DataType::Boolean => Box::new(Booleans::default()),
        DataType::Utf8 => Box::new(Texts { variants: variants(field)?, bytes: Bytes::default() }),
        DataType::Binary => Box::new(Hexes(Bytes::default())),
        DataType::List(item) => Box::new(Lists::new(item, unit)?),
        DataType::Struct(fields) => Box::new(Structs::new(fields)?),
        other => {
            let message = format!("column `{}` is {other}, which files cannot hold", field.name());
            return Err(Error::new(Kind::Input, message)
                .remedy("append it as Arrow record batches, or change the column's type"));
        }
    })
}

/// The unit of a number in the column, when its field declares one.
fn unit(field: &Field) -> Result<Option<Unit>> {
    let Some(name) = field.metadata().get(UNIT_KEY) else { return Ok(None) };
    Unit::named(name).map(Some).ok_or_else(|| {
        let place = format!("the metadata {UNIT_KEY} of column `{}`", field.name());
        Error::new(Kind::Input, format!("{place} is no unit of time: {name}"))
    })
}

fn days(field: &Field, unit: Option<Unit>) -> Box<dyn ColumnWriter> {
    let expected = "a day such as 2016-10-01 or 20161001";
    if unit != Some(Unit::Days) {
        let expected = format!("{expected}, or a number with its unit such as 17075 days");
        return numbers::<Date32Type>(field, expected, |text| text.parse().ok().map(Date::days));
    }
    let expected = format!("{expected}, or a number of days since 1970 in the years 0 to 9999");
    numbers::<Date32Type>(field, expected, |text| {
        let day = if is_number(text) { Date::counted(text) } else { text.parse().ok() };
        day.map(Date::days)
    })
}

fn times(field: &Field, unit: Option<Unit>) -> Box<dyn ColumnWriter> {
    let expected = "a time such as 2016-10-01T09:26:31Z";
    let Some(unit) = unit else {
        let expected = format!("{expected}, or a number with its unit such as 1475313991 s");
        return numbers::<TimestampMicrosecondType>(field, expected, |text| {
            text.parse().ok().map(Timestamp::micros)
        });
    };
    let name = unit.name();
    let expected = format!("{expected}, or a number of {name} since 1970 in the years 0 to 9999");
    numbers::<TimestampMicrosecondType>(field, expected, move |text| {
        let at = if is_number(text) { Timestamp::counted(text, unit) } else { text.parse().ok() };
        at.map(Timestamp::micros)
    })
}

/// Removes the quotes and escapes of a JSON string. (Half a surrogate pair is a token, but not
/// text.)
fn unquoted(token: &str) -> Result<Cow<'_, str>, Bad> {
    match token.strip_prefix('"').and_then(|token| token.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str(token).map_err(|_| Bad::value(token, "a string of Unicode text")),
    }
}

/// A column of numbers or of types stored as numbers, with the parser of one value.
struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    parse: Box<dyn Fn(&str) -> Option<T::Native> + Send>,
    expected: String,
    data_type: DataType,
}

fn numbers<T: ArrowPrimitiveType>(
    field: &Field,
    expected: impl Into<String>,
    parse: impl Fn(&str) -> Option<T::Native> + Send + 'static,
) -> Box<dyn ColumnWriter> {
    Box::new(Numbers::<T> {
        values: Vec::new(),
        nulls: NullBufferBuilder::new(0),
        parse: Box::new(parse),
        expected: expected.into(),
        data_type: field.data_type().clone(),
    })
}

fn integers<T>(least: T::Native, most: T::Native) -> Box<dyn ColumnWriter>
where
    T: ArrowPrimitiveType<Native: FromStr + std::fmt::Display>,
{
    let field = Field::new("", T::DATA_TYPE, true);
    numbers::<T>(&field, format!("a whole number from {least} to {most}"), |text| {
        text.parse().ok().or_else(|| {
            // Tables often write whole numbers of a column with gaps as floats: 17850.0.
            let (whole, zeros) = text.split_once('.')?;
            zeros.bytes().all(|byte| byte == b'0').then(|| whole.parse().ok())?
        })
    })
}

/// Parses a float; none when the number is too large for the type.
fn float<F: FromStr + Copy>(text: &str, is_infinite: impl Fn(F) -> bool) -> Option<F> {
    let value = text.parse::<F>().ok()?;
    let named = text.bytes().any(|byte| matches!(byte, b'i' | b'I'));
    (named || !is_infinite(value)).then_some(value)
}

impl<T: ArrowPrimitiveType> ColumnWriter for Numbers<T> {
    fn text(&mut self, text: &str) -> Result<(), Bad> {
        let Some(value) = (self.parse)(text.trim_ascii()) else {
            return Err(Bad::value(text, &self.expected));
        };
        self.values.push(value);
        self.nulls.append_non_null();
        Ok(())
    }
    fn null(&mut self) {
        self.values.push(T::Native::default());
        self.nulls.append_null();
    }
    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }
    fn finish(&mut self) -> ArrayRef {
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        let array = PrimitiveArray::<T>::new(values, self.nulls.finish());
        Arc::new(array.with_data_type(self.data_type.clone()))
    }
}

struct Booleans {
    values: Vec<bool>,
    nulls: NullBufferBuilder,
}

impl Default for Booleans {
    fn default() -> Self {
        Booleans { values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl ColumnWriter for Booleans {
    fn text(&mut self, text: &str) -> Result<(), Bad> {
        let is = |names: [&str; 3]| names.iter().any(|n| n.eq_ignore_ascii_case(text.trim_ascii()));
        let value = is(["true", "t", "1"]);
        if !value && !is(["false", "f", "0"]) {
            return Err(Bad::value(text, "true or false"));
        }
        self.values.push(value);
        self.nulls.append_non_null();
        Ok(())
    }
    fn null(&mut self) {
        self.values.push(false);
        self.nulls.append_null();
    }
    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }
    fn finish(&mut self) -> ArrayRef {
        let values = std::mem::take(&mut self.values);
        Arc::new(BooleanArray::new(values.into(), self.nulls.finish()))
    }
}

/// A buffer of values of any length, end to end.
struct Bytes {
    joined: Vec<u8>,
    /// The ends of the values; those of a chunk of a file stay far below 2 GiB.
    ends: Vec<usize>,
    nulls: NullBufferBuilder,
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes { joined: Vec::new(), ends: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl Bytes {
    /// Ends a value whose bytes were written to `joined`.
    fn end(&mut self, present: bool) {
        self.ends.push(self.joined.len());
        self.nulls.append(present);
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.nulls.truncate(rows);
        self.joined.truncate(self.ends.last().copied().unwrap_or(0));
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Buffer, Option<arrow_buffer::NullBuffer>) {
        let mut start = 0;
        let lengths = self.ends.drain(..).map(|end| end - std::mem::replace(&mut start, end));
        let offsets = OffsetBuffer::from_lengths(lengths);
        (offsets, Buffer::from_vec(std::mem::take(&mut self.joined)), self.nulls.finish())
    }
}

/// A column of text; with variants, of only those texts.
struct Texts {
    variants: Option<Vec<String>>,
    bytes: Bytes,
}

/// The texts that a column may hold, when its field lists them.
fn variants(field: &Field) -> Result<Option<Vec<String>>> {
    let Some(listed) = field.metadata().get(VARIANTS_KEY) else { return Ok(None) };
    serde_json::from_str(listed).map(Some).map_err(|error| {
        let place = format!("the metadata {VARIANTS_KEY} of column `{}`", field.name());
        Error::new(Kind::Input, format!("{place} is no list of strings: {error}"))
    })
}

impl ColumnWriter for Texts {
    fn text(&mut self, text: &str) -> Result<(), Bad> {
        if let Some(variants) = &self.variants
            && !variants.iter().any(|variant| variant == text)
        {
            return Err(Bad::value(text, &format!("one of {}", variants.join(", "))));
        }
        self.bytes.joined.extend_from_slice(text.as_bytes());
        self.bytes.end(true);
        Ok(())
    }
    fn json(&mut self, token: &str) -> Result<(), Bad> {
        match token.as_bytes().first() {
            Some(b'"') => self.text(&unquoted(token)?),
            _ => Err(Bad::value(token, "a string")),
        }
    }
    fn null(&mut self) {
        self.bytes.end(false);
    }
    fn truncate(&mut self, rows: usize) {
        self.bytes.truncate(rows);
    }
    fn finish(&mut self) -> ArrayRef {
        let (offsets, bytes, nulls) = self.bytes.finish();
        Arc::new(StringArray::new(offsets, bytes, nulls))
    }
}

/// A column of bytes, written as hexadecimal digits.
struct Hexes(Bytes);

impl ColumnWriter for Hexes {
    fn text(&mut self, text: &str) -> Result<(), Bad> {
        let bytes = HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .map_err(|_| Bad::value(text, "an even number of hexadecimal digits"))?;
        self.0.joined.extend_from_slice(&bytes);
        self.0.end(true);
        Ok(())
    }
    fn null(&mut self) {
        self.0.end(false);
    }
    fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows);
    }
    fn finish(&mut self) -> ArrayRef {
        let (offsets, bytes, nulls) = self.0.finish();
        Arc::new(BinaryArray::new(offsets, bytes, nulls))
    }
}
