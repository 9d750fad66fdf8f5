//! Parses keys as users write them in a shell or a URL.
//!
//! There are two spellings, each with one meaning. In *plain text* the values of a key are
//! separated by commas, `2016-10-01,rust`; a key of one column is taken whole, commas and all,
//! whatever it looks like. In a *JSON list*, `["a,b", 1, null]`, any value can be written, and an
//! absent one differs from every text.

use serde_json::value::RawValue;

use super::{ByteRange, Column, Datum, RowSchema};
use diptych_base::error::{Error, Kind, Result};

impl RowSchema {
    /// Parses the values of a key in plain text: separated by commas, or whole when there is one
    /// column. None of them is absent.
    ///
    /// # Errors
    /// When there are too many values, or one is not of its column's type; names the column.
    pub fn values_of_text(&self, text: &str) -> Result<Vec<Datum>> {
        let values = if self.key.len() == 1 { vec![text] } else { text.split(',').collect() };
        self.values_of(&values, Datum::parse).map_err(|error| {
            let is_list = text.starts_with('[') && text.ends_with(']');
            let list = "write it as a JSON list (`key_json`, `--key-json`) if that was meant";
            if is_list { error.remedy(list) } else { error }
        })
    }

    /// Parses the values of a key from a JSON list, numbers as they are spelled; a single value is
    /// read as a list of one.
    ///
    /// # Errors
    /// When the text is not JSON, there are too many values, or one is not of its column's type.
    pub fn values_of_json(&self, json: &str) -> Result<Vec<Datum>> {
        let refuse = |error: serde_json::Error| {
            let shown: String = json.chars().take(100).collect();
            Error::new(Kind::Input, format!("the key {shown} is no JSON: {error}"))
                .remedy("give a list such as [\"2016-10-01T09:00:00Z\", 1]")
        };
        let items: Vec<&RawValue> = if json.trim_ascii_start().starts_with('[') {
            serde_json::from_str(json).map_err(refuse)?
        } else {
            vec![serde_json::from_str(json).map_err(refuse)?]
        };
        let tokens: Vec<&str> = items.into_iter().map(RawValue::get).collect();
        self.values_of(&tokens, Datum::of_token)
    }

    fn values_of(
        &self,
        texts: &[&str],
        value: impl Fn(&Column, &str) -> Result<Datum>,
    ) -> Result<Vec<Datum>> {
        self.check_count(texts.len())?;
        self.key.iter().zip(texts).map(|(column, text)| value(column, text)).collect()
    }

    /// Appends the bytes of a key in plain text. Returns whether the key is whole; if not, the
    /// bytes are the prefix of all keys meant.
    ///
    /// # Errors
    /// As [`RowSchema::values_of_text`].
    pub fn key_of_text(&self, text: &str, out: &mut Vec<u8>) -> Result<bool> {
        if let [column] = self.key.as_slice() {
            Datum::parse(column, text)?.encode(column, out)?;
            return Ok(true);
        }
        let values = self.values_of_text(text)?;
        out.extend(self.encode_key(&values)?);
        Ok(values.len() == self.key.len())
    }

    /// The range of keys that begin with `values`: one key when all its values are given.
    ///
    /// # Errors
    /// As [`RowSchema::encode_key`].
    pub fn range_of_values(&self, values: &[Datum]) -> Result<ByteRange> {
        let bytes = self.encode_key(values)?;
        let whole = values.len() == self.key.len();
        Ok(if whole {
            ByteRange::between(bytes.clone()..=bytes)
        } else {
            ByteRange::prefix(&bytes)
        })
    }

    /// Writes values of a key as the JSON list that [`RowSchema::values_of_json`] reads.
    pub fn json_of_values(values: &[Datum]) -> String {
        values.iter().map(Datum::to_json).collect::<serde_json::Value>().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Columns, encode};
    use diptych_event::{Date, Decimal, Float, Timestamp};
    use proptest::prelude::*;

    fn schema() -> RowSchema {
        RowSchema::of::<(u64, String), i64>()
    }

    fn key(hour: u64, tag: &str) -> Vec<u8> {
        encode(&(hour, tag.to_owned()))
    }

    /// The bytes of `json` as a key of type `K`.
    fn json_key<K: Columns>(json: &str) -> Result<Vec<u8>> {
        let schema = RowSchema::of::<K, ()>();
        schema.encode_key(&schema.values_of_json(json)?)
    }

    fn text_key<K: Columns>(text: &str) -> Result<Vec<u8>> {
        let schema = RowSchema::of::<K, ()>();
        let mut bytes = Vec::new();
        schema.key_of_text(text, &mut bytes).map(|_| bytes)
    }

    #[test]
    fn a_key_may_be_whole_or_begun() {
        let mut bytes = Vec::new();
        assert!(schema().key_of_text("7,rust", &mut bytes).expect("a key"));
        assert_eq!(bytes, key(7, "rust"));
        bytes.clear();
        assert!(!schema().key_of_text("7", &mut bytes).expect("a key"));
        assert!(ByteRange::prefix(&bytes).contains(&key(7, "")));
        assert!(!ByteRange::prefix(&bytes).contains(&key(8, "")));
    }

    #[test]
    fn plain_text_of_one_column_is_taken_whole() {
        for text in ["a,b", "[\"a\"]", "[]", "[", "\\N", "null", "\"", "", " ", "\0", "7"] {
            assert_eq!(text_key::<String>(text).expect("a key"), encode(&text.to_owned()));
            let present = encode(&Some(text.to_owned()));
            assert_eq!(text_key::<Option<String>>(text).expect("a key"), present);
        }
        // A bracket between commas is part of a value as well.
        let pair = ("[\"a\"".to_owned(), "\"b\"]".to_owned());
        assert_eq!(text_key::<(String, String)>("[\"a\",\"b\"]").expect("a key"), encode(&pair));
        let error = text_key::<(String, u64)>("[\"a\",7]").expect_err("7] is no number");
        assert!(error.to_string().contains("key_json"), "{error}");
    }

    #[test]
    fn a_json_list_says_the_same() {
        assert_eq!(json_key::<(u64, String)>("[7, \"a,b\"]").expect("a key"), key(7, "a,b"));
        for wrong in ["[7", "[[7]]", "[{}]", "", "[7] x", "[7,]", "[\"\\ud800\"]", "[7, null]"] {
            assert!(json_key::<(u64, String)>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_absent_value_is_no_text() {
        let absent = encode(&None::<String>);
        assert_eq!(json_key::<Option<String>>("[null]").expect("a key"), absent);
        assert_eq!(json_key::<Option<String>>(" null ").expect("a key"), absent);
        for (json, text) in [("[\"\\\\N\"]", "\\N"), ("[\"null\"]", "null"), ("[\"\"]", "")] {
            let present = encode(&Some(text.to_owned()));
            assert_eq!(json_key::<Option<String>>(json).expect("a key"), present, "{json}");
        }
        assert!(json_key::<String>("[null]").is_err(), "the column is never absent");
        let error = text_key::<Option<u64>>("\\N").expect_err("no number").to_string();
        assert!(error.contains("null in a JSON list"), "{error}");
    }

    #[test]
    fn numbers_are_what_is_written() {
        for text in
            ["1234567890123456.78", "12345678901234567.89", "-0.01", "9".repeat(36).as_str()]
        {
            let expected = encode(&text.parse::<Decimal<2>>().expect("a decimal"));
            for json in [format!("[{text}]"), format!("[\"{text}\"]")] {
                assert_eq!(json_key::<Decimal<2>>(&json).expect("a key"), expected, "{json}");
            }
            assert_eq!(text_key::<Decimal<2>>(text).expect("a key"), expected);
        }
        let error = json_key::<Decimal<2>>("[0.125]").expect_err("three digits").to_string();
        assert!(error.contains("\"0.125\" is no decimal(2)"), "{error}");
        assert_eq!(json_key::<u64>(&format!("[{}]", u64::MAX)).ok(), Some(encode(&u64::MAX)));
        assert_eq!(json_key::<i64>(&format!("[{}]", i64::MIN)).ok(), Some(encode(&i64::MIN)));
        for wrong in ["18446744073709551616", "-1", "1.0", "1e3", "1.5", "true"] {
            assert!(json_key::<u64>(&format!("[{wrong}]")).is_err(), "{wrong}");
        }
        for (json, number) in [("-0.0", -0.0), ("0.1", 0.1), ("5e-324", 5e-324), ("1e22", 1e22)] {
            let schema = RowSchema {
                key: vec![Column::new("x", super::super::ColumnType::F64)],
                ..RowSchema::default()
            };
            let values = schema.values_of_json(json).expect("a number");
            assert_eq!(schema.encode_key(&values).expect("a key"), encode(&number), "{json}");
        }
        for wrong in ["[1e400]", "[-1e400]", "[\"1e400\"]"] {
            assert!(json_key::<Float>(wrong).is_err(), "{wrong}");
        }
        assert!(text_key::<Float>("1e400").is_err() && json_key::<f32>("[1e39]").is_err());
        for text in ["inf", "-inf", "NaN"] {
            let number = Float::new(text.parse().expect("a float"));
            assert_eq!(json_key::<Float>(&format!("\"{text}\"")).ok(), Some(encode(&number)));
            assert_eq!(text_key::<Float>(text).ok(), Some(encode(&number)));
        }
    }

    #[test]
    fn texts_and_bytes_are_texts_in_json() {
        assert!(json_key::<String>("[7]").is_err() && json_key::<String>("[true]").is_err());
        assert!(json_key::<Vec<u8>>("[12]").is_err());
        assert_eq!(json_key::<Vec<u8>>("[\"00ff\"]").ok(), Some(encode(&vec![0_u8, 255])));
    }

    const NASTY: [&str; 11] =
        ["[", "]", "[\"a\"]", "\\N", "null", "\"", ",", "", "\0", "a\0", "\u{10ffff}"];

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![prop::sample::select(&NASTY[..]).prop_map(str::to_owned), any::<String>()]
    }

    type Wide = (
        (u8, i16, u64, i64),
        (bool, Option<String>, String, Vec<u8>),
        (Decimal<4>, Timestamp, Date, Float),
    );

    proptest! {
        /// The key as an answer shows it is read as the same key.
        #[test]
        fn a_key_shown_is_the_key_asked_for(
            numbers: (u8, i16, u64, i64), flag: bool, optional: bool, bytes: Vec<u8>,
            (some, text) in (text(), text()),
            units: i64, micros: i64, days: i32, float: f64,
        ) {
            let key: Wide = (
                numbers,
                (flag, optional.then_some(some), text, bytes),
                (
                    Decimal::new(i128::from(units) * 1_000_003).expect("few digits"),
                    Timestamp::from_micros(micros), Date::from_days(days), Float::new(float),
                ),
            );
            let schema = RowSchema::of::<Wide, ()>();
            let bytes = encode(&key);
            let values = schema.decode(&bytes, &[]).expect("a row");
            let json = RowSchema::json_of_values(&values);
            let read = schema.values_of_json(&json).expect("values");
            prop_assert_eq!(schema.encode_key(&read).expect("a key"), bytes.clone(), "{}", json);
            let mut row = Vec::new();
            schema.write_json(&bytes, &[], |_| (), &mut row).expect("a row");
            let row: serde_json::Value = serde_json::from_slice(&row).expect("JSON");
            let members = row.as_object().expect("a row").values().cloned().collect::<Vec<_>>();
            let read = schema.values_of_json(&serde_json::Value::from(members).to_string());
            prop_assert_eq!(schema.encode_key(&read.expect("values")).expect("a key"), bytes);
            // Each column by itself, in plain text.
            for (column, value) in schema.key.iter().zip(&values) {
                if *value != Datum::Null {
                    let read = Datum::parse(column, &value.to_string()).expect("a value");
                    let mut one = Vec::new();
                    let mut other = Vec::new();
                    value.encode(column, &mut one).expect("a column");
                    read.encode(column, &mut other).expect("a column");
                    prop_assert_eq!(one, other, "{}", value);
                }
            }
        }
    }
}
