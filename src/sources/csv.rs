//! Reads records of comma-separated values, each with its first line and its raw text.

use csv_core::ReadRecordResult;
use memchr::{memchr, memchr_iter, memrchr};

use super::lines::LineBuffer;
use diptych_base::error::Result;

/// A CSV file as a sequence of records.
///
/// The grammar is RFC 4180's: LF or CRLF, blank lines skipped; and a quote inside an unquoted cell
/// is a character. csv-core, which cuts the records, accepts every text as a table; its guesses are
/// found by [`CsvRecord::fault`], and refused.
pub(crate) struct CsvFile {
    window: LineBuffer,
    parser: csv_core::Reader,
    /// The cells of the record end to end, unescaped.
    cells: Vec<u8>,
    /// Where in `cells` each cell ends.
    ends: Vec<usize>,
    /// The bytes of the record returned last, with its line end.
    given: usize,
}

/// One record of a CSV file.
pub(crate) struct CsvRecord<'a> {
    /// The line in which the record begins.
    pub line: u64,
    /// The text of the record, without the line end.
    pub raw: &'a [u8],
    cells: &'a [u8],
    ends: &'a [usize],
    /// Whether it ends in a carriage return without a line feed.
    bare_return: bool,
}

impl<'a> CsvRecord<'a> {
    /// The number of cells.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell at `index`, which is below [`len`](Self::len).
    pub(crate) fn cell(&self, index: usize) -> &'a [u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.cells[start..self.ends[index]]
    }

    /// Why the record is refused, although it was cut into cells: a quote that is not closed, or is
    /// closed amid its cell, so that whole records may have been taken for a cell; a line that ends
    /// in a carriage return only.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some((cell, opened, closed)) = bad_quote(self.raw) {
            let (line, at) = self.place(opened);
            let (closed_line, closed_at) = self.place(closed);
            return Some(if closed == self.raw.len() {
                format!(
                    "cell {cell}: the quote at line {line}, character {at} is not closed up to the \
                     end of the file"
                )
            } else {
                format!(
                    "cell {cell}: the quote that opens at line {line}, character {at} closes at \
                     line {closed_line}, character {closed_at}, and neither a comma nor the end of \
                     the line follows; inside a quoted cell a quote is written twice"
                )
            });
        }
        self.bare_return.then(|| {
            "the line ends in a carriage return without a line feed: end lines in LF or CRLF, or \
             quote the cell"
                .to_owned()
        })
    }

    /// The line and character of a byte of the record, each from 1.
    fn place(&self, byte: usize) -> (u64, usize) {
        let before = &self.raw[..byte];
        let start = memrchr(b'\n', before).map_or(0, |end| end + 1);
        let characters = String::from_utf8_lossy(&before[start..]).chars().count();
        (self.line + memchr_iter(b'\n', before).count() as u64, characters + 1)
    }
}

/// Finds the first quoted cell that does not end in a quote and a comma or the end of the record:
/// its number from 1, where it opens, and where it closes (the end, if it does not).
fn bad_quote(record: &[u8]) -> Option<(usize, usize, usize)> {
    // Most records have no quotes.
    memchr(b'"', record)?;
    let mut cell = 1;
    let mut start = 0;
    loop {
        if record.get(start) == Some(&b'"') {
            let mut end = start + 1;
            loop {
                end += match memchr(b'"', &record[end..]) {
                    Some(quote) => quote,
                    None => return Some((cell, start, record.len())),
                };
                match record.get(end + 1) {
                    None => return None,
                    Some(b',') => break,
                    Some(b'"') => end += 2,
                    Some(_) => return Some((cell, start, end)),
                }
            }
            start = end + 2;
        } else {
            start += memchr(b',', &record[start..])? + 1;
        }
        cell += 1;
    }
}

impl CsvFile {
    /// Reads the records of `window`.
    pub(crate) fn new(window: LineBuffer) -> Self {
        CsvFile {
            window,
            parser: csv_core::Reader::new(),
            cells: vec![0; 4 << 10],
            ends: vec![0; 64],
            given: 0,
        }
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When the file cannot be read, or the record is too long.
    pub(crate) fn next(&mut self) -> Result<Option<CsvRecord<'_>>> {
        self.window.advance(std::mem::take(&mut self.given));
        let mut read = 0;
        let mut written = 0;
        let mut count = 0;
        let mut at_end = false;
        loop {
            if read == self.window.bytes().len() && !at_end {
                at_end = !self.window.fill()?;
            }
            let input = &self.window.bytes()[read..];
            let (result, nin, nout, nend) =
                self.parser.read_record(input, &mut self.cells[written..], &mut self.ends[count..]);
            (read, written, count) = (read + nin, written + nout, count + nend);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let bare_return = self.is_bare_return(read)?;
        // A record's line end may be left for the next read to skip, as blank lines are.
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let before = self.window.bytes()[..read].iter().take_while(|byte| is_end(byte)).count();
        self.window.advance(before);
        self.given = read - before;
        let record = &self.window.bytes()[..self.given];
        let after = record.iter().rev().take_while(|byte| is_end(byte)).count();
        Ok(Some(CsvRecord {
            line: self.window.line(),
            raw: &record[..record.len() - after],
            cells: &self.cells[..written],
            ends: &self.ends[..count],
            bare_return,
        }))
    }

    /// Whether the record that ends after `end` bytes ends in carriage returns that are followed by
    /// neither a line feed nor the end of the file.
    fn is_bare_return(&mut self, end: usize) -> Result<bool> {
        if self.window.bytes()[..end].last() != Some(&b'\r') {
            return Ok(false);
        }
        let mut next = end;
        loop {
            match self.window.bytes().get(next).copied() {
                Some(b'\r') => next += 1,
                Some(byte) => return Ok(byte != b'\n'),
                None if !self.window.fill()? => return Ok(false),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    /// A reader that returns a few bytes at a time.
    struct Trickle(Vec<u8>, usize, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.2.min(self.0.len() - self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
            self.1 += count;
            Ok(count)
        }
    }

    fn records(text: &str, step: usize) -> Vec<(u64, Vec<String>, String, Option<String>)> {
        let text = text.as_bytes().to_vec();
        let mut file = CsvFile::new(LineBuffer::new(Box::new(Trickle(text, 0, step))));
        let mut found = Vec::new();
        while let Some(record) = file.next().expect("readable") {
            let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let cells = (0..record.len()).map(|index| string(record.cell(index))).collect();
            found.push((record.line, cells, string(record.raw), record.fault()));
        }
        found
    }

    #[test]
    fn a_record_knows_the_line_it_starts_in() {
        for end in ["\n", "\r\n"] {
            let text = "a,b\n\n\"x\ny\n\",1\n\n\nlast,\"2\n\"".replace('\n', end);
            for step in [1, 2, 7, 1000] {
                let lines: Vec<_> = records(&text, step).iter().map(|r| (r.0, r.1.len())).collect();
                assert_eq!(lines, [(1, 2), (3, 2), (8, 2)], "{end:?} {step}");
            }
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_where_its_cell_ends_is_seen() {
        for (text, fault) in [
            ("a,\"b\n", Some("cell 2: the quote at line 1, character 3 is not closed")),
            ("a,\"b\"\n", None),
            ("a,\"b\"\"", Some("cell 2: the quote at line 1, character 3 is not closed")),
            ("a,\"b\"\"\"", None),
            ("a\"b", None),
            ("5\" pipe,\"x,y", Some("cell 2: the quote at line 1, character 9 is not closed")),
            ("\"\"", None),
            ("\"\",\"\"", None),
            (
                "\"a\"b\"",
                Some("cell 1: the quote that opens at line 1, character 1 closes at line 1"),
            ),
            ("1,\"a\" ,b", Some("cell 2: the quote that opens at line 1, character 3 closes at")),
            ("1, \"a\"", None),
            (
                "é,\"Ada,x\n8,Emmy\n9,\"Grace",
                Some(
                    "cell 2: the quote that opens at line 1, character 3 closes at line 3, \
                     character 3, and neither",
                ),
            ),
        ] {
            let records = records(text, 100);
            let [(.., found)] = &records[..] else { panic!("{text:?}: {records:?}") };
            let found = found.as_deref();
            let as_told = found.is_some() == fault.is_some()
                && found.unwrap_or_default().starts_with(fault.unwrap_or_default());
            assert!(as_told, "{text:?}: {found:?}");
        }
    }

    #[test]
    fn a_carriage_return_alone_ends_no_line() {
        for step in [1, 2, 100] {
            let faults = |text| records(text, step).into_iter().map(|r| r.3.is_some());
            let faults = |text| faults(text).collect::<Vec<_>>();
            assert_eq!(faults("a,b\r\nc,d\r\n"), [false, false]);
            assert_eq!(faults("a,b\r\r\nc,d\r"), [false, false], "damaged line ends");
            assert_eq!(faults("a,b\nhello\rworld\n"), [false, true, false]);
            assert_eq!(faults("a\r\rb"), [true, false]);
            assert_eq!(faults("\"a\rb\"\n"), [false], "it may stand in a quoted cell");
        }
    }

    fn quoted(cell: &str) -> String {
        format!("\"{}\"", cell.replace('"', "\"\""))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_at_its_line(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,4}", 2), 0..8),
            crlf: bool,
            step in 1_usize..9,
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = String::new();
            let mut expected = Vec::new();
            for row in rows {
                let line = text.matches('\n').count() as u64 + 1;
                let raw = format!("{},{}", quoted(&row[0]), quoted(&row[1]));
                text += &raw;
                text += end;
                expected.push((line, row, raw, None));
            }
            prop_assert_eq!(records(&text, step), expected);
        }
    }
}
