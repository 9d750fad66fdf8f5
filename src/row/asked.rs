//! Keys as people write them: in a shell, in a URL.
//!
//! The values of a key stand between commas: `2016-10-01,rust`. A key of one column is taken
//! whole, commas and all. Values that have commas themselves are written as a JSON list:
//! `["a,b", 1]`.

use serde_json::Value;

use super::{ByteRange, Datum, RowSchema};
use crate::error::{Error, Kind, Result};

impl RowSchema {
    /// The values of a key between commas.
    pub fn split_key<'t>(&self, text: &'t str) -> Vec<&'t str> {
        if self.key.len() == 1 { vec![text] } else { text.split(',').collect() }
    }

    /// Appends the bytes of a key whose values stand between commas. Is it whole? Else all keys
    /// that are meant start with these bytes.
    ///
    /// # Errors
    /// When there are too many values, or one is not of its column's type; names the column.
    pub fn key_of_text(&self, text: &str, out: &mut Vec<u8>) -> Result<bool> {
        if let [column] = self.key.as_slice() {
            Datum::parse(column, text)?.encode(column, out)?;
            return Ok(true);
        }
        let values = self.split_key(text);
        out.extend(self.parse_key(&values)?);
        Ok(values.len() == self.key.len())
    }

    /// The keys from the first on and before the second, each with all its values or the first
    /// few, between commas.
    ///
    /// # Errors
    /// As [`RowSchema::key_of_text`].
    pub fn range_of_text(&self, from: Option<&str>, to: Option<&str>) -> Result<ByteRange> {
        let bound =
            |text: Option<&str>| text.map(|text| self.parse_key(&self.split_key(text))).transpose();
        Ok(ByteRange { start: bound(from)?.unwrap_or_default(), end: bound(to)? })
    }

    /// The keys that begin with `values`: one key when these are all its values.
    ///
    /// # Errors
    /// As [`RowSchema::key_of_text`].
    pub fn range_of_values<S: AsRef<str>>(&self, values: &[S]) -> Result<ByteRange> {
        let bytes = self.parse_key(values)?;
        let whole = values.len() == self.key.len();
        Ok(if whole {
            ByteRange::between(bytes.clone()..=bytes)
        } else {
            ByteRange::prefix(&bytes)
        })
    }
}

/// The items of a JSON list as texts that [`RowSchema::parse_key`] reads; a single value stands
/// for a list of one.
///
/// # Errors
/// When it is no JSON, or an item is a list or an object.
pub fn values_of_json(json: &str) -> Result<Vec<String>> {
    let parsed: Value = serde_json::from_str(json).map_err(|error| {
        Error::new(Kind::Input, format!("the key {json} is no JSON: {error}"))
            .remedy("give a list such as [\"2016-10-01T09:00:00Z\", 1]")
    })?;
    let items = match parsed {
        Value::Array(items) => items,
        item => vec![item],
    };
    let text = |item: Value| match item {
        Value::String(text) => Ok(text),
        Value::Null => Ok("\\N".to_owned()),
        Value::Number(_) | Value::Bool(_) => Ok(item.to_string()),
        other => Err(Error::new(Kind::Input, format!("{other} is no value of a key's column"))
            .remedy("give texts, numbers, true, false or null")),
    };
    items.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::encode;

    fn schema() -> RowSchema {
        RowSchema::of::<(u64, String), i64>()
    }

    fn key(hour: u64, tag: &str) -> Vec<u8> {
        encode(&(hour, tag.to_owned()))
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
    fn a_key_of_one_column_may_have_commas() {
        let schema = RowSchema::of::<String, i64>();
        let mut bytes = Vec::new();
        assert!(schema.key_of_text("a,b", &mut bytes).expect("a key"));
        assert_eq!(bytes, encode(&"a,b".to_owned()));
    }

    #[test]
    fn a_json_list_says_the_same() {
        let values = values_of_json("[7, \"a,b\"]").expect("values");
        assert_eq!(schema().parse_key(&values).expect("a key"), key(7, "a,b"));
        assert!(values_of_json("[7").is_err() && values_of_json("[[7]]").is_err());
    }

    #[test]
    fn ranges_and_wrong_values() {
        let range = schema().range_of_text(Some("7,b"), Some("9")).expect("a range");
        assert!(range.contains(&key(7, "b")) && range.contains(&key(8, "z")));
        assert!(!range.contains(&key(7, "a")) && !range.contains(&key(9, "")));
        let error = schema().key_of_text("seven", &mut Vec::new()).expect_err("no number");
        assert!(error.to_string().contains("key_0"), "{error}");
    }
}
