//! One value of one column, for code that knows only the schema.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::Value;

use super::order_codec;
use super::schema::{Column, ColumnType};
use super::{Columns, format_decimal};
use diptych_base::error::{Error, Kind, Result};
use diptych_event::{Date, Timestamp, parse_decimal};

/// A value of any column type.
///
/// `Display` is the form of tables and CSV: dates and instants as in RFC 3339, decimals with all
/// their digits, bytes as hexadecimal digits, an absent value as `null`.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Absent, in a nullable column.
    Null,
    /// `bool`.
    Bool(bool),
    /// `i8` to `i64`.
    Int(i64),
    /// `u8` to `u64`.
    UInt(u64),
    /// `f32`.
    F32(f32),
    /// `f64`.
    F64(f64),
    /// An exact decimal.
    Decimal {
        /// The number without its point.
        units: i128,
        /// Digits behind the point.
        scale: u8,
    },
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An instant.
    Timestamp(Timestamp),
    /// A day.
    Date(Date),
}

impl Datum {
    /// Removes the value of `column` from the front of `bytes`.
    ///
    /// # Errors
    /// When the bytes are not a value of that column.
    pub fn decode(column: &Column, bytes: &mut &[u8]) -> Result<Datum> {
        let place = |error: Error| error.within(format!("column \"{}\"", column.name));
        if column.nullable && !order_codec::take_tag(bytes).map_err(place)? {
            return Ok(Datum::Null);
        }
        Datum::decode_present(column.ty, bytes).map_err(place)
    }

    pub(super) fn decode_present(ty: ColumnType, bytes: &mut &[u8]) -> Result<Datum> {
        Ok(match ty {
            ColumnType::U8 => Datum::UInt(u8::decode(bytes)?.into()),
            ColumnType::U16 => Datum::UInt(u16::decode(bytes)?.into()),
            ColumnType::U32 => Datum::UInt(u32::decode(bytes)?.into()),
            ColumnType::U64 => Datum::UInt(u64::decode(bytes)?),
            ColumnType::I8 => Datum::Int(i8::decode(bytes)?.into()),
            ColumnType::I16 => Datum::Int(i16::decode(bytes)?.into()),
            ColumnType::I32 => Datum::Int(i32::decode(bytes)?.into()),
            ColumnType::I64 => Datum::Int(i64::decode(bytes)?),
            ColumnType::F32 => Datum::F32(f32::decode(bytes)?),
            ColumnType::F64 => Datum::F64(f64::decode(bytes)?),
            ColumnType::Bool => Datum::Bool(bool::decode(bytes)?),
            ColumnType::String => Datum::String(String::decode(bytes)?),
            ColumnType::Bytes => Datum::Bytes(Vec::decode(bytes)?),
            ColumnType::Decimal { scale } => {
                Datum::Decimal { units: order_codec::take_i128(bytes)?, scale }
            }
            ColumnType::Timestamp => Datum::Timestamp(Timestamp::decode(bytes)?),
            ColumnType::Date => Datum::Date(Date::decode(bytes)?),
        })
    }

    /// Appends the ordered bytes of this value of `column`.
    ///
    /// # Errors
    /// When the value is not one of the column's type.
    pub fn encode(&self, column: &Column, out: &mut Vec<u8>) -> Result<()> {
        let refuse = || {
            let Column { name, ty, .. } = column;
            Error::new(Kind::Input, format!("column \"{name}\" holds {ty}, not {self}"))
                .remedy("give a value of the column's type")
        };
        match (self, column.nullable) {
            (Datum::Null, true) => out.push(order_codec::NULL),
            (Datum::Null, false) => return Err(refuse()),
            (_, nullable) => {
                if nullable {
                    out.push(order_codec::PRESENT);
                }
                self.encode_present(column.ty, out).ok_or_else(refuse)?;
            }
        }
        Ok(())
    }

    fn encode_present(&self, ty: ColumnType, out: &mut Vec<u8>) -> Option<()> {
        match (ty, self) {
            (ColumnType::U8, Datum::UInt(n)) => u8::try_from(*n).ok()?.encode(out),
            (ColumnType::U16, Datum::UInt(n)) => u16::try_from(*n).ok()?.encode(out),
            (ColumnType::U32, Datum::UInt(n)) => u32::try_from(*n).ok()?.encode(out),
            (ColumnType::U64, Datum::UInt(n)) => n.encode(out),
            (ColumnType::I8, Datum::Int(n)) => i8::try_from(*n).ok()?.encode(out),
            (ColumnType::I16, Datum::Int(n)) => i16::try_from(*n).ok()?.encode(out),
            (ColumnType::I32, Datum::Int(n)) => i32::try_from(*n).ok()?.encode(out),
            (ColumnType::I64, Datum::Int(n)) => n.encode(out),
            (ColumnType::F32, Datum::F32(x)) => x.encode(out),
            (ColumnType::F64, Datum::F64(x)) => x.encode(out),
            (ColumnType::Bool, Datum::Bool(b)) => b.encode(out),
            (ColumnType::String, Datum::String(text)) => {
                order_codec::put_bytes(text.as_bytes(), out);
            }
            (ColumnType::Bytes, Datum::Bytes(bytes)) => order_codec::put_bytes(bytes, out),
            (ColumnType::Decimal { scale }, Datum::Decimal { units, scale: own })
                if scale == *own =>
            {
                order_codec::put_i128(*units, out);
            }
            (ColumnType::Timestamp, Datum::Timestamp(at)) => at.encode(out),
            (ColumnType::Date, Datum::Date(day)) => day.encode(out),
            _ => return None,
        }
        Some(())
    }

    /// Parses the `Display` form of a value of `column`. The result is never absent, since every
    /// text is a value of a text column.
    ///
    /// # Errors
    /// When the text is not a value of the column's type.
    pub fn parse(column: &Column, text: &str) -> Result<Datum> {
        Datum::parse_present(column.ty, text).ok_or_else(|| {
            let Column { name, ty, nullable } = column;
            let absent = if *nullable { ", or null in a JSON list" } else { "" };
            let shown: String = text.chars().take(100).collect();
            Error::new(Kind::Input, format!("column \"{name}\": \"{shown}\" is no {ty}"))
                .remedy(format!("write a value of type {ty}{absent}"))
        })
    }

    fn parse_present(ty: ColumnType, text: &str) -> Option<Datum> {
        let unsigned = |most: u64| text.parse().ok().filter(|n| *n <= most).map(Datum::UInt);
        let signed = |least: i64, most: i64| {
            text.parse().ok().filter(|n| (least..=most).contains(n)).map(Datum::Int)
        };
        match ty {
            ColumnType::U8 => unsigned(u8::MAX.into()),
            ColumnType::U16 => unsigned(u16::MAX.into()),
            ColumnType::U32 => unsigned(u32::MAX.into()),
            ColumnType::U64 => unsigned(u64::MAX),
            ColumnType::I8 => signed(i8::MIN.into(), i8::MAX.into()),
            ColumnType::I16 => signed(i16::MIN.into(), i16::MAX.into()),
            ColumnType::I32 => signed(i32::MIN.into(), i32::MAX.into()),
            ColumnType::I64 => signed(i64::MIN, i64::MAX),
            ColumnType::F32 => float(text, f32::is_infinite).map(Datum::F32),
            ColumnType::F64 => float(text, f64::is_infinite).map(Datum::F64),
            ColumnType::Bool => text.parse().ok().map(Datum::Bool),
            ColumnType::String => Some(Datum::String(text.to_owned())),
            ColumnType::Bytes => parse_hex(text).map(Datum::Bytes),
            ColumnType::Decimal { scale } => {
                parse_decimal(text, scale).map(|units| Datum::Decimal { units, scale })
            }
            ColumnType::Timestamp => text.parse().ok().map(Datum::Timestamp),
            ColumnType::Date => text.parse().ok().map(Datum::Date),
        }
    }

    /// Converts the value to JSON: numbers and booleans as such (floats without a JSON number as
    /// text), everything else as text.
    pub fn to_json(&self) -> Value {
        match self {
            Datum::Null => Value::Null,
            Datum::Bool(b) => Value::from(*b),
            Datum::Int(n) => Value::from(*n),
            Datum::UInt(n) => Value::from(*n),
            Datum::F32(x) if x.is_finite() => Value::from(*x),
            Datum::F64(x) if x.is_finite() => Value::from(*x),
            other => Value::from(other.to_string()),
        }
    }
}

/// Parses a float; none when the number is too large for the type.
fn float<F: FromStr + Copy>(text: &str, is_infinite: impl Fn(F) -> bool) -> Option<F> {
    let value = text.parse::<F>().ok()?;
    let named = text.bytes().any(|byte| matches!(byte, b'i' | b'I'));
    (named || !is_infinite(value)).then_some(value)
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Null => f.write_str("null"),
            Datum::Bool(b) => write!(f, "{b}"),
            Datum::Int(n) => write!(f, "{n}"),
            Datum::UInt(n) => write!(f, "{n}"),
            Datum::F32(x) => write!(f, "{x}"),
            Datum::F64(x) => write!(f, "{x}"),
            Datum::Decimal { units, scale } => f.write_str(&format_decimal::show(*units, *scale)),
            Datum::String(text) => f.write_str(text),
            Datum::Bytes(bytes) => f.write_str(&HEXLOWER.encode(bytes)),
            Datum::Timestamp(at) => write!(f, "{at}"),
            Datum::Date(day) => write!(f, "{day}"),
        }
    }
}
