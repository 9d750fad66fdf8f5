//! Records that are in memory as a whole, such as a posted body: all of them, or the first error.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use memchr::{memchr, memchr_iter};
use serde_json::value::RawValue;

use super::bad::{Bad, shortened};
use super::csv::CsvFile;
use super::file::{object, places, row};
use super::lines::Window;
use super::nested::Structs;
use crate::error::{Error, Kind, Result};

/// How a body spells its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// One JSON object per line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object, or an array of them.
    Json,
}

/// The records of `body`, which are events of `stream`.
///
/// # Errors
/// When one is no record of `schema`: names its line (from 1), its column, and its text.
pub(crate) fn parse(
    body: &[u8],
    spelling: Spelling,
    stream: &str,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut rows = Structs::new(schema.fields())?;
    match spelling {
        Spelling::Ndjson => lines(body, &mut rows)?,
        Spelling::Csv => table(body, stream, schema, &mut rows)?,
        Spelling::Json => values(body, &mut rows)?,
    }
    let count = rows.rows();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    match RecordBatch::try_new_with_options(schema.clone(), rows.arrays(), &options) {
        Ok(batch) => Ok(batch),
        Err(error) => panic!("{count} records broke their own schema: {error}"),
    }
}

fn refuse(line: u64, reason: impl std::fmt::Display, raw: &[u8]) -> Error {
    let shown = shortened(&String::from_utf8_lossy(raw));
    Error::new(Kind::Input, format!("line {line}: {reason}; the record is: {shown}"))
        .remedy("nothing was appended: mend it and send all again")
}

fn checked(outcome: Result<(), Bad>, line: u64, raw: &[u8]) -> Result<()> {
    outcome.map_err(|bad| refuse(line, bad, raw))
}

fn lines(mut rest: &[u8], rows: &mut Structs) -> Result<()> {
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii_end();
        rest = rest.get(end + 1..).unwrap_or_default();
        if !line.trim_ascii_start().is_empty() {
            checked(object(rows, line), number, line)?;
        }
    }
    Ok(())
}

fn table(body: &[u8], stream: &str, schema: &SchemaRef, rows: &mut Structs) -> Result<()> {
    let mut file = CsvFile::new(Window::over(body.to_vec()));
    let names: Vec<String> = match file.next()? {
        None => Vec::new(),
        Some(header) => (0..header.len())
            .map(|index| String::from_utf8_lossy(header.cell(index)).into_owned())
            .collect(),
    };
    let places = places(&names, stream, schema)?;
    while let Some(record) = file.next()? {
        let outcome = row(rows, &record, names.len(), &places);
        checked(outcome, record.line, record.raw)?;
    }
    Ok(())
}

fn values(body: &[u8], rows: &mut Structs) -> Result<()> {
    let malformed = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        let message = format!("line {line}, character {column}: the body is no JSON: {error}");
        Error::new(Kind::Input, message)
            .remedy("send one object, an array of objects, or lines as application/x-ndjson")
    };
    let trimmed = body.trim_ascii();
    if trimmed.first() != Some(&b'[') {
        let _: &RawValue = serde_json::from_slice(trimmed).map_err(malformed)?;
        return checked(object(rows, trimmed), 1, trimmed);
    }
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(malformed)?;
    let (mut line, mut counted) = (1, 0);
    for item in items {
        // Each item is a part of the body, and they come in its order.
        let at = item.get().as_ptr().addr() - body.as_ptr().addr();
        line += memchr_iter(b'\n', &body[counted..at]).count() as u64;
        counted = at;
        checked(rows.object(item.get()), line, item.get().as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflows::Transfer;
    use crate::event::Event as _;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    fn ids(body: &str, spelling: Spelling) -> Result<Vec<i64>> {
        let rows = parse(body.as_bytes(), spelling, "transfers", &Transfer::schema())?;
        let ids = rows.column_by_name("id").expect("a column");
        Ok(ids.as_primitive::<Int64Type>().values().to_vec())
    }

    fn record(id: &str) -> String {
        let rest = "\"from_account\": 1, \"to_account\": 2, \"amount\": 3, \"ts\": 4";
        format!("{{\"id\": {id}, {rest}}}")
    }

    #[test]
    fn every_spelling_is_read() {
        let (one, two) = (record("1"), record("2"));
        let lines = format!("{one}\n\n  \r\n{two}\r\n");
        assert_eq!(ids(&lines, Spelling::Ndjson).expect("records"), [1, 2]);
        assert_eq!(ids(&format!(" {one}\n"), Spelling::Json).expect("records"), [1]);
        let list = format!("\u{feff}[{one},\n{two}]");
        assert_eq!(ids(&list, Spelling::Json).expect("records"), [1, 2]);
        let table = "ts,id,amount,to_account,from_account\n4,1,3,2,1\n4,2,3,2,1\n";
        assert_eq!(ids(table, Spelling::Csv).expect("records"), [1, 2]);
        assert_eq!(ids("[]", Spelling::Json).expect("records"), Vec::<i64>::new());
        assert_eq!(ids("", Spelling::Ndjson).expect("records"), Vec::<i64>::new());
    }

    #[test]
    fn a_bad_record_is_named() {
        let (one, bad) = (record("1"), record("\"x\""));
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
            (String::new(), Spelling::Json, "line 1, character"),
            ("[[1]]".into(), Spelling::Json, "line 1: "),
        ] {
            let error = ids(&body, spelling).expect_err("a bad record").to_string();
            assert!(error.starts_with(line), "{body}: {error}");
        }
    }
}
