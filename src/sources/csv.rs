//! Records of comma-separated values, with the line each starts in and its text as it stands.

use csv_core::ReadRecordResult;

use super::lines::Window;
use crate::error::Result;

/// A CSV file as records.
///
/// The grammar is csv-core's, which takes every text for a table: RFC 4180, LF or CRLF, blank
/// lines skipped, and a quote inside an unquoted cell is a character. Only a quote that is open at
/// the end of the file is refused here ([`CsvRecord::is_open`]).
pub(crate) struct CsvFile {
    window: Window,
    parser: csv_core::Reader,
    /// The cells of the record end to end, unescaped.
    cells: Vec<u8>,
    /// Where in `cells` each cell ends.
    ends: Vec<usize>,
    /// The bytes of the record last given out, with its line end.
    given: usize,
}

/// One record.
pub(crate) struct CsvRecord<'a> {
    /// The line it starts in.
    pub(crate) line: u64,
    /// Its text, without the line end.
    pub(crate) raw: &'a [u8],
    cells: &'a [u8],
    ends: &'a [usize],
    /// Whether the file ends here.
    last: bool,
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

    /// Whether the file ends inside a quoted cell.
    pub(crate) fn is_open(&self) -> bool {
        self.last && open_at_end(self.raw)
    }
}

/// Whether `record` ends inside a quoted cell.
fn open_at_end(record: &[u8]) -> bool {
    #[derive(PartialEq)]
    enum In {
        Start,
        Plain,
        Quoted,
        Quote,
    }
    let state = record.iter().fold(In::Start, |state, byte| match (state, byte) {
        (In::Start | In::Quote, b'"') | (In::Quoted, b'\0'..=b'!' | b'#'..) => In::Quoted,
        (In::Quoted, b'"') => In::Quote,
        (_, b',') => In::Start,
        _ => In::Plain,
    });
    state == In::Quoted
}

impl CsvFile {
    /// The records of `window`.
    pub(crate) fn new(window: Window) -> Self {
        CsvFile {
            window,
            parser: csv_core::Reader::new(),
            cells: vec![0; 4 << 10],
            ends: vec![0; 64],
            given: 0,
        }
    }

    /// The next record.
    ///
    /// # Errors
    /// When the file cannot be read, or the record is too long.
    pub(crate) fn next(&mut self) -> Result<Option<CsvRecord<'_>>> {
        self.window.advance(std::mem::take(&mut self.given));
        let (mut read, mut written, mut count) = (0, 0, 0);
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
        // A record's line end may be left for the next one to skip, as blank lines are.
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
            last: at_end,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    /// Gives out a few bytes at a time.
    struct Trickle(Vec<u8>, usize, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.2.min(self.0.len() - self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
            self.1 += count;
            Ok(count)
        }
    }

    fn records(text: &str, step: usize) -> Vec<(u64, Vec<String>, String, bool)> {
        let text = text.as_bytes().to_vec();
        let mut file = CsvFile::new(Window::new(Box::new(Trickle(text, 0, step))));
        let mut found = Vec::new();
        while let Some(record) = file.next().expect("readable") {
            let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let cells = (0..record.len()).map(|index| string(record.cell(index))).collect();
            found.push((record.line, cells, string(record.raw), record.is_open()));
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
    fn a_quote_that_is_never_closed_is_seen() {
        for (text, open) in [
            ("a,\"b\n", true),
            ("a,\"b\"\n", false),
            ("a,\"b\"\"", true),
            ("a,\"b\"\"\"", false),
            ("a\"b", false),
            ("5\" pipe,\"x,y", true),
            ("\"\"", false),
            ("\"a\"b\"", false),
        ] {
            assert_eq!(records(text, 100).last().map(|r| r.3), Some(open), "{text:?}");
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
            let (mut text, mut expected) = (String::new(), Vec::new());
            for row in rows {
                let line = text.matches('\n').count() as u64 + 1;
                let raw = format!("{},{}", quoted(&row[0]), quoted(&row[1]));
                text += &raw;
                text += end;
                expected.push((line, row, raw, false));
            }
            prop_assert_eq!(records(&text, step), expected);
        }
    }
}
