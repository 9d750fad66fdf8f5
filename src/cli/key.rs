//! Which rows of a view were asked for, as bytes.

use serde_json::Value;

use super::args::KeyArgs;
use crate::error::{Error, Kind, Result};
use crate::row::{ByteRange, RowSchema};

/// The range of keys that the options stand for; everything without options.
///
/// # Errors
/// When there are too many values, or one is not of its column's type; names the column.
pub(super) fn range(args: &KeyArgs, schema: &RowSchema) -> Result<ByteRange> {
    if args.from.is_some() || args.to.is_some() {
        let bound = |text: &Option<String>| {
            text.as_deref().map(|text| schema.parse_key(&split(text, schema))).transpose()
        };
        let start = bound(&args.from)?.unwrap_or_default();
        return Ok(ByteRange { start, end: bound(&args.to)? });
    }
    let values = values(args, schema)?;
    if let Some(prefix) = &args.prefix {
        return schema.text_range(&values, prefix);
    }
    let bytes = schema.parse_key(&values)?;
    let whole = values.len() == schema.key.len();
    Ok(if whole { ByteRange::between(bytes.clone()..=bytes) } else { ByteRange::prefix(&bytes) })
}

/// The values of the first key columns that were given.
///
/// # Errors
/// When a JSON list is none.
pub(super) fn values(args: &KeyArgs, schema: &RowSchema) -> Result<Vec<String>> {
    Ok(match (&args.key, &args.key_json) {
        (Some(text), _) => split(text, schema),
        (None, Some(json)) => from_json(json)?,
        (None, None) => Vec::new(),
    })
}

/// The values between commas. A key of one column is taken whole, commas and all.
pub(super) fn split(text: &str, schema: &RowSchema) -> Vec<String> {
    if schema.key.len() == 1 {
        return vec![text.to_owned()];
    }
    text.split(',').map(str::to_owned).collect()
}

/// The items of a JSON list as text; a single value stands for a list of one.
fn from_json(json: &str) -> Result<Vec<String>> {
    let parsed: Value = serde_json::from_str(json).map_err(|error| {
        Error::new(Kind::Input, format!("--key-json {json}: {error}"))
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
        other => Err(Error::new(Kind::Input, format!("--key-json: {other} is no column's value"))
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

    fn of(args: &KeyArgs) -> ByteRange {
        range(args, &schema()).expect("a range")
    }

    #[test]
    fn a_key_may_be_whole_or_begun() {
        let whole = of(&KeyArgs { key: Some("7,rust".into()), ..KeyArgs::default() });
        assert!(whole.contains(&key(7, "rust")) && !whole.contains(&key(7, "rusty")));
        let json = of(&KeyArgs { key_json: Some("[7, \"rust\"]".into()), ..KeyArgs::default() });
        assert_eq!(whole, json);
        let begun = of(&KeyArgs { key: Some("7".into()), ..KeyArgs::default() });
        assert!(begun.contains(&key(7, "")) && begun.contains(&key(7, "z")));
        assert!(!begun.contains(&key(8, "")));
    }

    #[test]
    fn ranges_and_prefixes() {
        let args = KeyArgs { from: Some("7,b".into()), to: Some("9".into()), ..KeyArgs::default() };
        let range = of(&args);
        assert!(range.contains(&key(7, "b")) && range.contains(&key(8, "z")));
        assert!(!range.contains(&key(7, "a")) && !range.contains(&key(9, "")));
        let args =
            KeyArgs { key: Some("7".into()), prefix: Some("ru".into()), ..KeyArgs::default() };
        let range = of(&args);
        assert!(range.contains(&key(7, "rust")) && !range.contains(&key(7, "go")));
        assert_eq!(of(&KeyArgs::default()), ByteRange::all());
    }

    #[test]
    fn a_wrong_value_names_its_column() {
        let args = KeyArgs { key: Some("seven".into()), ..KeyArgs::default() };
        let error = range(&args, &schema()).expect_err("not a number").to_string();
        assert!(error.contains("key_0") && error.contains("seven"), "{error}");
        let args = KeyArgs { key_json: Some("[7".into()), ..KeyArgs::default() };
        assert!(range(&args, &schema()).is_err());
    }
}
