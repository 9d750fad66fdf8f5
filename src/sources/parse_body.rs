//! Parses records of a body in memory, such as a posted one: all of them, or the first error.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use memchr::{memchr, memchr_iter};
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::bad_record::{Bad, shortened};
use super::column_writers::ColumnWriter as _;
use super::csv::CsvFile;
use super::file_reader::{names, object, places, row};
use super::lines::LineBuffer;
use super::nested_column_writers::Structs;
use super::unmatched_fields::{OnUnknown, Unknown, Unmatched};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::APPEND_BYTES_MAX;

/// The format of the records in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// One JSON object per line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object, or an array of them.
    Json,
}

/// The records of a body, and how their members and the stream's columns differ.
#[derive(Debug)]
pub struct Parsed {
    /// The records as rows of the stream.
    pub rows: RecordBatch,
    /// Members without a column, and columns without a member.
    pub unmatched: Unmatched,
}

/// Parses `body` as events of `stream`.
///
/// # Errors
/// When a record is not of `schema`: names its line (from 1), its column, and its text. When there
/// is no record.
pub fn parse(
    body: &Bytes,
    spelling: Spelling,
    stream: &str,
    schema: &SchemaRef,
    on_unknown: OnUnknown,
) -> Result<Parsed> {
    let body = body.slice_ref(without_mark(body)?);
    let mut records = Records::new(schema, on_unknown)?;
    match spelling {
        Spelling::Ndjson => each_line(&body, |number, line| records.object(number, line))?,
        Spelling::Csv => records.table(body, stream)?,
        Spelling::Json => each_item(&body, |line, item| records.object(line, item))?,
    }
    match records.count() {
        0 => Err(no_records()),
        _ => Ok(records.finish()),
    }
}

/// The refusal of a body without records: it is a client's mistake, which an empty epoch would
/// hide.
pub(super) fn no_records() -> Error {
    Error::new(Kind::Input, "the body has no records").remedy("send at least one")
}

/// Removes the byte order mark of UTF-8 from `body`; refuses UTF-16.
pub(super) fn without_mark(body: &[u8]) -> Result<&[u8]> {
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        let message = "line 1: the body is text in UTF-16, which is not read";
        return Err(Error::new(Kind::Input, message).remedy("send it in UTF-8"));
    }
    Ok(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body))
}

/// The records of one stream while they are read.
pub(super) struct Records {
    rows: Structs,
    schema: SchemaRef,
    ignored: Vec<String>,
    on_unknown: OnUnknown,
    most: usize,
}

impl Records {
    pub(super) fn new(schema: &SchemaRef, on_unknown: OnUnknown) -> Result<Records> {
        let mut rows = Structs::new(schema.fields())?;
        if on_unknown == OnUnknown::Refuse {
            rows.refuse_unknown();
        }
        let bits: usize = schema.fields().iter().map(|field| least_bits(field.data_type())).sum();
        let most = APPEND_BYTES_MAX / bits.div_ceil(8).max(1);
        let schema = Arc::clone(schema);
        let ignored = Vec::new();
        Ok(Records { rows, schema, ignored, on_unknown, most })
    }

    pub(super) fn count(&self) -> usize {
        self.rows.rows()
    }

    /// Appends the record in `text`, which begins in `line`.
    pub(super) fn object(&mut self, line: u64, text: &[u8]) -> Result<()> {
        let outcome = object(&mut self.rows, text);
        self.checked(outcome, line, text)
    }

    fn checked(&self, outcome: Result<(), Bad>, line: u64, raw: &[u8]) -> Result<()> {
        outcome.map_err(|bad| refuse(line, bad, raw))?;
        if self.rows.rows() <= self.most {
            return Ok(());
        }
        let message = format!("line {line}: more than {} records are too many at once", self.most);
        Err(Error::new(Kind::Input, message).remedy("append them in smaller pieces"))
    }

    fn table(&mut self, body: Bytes, stream: &str) -> Result<()> {
        let mut file = CsvFile::new(LineBuffer::over(body));
        let names = names(file.next()?.as_ref())?;
        if names.iter().all(String::is_empty) {
            return Ok(());
        }
        let places = places(&names, stream, &self.schema)?;
        let mut unknown = Unknown::default();
        let has = |name: &&String| self.schema.column_with_name(name).is_some();
        names.iter().filter(|name| !has(name)).for_each(|name| unknown.add(name));
        self.ignored.extend_from_slice(unknown.names());
        if let (OnUnknown::Refuse, [name, ..]) = (self.on_unknown, unknown.names()) {
            let message = format!("line 1: column `{name}` is no column of stream {stream}");
            return Err(Error::new(Kind::Input, message)
                .remedy("nothing was appended: rename or remove it and send all again"));
        }
        while let Some(record) = file.next()? {
            let outcome = row(&mut self.rows, &record, names.len(), &places);
            self.checked(outcome, record.line, record.raw)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Parsed {
        let count = self.rows.rows();
        let mut unmatched = Unmatched::default();
        self.ignored.into_iter().for_each(|name| unmatched.ignored(name));
        self.rows.unmatched("", &mut unmatched);
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        match RecordBatch::try_new_with_options(self.schema, self.rows.arrays(), &options) {
            Ok(rows) => Parsed { rows, unmatched },
            Err(error) => panic!("{count} records broke their own schema: {error}"),
        }
    }
}

/// The least number of bits of a value: short records of many columns grow when they are read.
fn least_bits(ty: &DataType) -> usize {
    match ty {
        DataType::Boolean => 1,
        DataType::Struct(fields) => fields.iter().map(|field| least_bits(field.data_type())).sum(),
        _ => ty.primitive_width().map_or(32, |bytes| bytes * 8),
    }
}

fn refuse(line: u64, reason: impl std::fmt::Display, raw: &[u8]) -> Error {
    let shown = shortened(&String::from_utf8_lossy(raw));
    Error::new(Kind::Input, format!("line {line}: {reason}; the record is: {shown}"))
        .remedy("nothing was appended: mend it and send all again")
}

/// Calls `each` with every line that is not blank, and its number.
pub(super) fn each_line(
    mut rest: &[u8],
    mut each: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii_end();
        rest = rest.get(end + 1..).unwrap_or_default();
        if !line.trim_ascii_start().is_empty() {
            each(number, line)?;
        }
    }
    Ok(())
}

/// Calls `each` with the value of `body`, or with every item when it is a list; and with the line
/// in which the value begins.
fn each_item(body: &[u8], mut each: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let trimmed = body.trim_ascii();
    if trimmed.is_empty() {
        return Ok(());
    }
    if trimmed.first() != Some(&b'[') {
        let _: &RawValue = serde_json::from_slice(trimmed).map_err(malformed)?;
        return each(1, trimmed);
    }
    let mut line = 1;
    let mut counted = 0;
    items(body, |item| {
        // Each item is a slice of the body, in order.
        let at = item.get().as_ptr().addr() - body.as_ptr().addr();
        line += memchr_iter(b'\n', &body[counted..at]).count() as u64;
        counted = at;
        each(line, item.get().as_bytes())
    })
}

/// Calls `each` with every item of a list. Items are not gathered: short ones would take more
/// memory than their text.
pub(super) fn items<'a>(
    list: &'a [u8],
    each: impl FnMut(&'a RawValue) -> Result<()>,
) -> Result<()> {
    let mut failed = None;
    let mut tokens = serde_json::Deserializer::from_slice(list);
    let read = tokens.deserialize_seq(Items { each, failed: &mut failed });
    match (failed, read.and_then(|()| tokens.end())) {
        (Some(error), _) => Err(error),
        (None, read) => read.map_err(malformed),
    }
}

struct Items<'f, F> {
    each: F,
    failed: &'f mut Option<Error>,
}

impl<'de, F: FnMut(&'de RawValue) -> Result<()>> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            if let Err(error) = (self.each)(item) {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("a bad item"));
            }
        }
        Ok(())
    }
}

pub(super) fn malformed(error: serde_json::Error) -> Error {
    let line = error.line();
    let column = error.column();
    let message = format!("line {line}, character {column}: the body is no JSON: {error}");
    Error::new(Kind::Input, message)
        .remedy("send one object, an array of objects, or lines as application/x-ndjson")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use dataflows::Transfer;
    use diptych_event::Event as _;

    fn ids(body: &str, spelling: Spelling) -> Result<Vec<i64>> {
        let schema = Transfer::schema();
        let ignore = OnUnknown::Ignore;
        let parsed = parse(
            &Bytes::copy_from_slice(body.as_bytes()),
            spelling,
            "transfers",
            &schema,
            ignore,
        )?;
        let ids = parsed.rows.column_by_name("id").expect("a column");
        Ok(ids.as_primitive::<Int64Type>().values().to_vec())
    }

    fn record(id: &str) -> String {
        let rest = "\"from_account\": 1, \"to_account\": 2, \"amount\": 3, \"ts\": 4";
        format!("{{\"id\": {id}, {rest}}}")
    }

    #[test]
    fn every_spelling_is_read() {
        let one = record("1");
        let two = record("2");
        let lines = format!("{one}\n\n  \r\n{two}\r\n");
        assert_eq!(ids(&lines, Spelling::Ndjson).expect("records"), [1, 2]);
        assert_eq!(ids(&format!(" {one}\n"), Spelling::Json).expect("records"), [1]);
        let list = format!("\u{feff}[{one},\n{two}]");
        assert_eq!(ids(&list, Spelling::Json).expect("records"), [1, 2]);
        let table = "ts,id,amount,to_account,from_account\n4,1,3,2,1\n4,2,3,2,1\n";
        assert_eq!(ids(table, Spelling::Csv).expect("records"), [1, 2]);
    }

    #[test]
    fn a_body_without_records_is_refused() {
        let header = "ts,id,amount,to_account,from_account\n";
        for (body, spelling) in [
            ("", Spelling::Ndjson),
            ("\n \r\n", Spelling::Ndjson),
            ("", Spelling::Json),
            (" ", Spelling::Json),
            ("\u{feff}[ ]", Spelling::Json),
            ("", Spelling::Csv),
            ("\n\n", Spelling::Csv),
            (header, Spelling::Csv),
        ] {
            let error = ids(body, spelling).expect_err("no records").to_string();
            assert_eq!(error, "the body has no records (send at least one)", "{body:?}");
        }
    }

    #[test]
    fn a_bad_record_is_named() {
        let one = record("1");
        let bad = record("\"x\"");
        for (body, spelling, line) in [
            (format!("{one}\n\n{bad}\n"), Spelling::Ndjson, "line 3: column `id`"),
            (format!("[{one},\n\n {bad}]"), Spelling::Json, "line 3: column `id`"),
            (bad, Spelling::Json, "line 1: column `id`"),
            (
                "ts,id,amount,to_account,from_account\n4,x,3,2,1\n".into(),
                Spelling::Csv,
                "line 2: column `id`",
            ),
            ("{\n\"id\": }".into(), Spelling::Json, "line 2, character"),
            ("ts\n1\n".into(), Spelling::Csv, "line 1: column `id` is missing"),
            ("[[1]]".into(), Spelling::Json, "line 1: "),
        ] {
            let error = ids(&body, spelling).expect_err("a bad record").to_string();
            assert!(error.starts_with(line), "{body}: {error}");
        }
    }
}
