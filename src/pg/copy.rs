//! COPY … TO STDOUT: an answer in the text or CSV format.

use bytes::{BufMut, BytesMut};

use super::backend;
use super::column::ReadyRows;
use super::command::{Copy, CopyOptions, read_only};
use super::error::Failure;
use super::statements::{name, value, words};
use super::types::PgField;

/// Parses COPY table [(columns)] | (query) TO STDOUT [[WITH] (options)].
///
/// # Errors
/// When it copies from a source, to a file or in binary, or is malformed.
pub(super) fn parse(sql: &str) -> Result<Copy, Failure> {
    let all: Vec<&str> = words(sql).collect();
    let is = |at: usize, word: &str| {
        all.get(at).is_some_and(|found: &&str| found.eq_ignore_ascii_case(word))
    };
    let end = (1..all.len()).scan(0, |depth, at| {
        *depth += i32::from(is(at, "(")) - i32::from(is(at, ")"));
        Some((at, *depth))
    });
    let to = end.filter(|(_, depth)| *depth == 0).map(|(at, _)| at);
    let to = to.clone().find(|at| is(*at, "to") || is(*at, "from"));
    let to = to.ok_or_else(|| Failure::new("42601", "COPY without TO"))?;
    if is(to, "from") {
        return Err(read_only("copy from"));
    }
    if !is(to + 1, "stdout") {
        return Err(Failure::new("0A000", "COPY only goes TO STDOUT").hint("in psql: \\copy"));
    }
    // Words are slices of the statement, so their address gives the position.
    let place = |word: &str| word.as_ptr() as usize - sql.as_ptr() as usize;
    let source = sql[place(all[1])..place(all[to])].trim();
    let copied = match source.strip_prefix('(') {
        Some(query) => query.strip_suffix(')').unwrap_or(query).to_owned(),
        None => match source.split_once('(') {
            Some((table, columns)) => {
                format!("SELECT {} FROM {table}", columns.trim_end_matches(')'))
            }
            None => format!("SELECT * FROM {source}"),
        },
    };
    Ok(Copy { sql: copied, options: options(&all[to + 2..])? })
}

fn options(words: &[&str]) -> Result<CopyOptions, Failure> {
    let mut options =
        CopyOptions { is_csv: false, has_header: false, delimiter: 0, null: String::new() };
    let mut delimiter = None;
    let mut null = None;
    let mut rest = words.iter().filter(|word| !matches!(**word, "(" | ")" | ",")).peekable();
    while let Some(word) = rest.next() {
        match name(word).as_str() {
            "with" | "as" => {}
            "csv" => options.is_csv = true,
            "format" => match rest.next().map(|word| name(&value(word))).as_deref() {
                Some("csv") => options.is_csv = true,
                Some("text") => {}
                other => {
                    let message = format!("COPY has no format {other:?} here");
                    return Err(Failure::new("0A000", message).hint("take text or csv"));
                }
            },
            "header" => {
                let said = rest.next_if(|word| {
                    ["true", "false", "on", "off", "1", "0"].contains(&name(word).as_str())
                });
                options.has_header =
                    said.is_none_or(|word| ["true", "on", "1"].contains(&name(word).as_str()));
            }
            "delimiter" => delimiter = rest.next_if(|word| **word != "as").map(|word| value(word)),
            "null" => null = rest.next().map(|word| value(word)),
            "encoding" | "quote" | "escape" => drop(rest.next()),
            other => {
                return Err(Failure::new("0A000", format!("COPY has no option {other:?} here")));
            }
        }
    }
    options.delimiter = match delimiter.as_deref().map(str::as_bytes) {
        None if options.is_csv => b',',
        None => b'\t',
        Some([one]) if *one != b'\n' && *one != b'\r' => *one,
        // E'\t' in its escaped spelling.
        Some(b"\\t") => b'\t',
        Some(_) => return Err(Failure::new("22023", "the delimiter must be one byte")),
    };
    options.null = null.unwrap_or_else(|| if options.is_csv { "" } else { "\\N" }.to_owned());
    Ok(options)
}

impl CopyOptions {
    /// Appends `CopyOutResponse` for the columns, and the header line.
    pub(super) fn begin(&self, fields: &[PgField], out: &mut BytesMut) {
        backend::message(b'H', out, |out| {
            out.put_u8(0);
            out.put_u16(fields.len() as u16);
            fields.iter().for_each(|_| out.put_i16(0));
        });
        if self.has_header {
            Self::line(out, |out| {
                for (at, field) in fields.iter().enumerate() {
                    self.field(at, Some(field.name.as_bytes()), out);
                }
            });
        }
    }

    /// Appends a row.
    pub(super) fn row(&self, rows: &ReadyRows, at: usize, out: &mut BytesMut) {
        Self::line(out, |out| rows.texts(at, |number, text| self.field(number, text, out)));
    }

    fn line(out: &mut BytesMut, fields: impl FnOnce(&mut BytesMut)) {
        backend::message(b'd', out, |out| {
            fields(out);
            out.put_u8(b'\n');
        });
    }

    fn field(&self, number: usize, text: Option<&[u8]>, out: &mut BytesMut) {
        if number > 0 {
            out.put_u8(self.delimiter);
        }
        match text {
            None => out.put_slice(self.null.as_bytes()),
            Some(text) if self.is_csv => self.csv(text, out),
            Some(text) => self.escaped(text, out),
        }
    }

    fn csv(&self, text: &[u8], out: &mut BytesMut) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\n' | b'\r') || *byte == self.delimiter;
        // Quotes tell a text from the null marker and from the end marker.
        if text != self.null.as_bytes() && text != b"\\." && !text.iter().any(special) {
            return out.put_slice(text);
        }
        out.put_u8(b'"');
        for byte in text {
            if *byte == b'"' {
                out.put_u8(b'"');
            }
            out.put_u8(*byte);
        }
        out.put_u8(b'"');
    }

    fn escaped(&self, text: &[u8], out: &mut BytesMut) {
        for byte in text {
            let short = match byte {
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                8 => b'b',
                11 => b'v',
                12 => b'f',
                byte if *byte == self.delimiter => *byte,
                byte => {
                    out.put_u8(*byte);
                    continue;
                }
            };
            out.put_u8(b'\\');
            out.put_u8(short);
        }
    }
}

/// Appends `CopyDone`.
pub(super) fn end(rows: u64, out: &mut BytesMut) {
    backend::bare(b'c', out);
    backend::rows_complete("COPY", rows, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_understood() {
        let sql = |text| parse(text).map(|copy| copy.sql).ok();
        assert_eq!(sql("COPY (select 1 to, (2)) TO STDOUT").as_deref(), Some("select 1 to, (2)"));
        assert_eq!(sql("copy a.\"B\" to stdout").as_deref(), Some("SELECT * FROM a.\"B\""));
        assert_eq!(sql("copy t (x, y) to stdout csv").as_deref(), Some("SELECT x, y FROM t "));
        for wrong in [
            "copy t from stdin",
            "copy t to '/etc/passwd'",
            "copy t",
            "copy t to stdout (format binary)",
            "copy t to stdout (delimiter 'ab')",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let options = parse("copy t to stdout with (format csv, header true, null 'x')");
        let options = options.expect("it is understood").options;
        assert!(options.is_csv && options.has_header);
        assert_eq!((options.delimiter, options.null.as_str()), (b',', "x"));
    }

    #[test]
    fn fields_are_told_apart() {
        let mut out = BytesMut::new();
        let copy = parse("copy t to stdout").expect("it is understood").options;
        copy.field(0, Some(b"a\tb\\"), &mut out);
        copy.field(1, None, &mut out);
        assert_eq!(&out[..], b"a\\tb\\\\\t\\N");
        out.clear();
        let copy = parse("copy t to stdout csv").expect("it is understood").options;
        copy.field(0, Some(b""), &mut out);
        copy.field(1, None, &mut out);
        copy.field(2, Some(b"a\"b"), &mut out);
        assert_eq!(&out[..], b"\"\",,\"a\"\"b\"");
    }
}
