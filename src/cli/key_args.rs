//! Converts the options of `query` and `changes` that select rows to key bytes.

use super::view_read_args::KeyArgs;
use diptych_base::error::Result;
use diptych_row::{ByteRange, Datum, RowSchema};

/// The selected keys, as values of their columns.
pub(super) struct Asked<'a> {
    /// The values of the first key columns.
    pub(super) key: Option<Vec<Datum>>,
    /// The prefix of the text column behind the values.
    pub(super) prefix: Option<&'a str>,
    /// The start of a range.
    pub(super) from: Option<Vec<Datum>>,
    /// The end of a range.
    pub(super) to: Option<Vec<Datum>>,
}

/// Parses the options.
///
/// # Errors
/// When there are too many values, or one is not of its column's type; the error names option and
/// column.
pub(super) fn asked<'a>(args: &'a KeyArgs, schema: &RowSchema) -> Result<Asked<'a>> {
    let values = |text: &Option<String>, json: &Option<String>, option: &str| match (text, json) {
        (Some(text), _) => {
            schema.values_of_text(text).map(Some).map_err(|error| error.within(option))
        }
        (None, Some(json)) => schema
            .values_of_json(json)
            .map(Some)
            .map_err(|error| error.within(format!("{option}-json"))),
        (None, None) => Ok(None),
    };
    Ok(Asked {
        key: values(&args.key, &args.key_json, "--key")?,
        prefix: args.prefix.as_deref(),
        from: values(&args.from, &args.from_json, "--from")?,
        to: values(&args.to, &args.to_json, "--to")?,
    })
}

/// The range of keys that the options select; everything without options.
///
/// # Errors
/// As [`asked`].
pub(super) fn range(args: &KeyArgs, schema: &RowSchema) -> Result<ByteRange> {
    let Asked { key, prefix, from, to } = asked(args, schema)?;
    if from.is_some() || to.is_some() {
        let bound = |values: Option<Vec<Datum>>| {
            values.map(|values| schema.encode_key(&values)).transpose()
        };
        return Ok(ByteRange { start: bound(from)?.unwrap_or_default(), end: bound(to)? });
    }
    let values = key.unwrap_or_default();
    match prefix {
        Some(prefix) => schema.text_range_of(&values, prefix),
        None => schema.range_of_values(&values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_row::encode;

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
        let json = KeyArgs {
            from_json: Some("[7, \"b\"]".into()),
            to_json: Some("9".into()),
            ..KeyArgs::default()
        };
        assert_eq!(of(&json), range);
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
