//! Writes rows as JSON text directly from their bytes, for answers of a server.
//!
//! The text is that of [`RowSchema::json`], without an intermediate JSON value.

use std::io::Write;

use super::schema::{Column, ColumnType};
use super::{Columns, Datum, RowSchema, order_codec};
use diptych_base::error::Result;

impl RowSchema {
    /// Appends the row as a JSON object, in column order; `more` is inserted before the closing
    /// brace.
    ///
    /// # Errors
    /// When the bytes are not a row of this schema; part of the object may have been appended then.
    pub fn write_json(
        &self,
        key: &[u8],
        value: &[u8],
        more: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut before = b'{';
        for (columns, mut bytes) in [(&self.key, key), (&self.value, value)] {
            for column in columns {
                out.push(before);
                before = b',';
                write_text(&column.name, out);
                out.push(b':');
                write_value(column, &mut bytes, out)?;
            }
            if !bytes.is_empty() {
                let left = bytes.len();
                return Err(order_codec::malformed(format!("{left} bytes follow the last column")));
            }
        }
        if before == b'{' {
            out.push(before);
        }
        more(out);
        out.push(b'}');
        Ok(())
    }
}

/// Removes the value of `column` from `bytes` and appends it as JSON.
fn write_value(column: &Column, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    let place =
        |error: diptych_base::error::Error| error.within(format!("column \"{}\"", column.name));
    if column.nullable && !order_codec::take_tag(bytes).map_err(place)? {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    // Writing to a vector cannot fail.
    let _ = match column.ty {
        ColumnType::U8 => write!(out, "{}", u8::decode(bytes).map_err(place)?),
        ColumnType::U16 => write!(out, "{}", u16::decode(bytes).map_err(place)?),
        ColumnType::U32 => write!(out, "{}", u32::decode(bytes).map_err(place)?),
        ColumnType::U64 => write!(out, "{}", u64::decode(bytes).map_err(place)?),
        ColumnType::I8 => write!(out, "{}", i8::decode(bytes).map_err(place)?),
        ColumnType::I16 => write!(out, "{}", i16::decode(bytes).map_err(place)?),
        ColumnType::I32 => write!(out, "{}", i32::decode(bytes).map_err(place)?),
        ColumnType::I64 => write!(out, "{}", i64::decode(bytes).map_err(place)?),
        ColumnType::Bool => write!(out, "{}", bool::decode(bytes).map_err(place)?),
        ColumnType::String => {
            write_text(&order_codec::take_string(bytes).map_err(place)?, out);
            Ok(())
        }
        _ => {
            let datum = Datum::decode_present(column.ty, bytes).map_err(place)?;
            write!(out, "{}", datum.to_json())
        }
    };
    Ok(())
}

/// Appends a JSON string.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // Writing to a vector cannot fail.
            byte => drop(write!(out, "\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use diptych_event::{Date, Decimal, Timestamp};
    use proptest::prelude::*;
    use serde_json::Value;

    type Key = (u64, String, Option<i8>, bool);
    type Values = ((f32, f64), (Option<String>, Vec<u8>), (Date, Timestamp, Decimal<3>));

    fn float() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(1e300)]
    }

    proptest! {
        #[test]
        fn the_text_is_the_value_s(
            key: (u64, String, Option<i8>, bool),
            floats in (any::<f32>(), float()),
            texts: (Option<String>, Vec<u8>),
            numbers: (i32, i64, i64),
        ) {
            let schema = RowSchema::of::<Key, Values>();
            let dates = (
                Date::from_days(numbers.0),
                Timestamp::from_micros(numbers.1),
                format!("{}.125", numbers.2).parse::<Decimal<3>>().expect("a decimal"),
            );
            let key = encode(&key);
            let value = encode(&(floats, texts, dates));
            let mut text = Vec::new();
            schema.write_json(&key, &value, |_| (), &mut text).expect("a row");
            let value = Value::from(schema.json(&key, &value).expect("a row"));
            prop_assert_eq!(serde_json::from_slice::<Value>(&text).expect("JSON"), value);
        }
    }

    #[test]
    fn an_empty_row_and_a_foreign_one() {
        let schema = RowSchema::of::<(), ()>();
        let mut text = Vec::new();
        schema.write_json(&[], &[], |out| out.extend_from_slice(b"\"n\":2"), &mut text).expect("");
        assert_eq!(text, b"{\"n\":2}");
        assert!(schema.write_json(&[1], &[], |_| (), &mut text).is_err());
    }
}
