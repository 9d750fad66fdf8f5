//! Parameters: the client's bytes become a value.

use super::binary::{self, DAYS_TO_2000, MICROS_TO_2000};
use super::error::Failure;
use super::parse_time_text::{self, IntervalParts};
use super::types::{self, oid};
use diptych_event::{Date, Timestamp};
use diptych_row::{Column, ColumnType, Datum};

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Param {
    Null,
    Bool(bool),
    Int(i64),
    Float(f32),
    Double(f64),
    /// Digits with an optional sign and point.
    Numeric(String),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970, and whether the client's type is an instant.
    Timestamp(i64, bool),
    /// Microseconds since midnight.
    Time(i64),
    Interval(IntervalParts),
    /// Elements, and their common type.
    List(Vec<Param>, u32),
}

impl Param {
    /// Parses `bytes` in `format` as a value of the type `oid`.
    ///
    /// # Errors
    /// When the bytes are not of that type, or the type is understood only as text.
    pub(super) fn parse(oid: u32, format: i16, bytes: Option<&[u8]>) -> Result<Param, Failure> {
        let Some(bytes) = bytes else { return Ok(Param::Null) };
        let refuse = |how: &str| Failure::new("22P03", format!("not a value of type {oid}{how}"));
        match format {
            0 => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| Failure::new("22021", "a parameter that is not UTF-8"))?;
                parse_text(oid, text).ok_or_else(|| {
                    let shown: String = text.chars().take(60).collect();
                    Failure::new("22P02", format!("\"{shown}\" is not a value of type {oid}"))
                })
            }
            1 => parse_binary(oid, bytes).ok_or_else(|| refuse(", in binary")),
            _ => Err(Failure::new("08P01", format!("there is no format {format}"))),
        }
    }

    /// The memory that the value takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let own = match self {
            Param::Numeric(text) | Param::Text(text) => text.capacity(),
            Param::Bytes(bytes) => bytes.capacity(),
            Param::List(values, _) => values.iter().map(Param::memory_bytes).sum(),
            _ => 0,
        };
        own + size_of::<Param>()
    }

    /// The equal value of a view's column; none when no value of the column can be equal.
    pub(super) fn datum(&self, column: &Column) -> Option<Datum> {
        use ColumnType as C;
        let unsigned = |most: u64, value: u64| (value <= most).then_some(Datum::UInt(value));
        match (column.ty, self) {
            (C::String, Param::Text(text)) => Some(Datum::String(text.clone())),
            (C::Bytes, Param::Bytes(bytes)) => Some(Datum::Bytes(bytes.clone())),
            (C::Bool, Param::Bool(value)) => Some(Datum::Bool(*value)),
            (C::Date, Param::Date(days)) => Some(Datum::Date(Date::from_days(*days))),
            (C::Timestamp, Param::Timestamp(micros, _)) => {
                Some(Datum::Timestamp(Timestamp::from_micros(*micros)))
            }
            (C::Decimal { scale }, value) => {
                let (units, own) = value.units()?;
                let units = if let Some(more) = scale.checked_sub(own) {
                    units.checked_mul(10i128.checked_pow(more.into())?)?
                } else {
                    let fewer = 10i128.checked_pow((own - scale).into())?;
                    (units % fewer == 0).then_some(units / fewer)?
                };
                Some(Datum::Decimal { units, scale })
            }
            (ty, value) => {
                let (units, scale) = value.units()?;
                let power = 10i128.checked_pow(scale.into())?;
                let whole = (units % power == 0).then_some(units / power)?;
                let signed = |least: i64, most: i64| {
                    let value = i64::try_from(whole).ok()?;
                    (least..=most).contains(&value).then_some(Datum::Int(value))
                };
                match ty {
                    C::U8 => unsigned(u8::MAX.into(), u64::try_from(whole).ok()?),
                    C::U16 => unsigned(u16::MAX.into(), u64::try_from(whole).ok()?),
                    C::U32 => unsigned(u32::MAX.into(), u64::try_from(whole).ok()?),
                    C::U64 => unsigned(u64::MAX, u64::try_from(whole).ok()?),
                    C::I8 => signed(i8::MIN.into(), i8::MAX.into()),
                    C::I16 => signed(i16::MIN.into(), i16::MAX.into()),
                    C::I32 => signed(i32::MIN.into(), i32::MAX.into()),
                    C::I64 => signed(i64::MIN, i64::MAX),
                    _ => None,
                }
            }
        }
    }

    /// The units and the scale of an exact number.
    pub(super) fn units(&self) -> Option<(i128, u8)> {
        match self {
            Param::Int(value) => Some(((*value).into(), 0)),
            Param::Numeric(digits) => units(digits),
            _ => None,
        }
    }
}

/// Whether a parameter of type `oid` can be compared with `column` value by value.
pub(super) fn is_comparable(oid: u32, column: &Column) -> bool {
    use ColumnType as C;
    match column.ty {
        C::String => matches!(oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME),
        C::Bytes => oid == oid::BYTEA,
        C::Bool => oid == oid::BOOL,
        C::Date => oid == oid::DATE,
        C::Timestamp => matches!(oid, oid::TIMESTAMPTZ | oid::TIMESTAMP),
        // Equal floats may have different bytes, so the planner compares them.
        C::F32 | C::F64 => false,
        _ => matches!(oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::NUMERIC | oid::OID),
    }
}

/// The units and the scale of a number in digits, of which there are at most 38.
pub(super) fn units(digits: &str) -> Option<(i128, u8)> {
    let (is_negative, rest) = digits.strip_prefix('-').map_or((false, digits), |rest| (true, rest));
    let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
    let joined = format!("{whole}{part}");
    if joined.is_empty() || !joined.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = joined.trim_start_matches('0');
    let units: i128 = match significant.len() {
        0 => 0,
        1..=38 => significant.parse().ok()?,
        _ => return None,
    };
    let scale = u8::try_from(part.len()).ok().filter(|scale| *scale <= 38)?;
    Some((if is_negative { -units } else { units }, scale))
}

/// A number such as `1.5E+3`, in digits alone.
fn without_exponent(text: &str) -> Option<String> {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return Some(text.to_owned());
    };
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= 38)?;
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let places = part.len() as i32 - exponent;
    let mut joined = format!("{whole}{part}");
    if joined.is_empty() {
        return None;
    }
    if places <= 0 {
        joined.extend(std::iter::repeat_n('0', places.unsigned_abs() as usize));
        return Some(format!("{sign}{joined}"));
    }
    let places = places as usize;
    let joined = format!("{joined:0>width$}", width = places + 1);
    let at = joined.len().checked_sub(places).filter(|at| joined.is_char_boundary(*at))?;
    let (whole, part) = joined.split_at(at);
    Some(format!("{sign}{whole}.{part}"))
}

fn parse_text(oid: u32, text: &str) -> Option<Param> {
    let trimmed = text.trim();
    Some(match oid {
        oid::BOOL => Param::Bool(match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => true,
            "f" | "false" | "n" | "no" | "off" | "0" => false,
            _ => return None,
        }),
        oid::INT2 => Param::Int(trimmed.parse::<i16>().ok()?.into()),
        oid::INT4 => Param::Int(trimmed.parse::<i32>().ok()?.into()),
        oid::OID => Param::Int(trimmed.parse::<u32>().ok()?.into()),
        oid::INT8 => Param::Int(trimmed.parse().ok()?),
        oid::FLOAT4 => Param::Float(trimmed.parse().ok()?),
        oid::FLOAT8 => Param::Double(trimmed.parse().ok()?),
        oid::NUMERIC => {
            let digits = without_exponent(trimmed.strip_prefix('+').unwrap_or(trimmed))?;
            units(&digits)?;
            Param::Numeric(digits)
        }
        oid::BYTEA => Param::Bytes(parse_bytea(text)?),
        oid::DATE => Param::Date(parse_time_text::date(trimmed)?),
        oid::TIMESTAMP => Param::Timestamp(parse_time_text::local(trimmed)?, false),
        oid::TIMESTAMPTZ => Param::Timestamp(parse_time_text::instant(trimmed)?, true),
        oid::TIME => Param::Time(parse_time_text::time(trimmed)?),
        oid::INTERVAL => Param::Interval(parse_time_text::interval(trimmed)?),
        _ => match types::element_of(oid) {
            Some(element) => Param::List(parse_list(trimmed, element)?, element),
            None => Param::Text(text.to_owned()),
        },
    })
}

fn parse_bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        return pairs.iter().map(|[a, b]| Some((digit(*a)? * 16 + digit(*b)?) as u8)).collect();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', octal @ ..] => {
                let (octal, rest) = octal.split_first_chunk::<3>()?;
                let octal = std::str::from_utf8(octal).ok()?;
                bytes.push(u8::from_str_radix(octal, 8).ok()?);
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

/// Parses `{a,"b c",NULL}`.
fn parse_list(text: &str, element: u32) -> Option<Vec<Param>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.chars().peekable();
    let mut values = Vec::new();
    if rest.peek().is_none() {
        return Some(values);
    }
    loop {
        let mut word = String::new();
        let mut is_quoted = false;
        let mut inside = false;
        let end = loop {
            match rest.next() {
                Some('\\') => word.push(rest.next()?),
                Some('"') => (is_quoted, inside) = (true, !inside),
                // Arrays of arrays are not supported.
                Some('{' | '}') if !inside => return None,
                Some(',') if !inside => break false,
                Some(c) => word.push(c),
                None if inside => return None,
                None => break true,
            }
        };
        let is_null = !is_quoted && word.trim().eq_ignore_ascii_case("null");
        values.push(if is_null { Param::Null } else { parse_text(element, &word)? });
        if end {
            return Some(values);
        }
    }
}

fn parse_binary(oid: u32, bytes: &[u8]) -> Option<Param> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().map(Param::Text);
    Some(match oid {
        oid::BOOL => match bytes {
            [byte] => Param::Bool(*byte != 0),
            _ => return None,
        },
        oid::INT2 => Param::Int(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT4 => Param::Int(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::OID => Param::Int(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT8 => Param::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        oid::FLOAT4 => Param::Float(f32::from_be_bytes(bytes.try_into().ok()?)),
        oid::FLOAT8 => Param::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
        oid::NUMERIC => {
            let digits = binary::parse_numeric(bytes)?;
            units(&digits)?;
            Param::Numeric(digits)
        }
        oid::BYTEA => Param::Bytes(bytes.to_vec()),
        oid::DATE => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            // The ends of the range mean infinity.
            Param::Date(match days {
                i32::MIN | i32::MAX => days,
                days => days.saturating_add(DAYS_TO_2000),
            })
        }
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            // The ends of the range mean infinity.
            let micros = match micros {
                i64::MIN | i64::MAX => micros,
                micros => micros.saturating_add(MICROS_TO_2000),
            };
            Param::Timestamp(micros, oid == oid::TIMESTAMPTZ)
        }
        oid::TIME => Param::Time(i64::from_be_bytes(bytes.try_into().ok()?)),
        oid::INTERVAL => {
            let (micros, rest) = bytes.split_first_chunk()?;
            let (days, months) = rest.split_first_chunk()?;
            Param::Interval(IntervalParts {
                micros: i64::from_be_bytes(*micros),
                days: i32::from_be_bytes(*days),
                months: i32::from_be_bytes(months.try_into().ok()?),
            })
        }
        oid::TEXT
        | oid::VARCHAR
        | oid::BPCHAR
        | oid::NAME
        | oid::CHAR
        | oid::UNKNOWN
        | oid::JSON
        | 0 => text(bytes)?,
        _ => {
            let element = types::element_of(oid)?;
            Param::List(parse_binary_list(bytes, element)?, element)
        }
    })
}

fn parse_binary_list(bytes: &[u8], element: u32) -> Option<Vec<Param>> {
    let (head, mut rest) = bytes.split_first_chunk::<12>()?;
    if head[..4] == [0; 4] {
        return Some(Vec::new());
    }
    let (size, behind) = rest.split_first_chunk::<8>()?;
    let (count, _) = size.split_first_chunk::<4>()?;
    if head[..4] != 1i32.to_be_bytes() || head[8..] != element.to_be_bytes() {
        return None;
    }
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    rest = behind;
    // Each element has at least a length.
    if count > rest.len() / 4 {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            values.push(Param::Null);
            continue;
        }
        let (value, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        values.push(parse_binary(element, value)?);
        rest = behind;
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(oid: u32, text: &str) -> Option<Param> {
        Param::parse(oid, 0, Some(text.as_bytes())).ok()
    }

    #[test]
    fn texts_are_values_of_their_type() {
        assert_eq!(text(oid::INT2, " 7 "), Some(Param::Int(7)));
        assert_eq!(text(oid::INT2, "70000"), None);
        assert_eq!(text(oid::BOOL, "ON"), Some(Param::Bool(true)));
        assert_eq!(text(oid::NUMERIC, "-1.50"), Some(Param::Numeric("-1.50".into())));
        assert_eq!(text(oid::NUMERIC, "x"), None);
        assert_eq!(text(oid::BYTEA, "\\x00fF"), Some(Param::Bytes(vec![0, 255])));
        assert_eq!(text(oid::BYTEA, "a\\\\\\001"), Some(Param::Bytes(vec![b'a', b'\\', 1])));
        assert_eq!(text(oid::DATE, "1970-01-02"), Some(Param::Date(1)));
        let second = Some(Param::Timestamp(1_000_000, true));
        assert_eq!(text(oid::TIMESTAMPTZ, "1970-01-01 00:00:01+00"), second);
        assert_eq!(text(oid::TIMESTAMPTZ, "1970-01-01T02:00:01+02:00"), second);
        let list = vec![Param::Text("a".into()), Param::Null, Param::Text("b,\"".into())];
        assert_eq!(text(1009, "{a,NULL,\"b,\\\"\"}"), Some(Param::List(list, oid::TEXT)));
        assert_eq!(text(1007, "{}"), Some(Param::List(vec![], oid::INT4)));
        assert_eq!(text(1007, "{{1},{2}}"), None);
    }

    #[test]
    fn equal_numbers_are_found_whatever_their_type() {
        let column = |ty| Column::new("n", ty);
        let numeric = |digits: &str| Param::Numeric(digits.into());
        assert_eq!(numeric("7.00").datum(&column(ColumnType::U64)), Some(Datum::UInt(7)));
        assert_eq!(numeric("7.01").datum(&column(ColumnType::U64)), None);
        assert_eq!(Param::Int(-1).datum(&column(ColumnType::U64)), None);
        assert_eq!(Param::Int(300).datum(&column(ColumnType::U8)), None);
        let cents = column(ColumnType::Decimal { scale: 2 });
        let found = Some(Datum::Decimal { units: 150, scale: 2 });
        assert_eq!(numeric("1.5").datum(&cents), found);
        assert_eq!(numeric("1.500").datum(&cents), found);
        assert_eq!(numeric("1.505").datum(&cents), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_a_failure(
            oid in prop::sample::select(
                vec![16, 17, 20, 21, 23, 25, 700, 1007, 1009, 1082, 1184, 1700],
            ),
            format in 0i16..3,
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = Param::parse(oid, format, Some(&bytes));
        }

        #[test]
        fn any_text_is_a_value_or_a_failure(
            oid in prop::sample::select(vec![16, 17, 20, 25, 701, 1009, 1082, 1184, 1700]),
            text in "[-+0-9a-z{}\",\\\\:. é]{0,30}",
        ) {
            let _ = Param::parse(oid, 0, Some(text.as_bytes()));
        }
    }
}
