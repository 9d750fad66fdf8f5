//! COPY … TO STDOUT: an answer in the text, CSV or binary format.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut, BytesMut};

use super::backend;
use super::copy_command::{CopyFormat, CopyOptions, Quoted};
use super::record_batch_encoder::ReadyRows;
use super::types::PgField;

/// The first bytes of the binary format: a signature, no flags, no extension.
const SIGNATURE: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A COPY under way.
pub(super) struct CopyOut<'a> {
    options: &'a CopyOptions,
    /// Whether each column is quoted in CSV, whatever its values are.
    is_forced: Vec<bool>,
    /// Whether the binary format has its first bytes yet; they go with the first row.
    has_begun: AtomicBool,
}

impl<'a> CopyOut<'a> {
    /// Appends `CopyOutResponse` for the columns, and the header line.
    pub(super) fn begin(
        options: &'a CopyOptions,
        fields: &[PgField],
        out: &mut BytesMut,
    ) -> CopyOut<'a> {
        let is_forced = |field: &PgField| match &options.forced {
            Quoted::Some(names) => names.contains(&field.name),
            Quoted::All => true,
        };
        let is_forced = fields.iter().map(is_forced).collect();
        let copy = CopyOut { options, is_forced, has_begun: AtomicBool::new(false) };
        let format = copy.row_format();
        backend::message(b'H', out, |out| {
            out.put_u8(format as u8);
            out.put_u16(fields.len() as u16);
            fields.iter().for_each(|_| out.put_i16(format));
        });
        if options.has_header {
            Self::line(out, |out| {
                for (at, field) in fields.iter().enumerate() {
                    copy.name(at, field.name.as_bytes(), out);
                }
            });
        }
        copy
    }

    /// The format in which rows are made: text or binary.
    pub(super) fn row_format(&self) -> i16 {
        i16::from(self.options.format == CopyFormat::Binary)
    }

    /// Appends a row.
    pub(super) fn row(&self, rows: &ReadyRows, at: usize, out: &mut BytesMut) {
        if self.options.format == CopyFormat::Binary {
            self.binary(out, |out| rows.put(at, out));
        } else {
            Self::line(out, |out| rows.texts(at, |number, text| self.field(number, text, out)));
        }
    }

    /// Appends what follows the last row.
    pub(super) fn end(&self, rows: u64, out: &mut BytesMut) {
        if self.options.format == CopyFormat::Binary {
            self.binary(out, |out| out.put_i16(-1));
        }
        backend::bare(b'c', out);
        backend::rows_complete("COPY", rows, out);
    }

    fn binary(&self, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
        backend::message(b'd', out, |out| {
            if !self.has_begun.swap(true, Ordering::Relaxed) {
                out.put_slice(SIGNATURE);
            }
            body(out);
        });
    }

    fn line(out: &mut BytesMut, fields: impl FnOnce(&mut BytesMut)) {
        backend::message(b'd', out, |out| {
            fields(out);
            out.put_u8(b'\n');
        });
    }

    /// Appends the name of a column, which is quoted only where it must be.
    fn name(&self, number: usize, name: &[u8], out: &mut BytesMut) {
        if number > 0 {
            out.put_u8(self.options.delimiter);
        }
        match self.options.format {
            CopyFormat::Csv => self.csv(name, false, out),
            _ => self.escaped(name, out),
        }
    }

    fn field(&self, number: usize, text: Option<&[u8]>, out: &mut BytesMut) {
        if number > 0 {
            out.put_u8(self.options.delimiter);
        }
        let is_forced = self.is_forced.get(number).copied().unwrap_or_default();
        match text {
            None => out.put_slice(self.options.null.as_bytes()),
            Some(text) if self.options.format == CopyFormat::Csv => self.csv(text, is_forced, out),
            Some(text) => self.escaped(text, out),
        }
    }

    fn csv(&self, text: &[u8], is_forced: bool, out: &mut BytesMut) {
        let CopyOptions { delimiter, quote, escape, null, .. } = self.options;
        let special =
            |byte: &u8| matches!(byte, b'\n' | b'\r') || byte == delimiter || byte == quote;
        // Quotes tell a text from the null marker and from the end marker.
        let is_marker = text == null.as_bytes() || (self.is_forced.len() == 1 && text == b"\\.");
        if !is_forced && !is_marker && !text.iter().any(special) {
            return out.put_slice(text);
        }
        out.put_u8(*quote);
        for byte in text {
            if byte == quote || byte == escape {
                out.put_u8(*escape);
            }
            out.put_u8(*byte);
        }
        out.put_u8(*quote);
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
                byte if *byte == self.options.delimiter => *byte,
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

#[cfg(test)]
mod tests {
    use super::super::copy_command::parse;
    use super::super::types::PgType;
    use super::*;

    fn fields(options: &str, texts: &[Option<&[u8]>]) -> Vec<u8> {
        let options = parse(&format!("copy t to stdout {options}")).expect(options).options;
        let kind = PgType::of(&arrow_schema::DataType::Utf8);
        let field = |at: usize| PgField { name: format!("c{at}"), kind };
        let named: Vec<_> = (0..texts.len()).map(field).collect();
        let mut out = BytesMut::new();
        let copy = CopyOut::begin(&options, &named, &mut out);
        out.clear();
        for (at, text) in texts.iter().enumerate() {
            copy.field(at, *text, &mut out);
        }
        out.to_vec()
    }

    #[test]
    fn fields_are_told_apart() {
        assert_eq!(fields("", &[Some(b"a\tb\\"), None]), b"a\\tb\\\\\t\\N");
        assert_eq!(fields("csv", &[Some(b""), None, Some(b"a\"b")]), b"\"\",,\"a\"\"b\"");
        let options = "(format csv, quote '~', escape '!', force_quote (c1), delimiter ';')";
        assert_eq!(fields(options, &[Some(b"a!"), Some(b"b"), Some(b";!~")]), b"a!;~b~;~;!!!~~");
        assert_eq!(fields("csv force quote *", &[Some(b"a"), None]), b"\"a\",");
        assert_eq!(fields("csv", &[Some(b"\\.")]), b"\"\\.\"");
    }

    #[test]
    fn the_binary_format_begins_and_ends() {
        let options = parse("copy t to stdout (format binary)").expect("it is understood").options;
        let mut out = BytesMut::new();
        let copy = CopyOut::begin(&options, &[], &mut out);
        out.clear();
        copy.end(0, &mut out);
        assert!(out.starts_with(b"d\0\0\0\x19PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xffc"));
    }
}
