//! Which rows of a view were asked for, as bytes.

use super::args::KeyArgs;
use crate::error::Result;
use crate::row::{ByteRange, RowSchema, values_of_json};

/// The range of keys that the options stand for; everything without options.
///
/// # Errors
/// When there are too many values, or one is not of its column's type; names the column.
pub(super) fn range(args: &KeyArgs, schema: &RowSchema) -> Result<ByteRange> {
    if args.from.is_some() || args.to.is_some() {
        return schema.range_of_text(args.from.as_deref(), args.to.as_deref());
    }
    let values = values(args, schema)?;
    match &args.prefix {
        Some(prefix) => schema.text_range(&values, prefix),
        None => schema.range_of_values(&values),
    }
}

/// The values of the first key columns that were given.
///
/// # Errors
/// When a JSON list is none.
pub(super) fn values(args: &KeyArgs, schema: &RowSchema) -> Result<Vec<String>> {
    Ok(match (&args.key, &args.key_json) {
        (Some(text), _) => schema.split_key(text).into_iter().map(str::to_owned).collect(),
        (None, Some(json)) => values_of_json(json).map_err(|error| error.within("--key-json"))?,
        (None, None) => Vec::new(),
    })
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
