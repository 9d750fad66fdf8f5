//! Parses values and types from the text and JSON that this crate writes.

use std::str::FromStr;

use serde_json::Value;

use super::{Column, ColumnType, Datum};
use diptych_base::error::{Error, Kind, Result};

impl FromStr for ColumnType {
    type Err = Error;

    /// Parses the `Display` form of a column type.
    fn from_str(text: &str) -> Result<ColumnType> {
        use ColumnType as T;
        let simple = [
            (T::U8, "u8"),
            (T::U16, "u16"),
            (T::U32, "u32"),
            (T::U64, "u64"),
            (T::I8, "i8"),
            (T::I16, "i16"),
            (T::I32, "i32"),
            (T::I64, "i64"),
            (T::F32, "f32"),
            (T::F64, "f64"),
            (T::Bool, "bool"),
            (T::String, "string"),
            (T::Bytes, "bytes"),
            (T::Timestamp, "timestamp"),
            (T::Date, "date"),
        ];
        if let Some((ty, _)) = simple.into_iter().find(|(_, name)| *name == text) {
            return Ok(ty);
        }
        let scale = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
        scale.and_then(|digits| digits.parse().ok()).map(|scale| T::Decimal { scale }).ok_or_else(
            || {
                Error::new(Kind::Newer, format!("{text:?} is no type of a column"))
                    .remedy("use the release that wrote it")
            },
        )
    }
}

impl Datum {
    /// Parses a JSON token as a value of `column`, a number as it is spelled.
    ///
    /// # Errors
    /// When the token is not a value of the column's type. Texts and bytes are JSON strings; every
    /// other value may be one.
    pub fn of_token(column: &Column, token: &str) -> Result<Datum> {
        let texts = matches!(column.ty, ColumnType::String | ColumnType::Bytes);
        let numeric = !texts && column.ty != ColumnType::Bool;
        let datum = match token.as_bytes() {
            [b'"', ..] => {
                let text = serde_json::from_str::<String>(token);
                return text.map_or_else(
                    |_| Err(wrong(column, token)),
                    |text| Datum::parse(column, &text),
                );
            }
            b"null" if column.nullable => Some(Datum::Null),
            b"true" | b"false" if column.ty == ColumnType::Bool => {
                Some(Datum::Bool(token == "true"))
            }
            [b'-' | b'0'..=b'9', ..] if numeric => return Datum::parse(column, token),
            _ => None,
        };
        datum.ok_or_else(|| wrong(column, token))
    }

    /// Parses a JSON value that [`Datum::to_json`] wrote as a value of `column`.
    ///
    /// # Errors
    /// When it is not a value of the column's type.
    pub fn from_json(column: &Column, value: &Value) -> Result<Datum> {
        let datum = match (value, column.ty) {
            (Value::Null, _) => column.nullable.then_some(Datum::Null),
            (Value::Bool(b), ColumnType::Bool) => Some(Datum::Bool(*b)),
            (Value::String(text), ColumnType::String) => Some(Datum::String(text.clone())),
            (Value::String(text), _) => return Datum::parse(column, text),
            (Value::Number(number), ColumnType::F32) => {
                number.as_f64().map(|x| Datum::F32(x as f32))
            }
            (Value::Number(number), ColumnType::F64) => number.as_f64().map(Datum::F64),
            (Value::Number(number), _) => return Datum::parse(column, &number.to_string()),
            _ => None,
        };
        datum.ok_or_else(|| wrong(column, &value.to_string()))
    }
}

fn wrong(Column { name, ty, nullable }: &Column, token: &str) -> Error {
    let shown: String = token.chars().take(100).collect();
    let absent = if *nullable { ", or null" } else { "" };
    let text = if matches!(ty, ColumnType::String | ColumnType::Bytes) { " in quotes" } else { "" };
    Error::new(Kind::Input, format!("column \"{name}\" holds {ty}, not {shown}"))
        .remedy(format!("give a {ty}{text}{absent}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_event::{Date, Timestamp};
    use proptest::prelude::*;

    const TYPES: [ColumnType; 16] = [
        ColumnType::U8,
        ColumnType::U16,
        ColumnType::U32,
        ColumnType::U64,
        ColumnType::I8,
        ColumnType::I16,
        ColumnType::I32,
        ColumnType::I64,
        ColumnType::F32,
        ColumnType::F64,
        ColumnType::Bool,
        ColumnType::String,
        ColumnType::Bytes,
        ColumnType::Decimal { scale: 3 },
        ColumnType::Timestamp,
        ColumnType::Date,
    ];

    fn value() -> impl Strategy<Value = (ColumnType, Datum)> {
        prop_oneof![
            any::<u64>().prop_map(|n| (ColumnType::U64, Datum::UInt(n))),
            any::<i64>().prop_map(|n| (ColumnType::I64, Datum::Int(n))),
            any::<f32>().prop_map(|x| (ColumnType::F32, Datum::F32(x))),
            any::<f64>().prop_map(|x| (ColumnType::F64, Datum::F64(x))),
            any::<bool>().prop_map(|b| (ColumnType::Bool, Datum::Bool(b))),
            any::<String>().prop_map(|text| (ColumnType::String, Datum::String(text))),
            Just((ColumnType::String, Datum::String("\\N".to_owned()))),
            any::<Vec<u8>>().prop_map(|bytes| (ColumnType::Bytes, Datum::Bytes(bytes))),
            // A decimal column holds at most 38 digits.
            (1 - 10_i128.pow(38)..10_i128.pow(38)).prop_map(|units| {
                (ColumnType::Decimal { scale: 2 }, Datum::Decimal { units, scale: 2 })
            }),
            (0..4_000_000_000_000_000i64).prop_map(|us| {
                (ColumnType::Timestamp, Datum::Timestamp(Timestamp::from_micros(us)))
            }),
            (0..40_000i32).prop_map(|days| (ColumnType::Date, Datum::Date(Date::from_days(days)))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again((ty, datum) in value(), nullable: bool, absent: bool) {
            let column = Column { name: "c".into(), ty, nullable };
            let datum = if nullable && absent { Datum::Null } else { datum };
            let text = datum.to_json().to_string();
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let read = Datum::from_json(&column, &value).expect("a value");
            prop_assert_eq!(read.to_json(), datum.to_json());
            prop_assert_eq!(read.to_string(), datum.to_string());
        }
    }

    #[test]
    fn types_are_read_as_they_are_shown() {
        for ty in TYPES {
            assert_eq!(ty.to_string().parse::<ColumnType>().expect("a type"), ty);
        }
        assert!("decimal(x)".parse::<ColumnType>().is_err());
    }

    #[test]
    fn another_type_is_refused() {
        let column = Column::new("n", ColumnType::U8);
        for value in [Value::from(256), Value::from(-1), Value::from(true), Value::Null] {
            let error = Datum::from_json(&column, &value).expect_err("no u8").to_string();
            assert!(error.contains("\"n\""), "{error}");
        }
    }
}
