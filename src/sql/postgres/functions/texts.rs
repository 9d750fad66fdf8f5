//! Functions of texts, and of values as texts.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, ListBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field};
use regex::Regex;

use super::super::failure::{Outcome, failure};
use super::super::function::PgFunction;
use super::super::text_output;
use super::super::type_name::{Group, group, name};
use super::{as_given, texts_only, unknown};

pub(super) fn all() -> Vec<PgFunction> {
    let text = |_: &[DataType], _: &[Option<&datafusion::scalar::ScalarValue>]| {
        Ok::<_, datafusion::error::DataFusionError>(DataType::Utf8)
    };
    vec![
        PgFunction::named("pg_nameless", texts_only, text, |args, _| Ok(Arc::clone(&args[0]))),
        PgFunction::named("md5", one_text_or_bytes, text, md5_sums),
        PgFunction::named("length", one_text_or_bytes, integer, lengths),
        PgFunction::named("octet_length", one_text_or_bytes, integer, octets),
        PgFunction::named("pg_regexp_part", texts_only, text, parts_of),
        PgFunction::named("concat", as_given, text, |args, _| joined(args, 0, |_| Some(""))),
        PgFunction::named("concat_ws", with_text_first, text, joined_with),
        PgFunction::named("format", with_text_first, text, formatted),
        PgFunction::named("pg_typeof", as_given, text, |args, _| {
            let called = name(args[0].data_type());
            Ok(Arc::new(StringArray::from(vec![called; args[0].len()])))
        }),
        PgFunction::named("quote_ident", texts_only, text, |args, _| each(args, quoted_name)),
        PgFunction::named("quote_literal", texts_only, text, |args, _| each(args, quoted_text)),
        PgFunction::named("quote_nullable", texts_only, text, |args, _| {
            let texts = args[0].as_string::<i32>();
            let quoted = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), quoted_text);
            Ok(Arc::new(texts.iter().map(|text| Some(quoted(text))).collect::<StringArray>()))
        }),
        PgFunction::named("regexp_split_to_array", texts_only, |_, _| Ok(list_of_texts()), split),
        PgFunction::named("pg_regexp_matches", texts_only, |_, _| Ok(list_of_lists()), matches_of),
    ]
}

fn integer(_: &[DataType], _: &[Option<&datafusion::scalar::ScalarValue>]) -> Outcome<DataType> {
    Ok(DataType::Int32)
}

/// Characters of a text, bytes of bytes.
fn lengths(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    if *args[0].data_type() == DataType::Binary {
        return octets(args, to);
    }
    let count = |text: &str| text.chars().count() as i32;
    let texts = args[0].as_string::<i32>();
    Ok(Arc::new(texts.iter().map(|text| text.map(count)).collect::<Int32Array>()))
}

fn octets(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let counts: Int32Array = match args[0].data_type() {
        DataType::Binary => {
            args[0].as_binary::<i32>().iter().map(|b| b.map(|b| b.len() as i32)).collect()
        }
        _ => args[0].as_string::<i32>().iter().map(|t| t.map(|t| t.len() as i32)).collect(),
    };
    Ok(Arc::new(counts))
}

/// `substring(text from pattern)`: the first group of the first match, or the match.
fn parts_of(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let mut parts = StringBuilder::new();
    by_pattern(args, |row| {
        let found = row.and_then(|(text, regex, _)| regex.captures(text));
        let part = found.and_then(|found| found.get(usize::from(found.len() > 1)));
        parts.append_option(part.map(|part| part.as_str()));
    })?;
    Ok(Arc::new(parts.finish()))
}

fn list_of_texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn list_of_lists() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(list_of_texts(), true)))
}

fn each(args: &[ArrayRef], write: fn(&str) -> String) -> Outcome<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    Ok(Arc::new(texts.iter().map(|text| text.map(write)).collect::<StringArray>()))
}

fn one_text_or_bytes(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] if group(one) == Group::Bytes => Ok(vec![DataType::Binary]),
        [one] if matches!(group(one), Group::Text | Group::Unknown) => Ok(vec![DataType::Utf8]),
        _ => Err(unknown("md5", types)),
    }
}

fn md5_sums(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let sum = |bytes: &[u8]| format!("{:x}", md5::compute(bytes));
    let sums: StringArray = match args[0].data_type() {
        DataType::Binary => args[0].as_binary::<i32>().iter().map(|b| b.map(sum)).collect(),
        _ => args[0].as_string::<i32>().iter().map(|t| t.map(|t| sum(t.as_bytes()))).collect(),
    };
    Ok(Arc::new(sums))
}

fn with_text_first(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let mut wanted = types.to_vec();
    match wanted.first_mut() {
        Some(first) if matches!(group(first), Group::Text | Group::Unknown) => {
            *first = DataType::Utf8;
            Ok(wanted)
        }
        _ => Err(unknown("format", types)),
    }
}

/// The values from `first` on, without those that are absent, and what `between` gives for the row
/// between them; a row for which it gives none is absent.
fn joined<'t>(
    args: &[ArrayRef],
    first: usize,
    between: impl Fn(usize) -> Option<&'t str>,
) -> Outcome<ArrayRef> {
    let writers = args[first..].iter().map(|arg| text_output::writer(arg, true));
    let writers = writers.collect::<Outcome<Vec<_>>>()?;
    let mut texts = StringBuilder::new();
    let mut room = BytesMut::new();
    for row in 0..args[0].len() {
        let Some(between) = between(row) else {
            texts.append_null();
            continue;
        };
        room.clear();
        let mut is_first = true;
        for (arg, write) in args[first..].iter().zip(&writers) {
            if text_output::is_absent(arg, row) {
                continue;
            }
            if !is_first {
                room.extend_from_slice(between.as_bytes());
            }
            is_first = false;
            write(row, &mut room);
        }
        texts.append_value(String::from_utf8_lossy(&room));
    }
    Ok(Arc::new(texts.finish()))
}

fn joined_with(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let separators = args[0].as_string::<i32>();
    joined(args, 1, |row| separators.is_valid(row).then(|| separators.value(row)))
}

fn quoted_name(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let is_reserved = datafusion::sql::sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS
        .iter()
        .any(|keyword| format!("{keyword:?}").eq_ignore_ascii_case(name));
    match is_plain && !is_reserved {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn quoted_text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}

fn formatted(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let templates = args[0].as_string::<i32>();
    let columns = args[1..].iter().map(text_output::parts).collect::<Outcome<Vec<_>>>()?;
    let mut rows = Vec::with_capacity(templates.len());
    for row in 0..templates.len() {
        if templates.is_null(row) {
            rows.push(None);
            continue;
        }
        let value = |at: usize| {
            let column = columns.get(at)?.as_string::<i32>();
            Some(column.is_valid(row).then(|| column.value(row)))
        };
        rows.push(Some(format_one(templates.value(row), value)?));
    }
    Ok(Arc::new(StringArray::from(rows)))
}

/// `%s`, `%I` and `%L`, with a position and a width.
fn format_one<'a>(
    template: &str,
    value: impl Fn(usize) -> Option<Option<&'a str>>,
) -> Outcome<String> {
    let mut text = String::new();
    let mut chars = template.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        let mut number = String::new();
        let is_left = |number: &mut String, chars: &mut std::iter::Peekable<std::str::Chars>| {
            let is_left = chars.next_if_eq(&'-').is_some();
            number.clear();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number.push(digit);
            }
            is_left
        };
        let mut to_left = is_left(&mut number, &mut chars);
        if chars.next_if_eq(&'$').is_some() {
            next = number.parse::<usize>().unwrap_or(0).saturating_sub(1);
            to_left = is_left(&mut number, &mut chars);
        }
        let width: usize = number.parse().unwrap_or(0).min(10_000);
        let too_few = || failure("22023", "too few arguments for format()");
        let kind = chars.next().ok_or_else(|| failure("22023", "unterminated format()"))?;
        let found = value(next).ok_or_else(too_few)?;
        next += 1;
        let shown = match (kind, found) {
            ('s', found) => found.unwrap_or_default().to_owned(),
            ('I', Some(name)) => quoted_name(name),
            ('I', None) => {
                return Err(failure(
                    "22004",
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('L', found) => found.map_or_else(|| "NULL".to_owned(), quoted_text),
            (other, _) => {
                let message = format!("unrecognized format() type specifier \"{other}\"");
                return Err(failure("22023", message));
            }
        };
        // Writing into a text does not fail.
        let _ = match to_left {
            true => write!(text, "{shown:<width$}"),
            false => write!(text, "{shown:>width$}"),
        };
    }
    Ok(text)
}

/// A regular expression with flags, and whether all matches are asked for.
fn regular(pattern: &str, flags: &str) -> Outcome<(Regex, bool)> {
    let mut is_global = false;
    let mut inner = String::new();
    for flag in flags.chars() {
        match flag {
            'g' => is_global = true,
            'i' | 's' | 'x' => inner.push(flag),
            'n' | 'm' => inner.push('m'),
            'c' => {}
            other => {
                let message = format!("invalid regular expression option: \"{other}\"");
                return Err(failure("22023", message));
            }
        }
    }
    let whole = if inner.is_empty() { pattern.to_owned() } else { format!("(?{inner}){pattern}") };
    let regex = Regex::new(&whole);
    let regex = regex.map_err(|error| {
        let line = error.to_string().lines().last().unwrap_or_default().to_owned();
        failure("2201B", format!("invalid regular expression: {line}"))
    })?;
    Ok((regex, is_global))
}

/// Calls `each` with the text, the expression and the flags of each row.
fn by_pattern(
    args: &[ArrayRef],
    mut each: impl FnMut(Option<(&str, &Regex, bool)>),
) -> Outcome<()> {
    if !(2..=3).contains(&args.len()) {
        return Err(failure("42883", "a text, a pattern and flags are needed"));
    }
    let texts: Vec<&StringArray> = args.iter().map(AsArray::as_string::<i32>).collect();
    let mut last: Option<(String, String, Regex, bool)> = None;
    for row in 0..args[0].len() {
        if texts.iter().any(|texts| texts.is_null(row)) {
            each(None);
            continue;
        }
        let pattern = texts[1].value(row);
        let flags = texts.get(2).map_or("", |flags| flags.value(row));
        if !last.as_ref().is_some_and(|(known, with, ..)| known == pattern && with == flags) {
            let (regex, is_global) = regular(pattern, flags)?;
            last = Some((pattern.to_owned(), flags.to_owned(), regex, is_global));
        }
        if let Some((_, _, regex, is_global)) = &last {
            each(Some((texts[0].value(row), regex, *is_global)));
        }
    }
    Ok(())
}

fn split(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    by_pattern(args, |row| {
        if let Some((text, regex, _)) = row {
            for part in regex.split(text) {
                lists.values().append_value(part);
            }
        }
        lists.append(row.is_some());
    })?;
    Ok(Arc::new(lists.finish()))
}

fn matches_of(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let mut rows = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    by_pattern(args, |row| {
        if let Some((text, regex, is_global)) = row {
            let most = if is_global { usize::MAX } else { 1 };
            for found in regex.captures_iter(text).take(most) {
                let first = usize::from(regex.captures_len() > 1);
                for group in first..regex.captures_len() {
                    let part = found.get(group).map(|part| part.as_str());
                    rows.values().values().append_option(part);
                }
                rows.values().append(true);
            }
        }
        rows.append(row.is_some());
    })?;
    Ok(Arc::new(rows.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_formatted_and_quoted() {
        let values = [Some("a"), Some("b c"), None];
        let format = |template: &str| format_one(template, |at| values.get(at).copied());
        assert_eq!(format("%s-%I").expect("enough"), "a-\"b c\"");
        assert_eq!(format("%2$L|%-3s|%1$3s|%%").expect("enough"), "'b c'|   |  a|%");
        assert!(format("%s%s%s%s").is_err() && format("%x").is_err());
        assert_eq!(quoted_text("it's\\"), "E'it''s\\\\'");
        assert_eq!(quoted_name("abc_1"), "abc_1");
        assert_eq!(quoted_name("Ab"), "\"Ab\"");
    }
}
