//! Reads a file through a buffer, and cuts it into lines.

use bytes::Bytes;
use memchr::{memchr, memchr_iter};
use std::io::Read;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::INGEST_RECORD_BYTES_MAX;

/// Bytes requested from the reader at once.
const READ: usize = 256 << 10;

/// The unread part of a file, at least up to the end of the record being read.
pub(crate) struct LineBuffer {
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    /// All bytes, when they were in memory before; `buffer` is empty then.
    whole: Option<Bytes>,
    /// Where the current record starts.
    start: usize,
    /// Where the bytes read end.
    filled: usize,
    at_end: bool,
    /// The line of the byte at `start`, from 1.
    line: u64,
}

impl LineBuffer {
    /// Opens a window at the beginning of `reader`.
    pub(crate) fn new(reader: Box<dyn Read>) -> Self {
        let buffer = Vec::new();
        LineBuffer { reader, buffer, whole: None, start: 0, filled: 0, at_end: false, line: 1 }
    }

    /// Opens a window over bytes in memory, without a bound on the length of a record.
    pub(crate) fn over(bytes: Bytes) -> Self {
        let filled = bytes.len();
        let whole = Some(bytes);
        let reader = Box::new(std::io::empty());
        let buffer = Vec::new();
        LineBuffer { reader, buffer, whole, start: 0, filled, at_end: true, line: 1 }
    }

    /// The bytes from the start of the current record on.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.whole.as_deref().unwrap_or(&self.buffer)[self.start..self.filled]
    }

    /// The line in which the record begins.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Reads more bytes; returns false at the end of the file.
    pub(crate) fn fill(&mut self) -> Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.filled - self.start > INGEST_RECORD_BYTES_MAX {
            let message =
                format!("line {}: a record of over {INGEST_RECORD_BYTES_MAX} bytes", self.line);
            return Err(Error::new(Kind::Input, message)
                .remedy("look for a quote that is not closed, or split the record"));
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        if self.buffer.len() < self.filled + READ {
            self.buffer.resize(self.filled + READ, 0);
        }
        let count = loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read.map_err(unreadable)?,
            }
        };
        self.filled += count;
        self.at_end = count == 0;
        Ok(count > 0)
    }

    /// Ends the record (or the white space before it) after `bytes` bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let passed = memchr_iter(b'\n', &self.bytes()[..bytes]).count();
        self.line += passed as u64;
        self.start += bytes;
    }
}

/// Wraps a read error: errors of the operating system have a number, those without come from
/// decompression.
pub(crate) fn unreadable(error: std::io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Error::io("cannot read", error),
        None if error.kind() == std::io::ErrorKind::Unsupported => {
            Error::new(Kind::Input, error.to_string())
                .remedy("decompress it first: zstd -dc --long=31 FILE | diptych ingest … -")
        }
        None => Error::new(Kind::Damaged, error.to_string()).remedy("fetch the file again"),
    }
}

/// A file of lines: each non-blank line is a record.
pub(crate) struct Lines {
    window: LineBuffer,
    /// The bytes of the record returned last, with its line end.
    given: usize,
}

impl Lines {
    /// Skips the rest of a line that was too long, without keeping it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn pass(&mut self) -> Result<()> {
        loop {
            let bytes = self.window.bytes();
            let (passed, ended) = match memchr(b'\n', bytes) {
                Some(end) => (end + 1, true),
                None => (bytes.len(), false),
            };
            self.window.advance(passed);
            if ended || !self.window.fill()? {
                return Ok(());
            }
        }
    }

    /// Reads the lines of `window`.
    pub(crate) fn new(window: LineBuffer) -> Self {
        Lines { window, given: 0 }
    }

    /// Reads the next non-blank line, without its end, and its number.
    ///
    /// # Errors
    /// When the file cannot be read, or the line is too long.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        loop {
            self.window.advance(std::mem::take(&mut self.given));
            let mut searched = 0;
            let (length, end) = loop {
                let bytes = self.window.bytes();
                match memchr(b'\n', &bytes[searched..]) {
                    Some(found) => break (searched + found, searched + found + 1),
                    None => searched = bytes.len(),
                }
                if !self.window.fill()? {
                    break (searched, searched);
                }
            };
            if end == 0 {
                return Ok(None);
            }
            self.given = end;
            if !self.window.bytes()[..length].trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.window.line();
        Ok(Some((line, self.window.bytes()[..self.given].trim_ascii_end())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let text = b"a\n\n  \r\nb\r\nlast";
        let mut lines = Lines::new(LineBuffer::new(Box::new(&text[..])));
        let mut seen = Vec::new();
        while let Some((line, text)) = lines.next().expect("readable") {
            seen.push((line, text.to_vec()));
        }
        assert_eq!(seen, [(1, b"a".to_vec()), (4, b"b".to_vec()), (5, b"last".to_vec())]);
    }

    #[test]
    fn a_line_without_an_end_is_refused_in_bounds() {
        let text = Read::chain(&b"ok\n"[..], std::io::repeat(b'x'));
        let mut lines = Lines::new(LineBuffer::new(Box::new(text)));
        assert!(lines.next().expect("the first line").is_some());
        let error = lines.next().expect_err("endless").to_string();
        assert!(error.starts_with("line 2: a record of over"), "{error}");
    }
}
