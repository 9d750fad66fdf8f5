//! Prints rows on standard output: as a table, JSON or CSV.

use std::io::{self, BufWriter, ErrorKind, Write};

use serde_json::{Map, Value};

use super::args::OutputFormat;
use diptych_base::error::{Error, Result};
use diptych_base::escaped_text::escaped;
use diptych_base::io::answers;
use diptych_row::{Datum, RowSchema};

/// A printer for rows of named columns. A table is printed when the sheet is
/// [finished](Sheet::finish), because its column widths depend on all rows; JSON and CSV are
/// printed as they come.
pub(super) struct Sheet {
    format: OutputFormat,
    names: Vec<String>,
    rows: Vec<Vec<Datum>>,
    out: BufWriter<Box<dyn Write>>,
    bold: bool,
    /// The reader has closed standard output (`| head`), which is no error.
    closed: bool,
}

impl Sheet {
    /// A sheet with these columns.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn new<S: AsRef<str>>(format: OutputFormat, names: &[S]) -> Result<Sheet> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let (out, bold) = answers();
        let out = BufWriter::new(out);
        let mut sheet = Sheet { format, names, rows: Vec::new(), out, bold, closed: false };
        if format == OutputFormat::Csv {
            let header: Vec<_> = sheet.names.iter().map(|name| csv_field(name)).collect();
            sheet.line(&header.join(","))?;
        }
        Ok(sheet)
    }

    /// A sheet for the rows of a view, with columns before and after those of the view.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn of_view(
        format: OutputFormat,
        before: &[&str],
        schema: &RowSchema,
        after: &[&str],
    ) -> Result<Sheet> {
        let columns = schema.columns().map(|column| column.name.as_str());
        let before = before.iter().copied();
        let names: Vec<_> = before.chain(columns).chain(after.iter().copied()).collect();
        Sheet::new(format, &names)
    }

    /// Prints a row, or keeps it for the table.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn row(&mut self, cells: Vec<Datum>) -> Result<()> {
        let given = cells.len();
        let columns = self.names.len();
        assert!(given == columns, "{given} cells for {columns} columns");
        match self.format {
            OutputFormat::Table => {
                self.rows.push(cells);
                Ok(())
            }
            OutputFormat::Json => {
                let cells = self.names.iter().cloned().zip(cells.iter().map(Datum::to_json));
                let object: Map<String, Value> = cells.collect();
                self.line(&Value::Object(object).to_string())
            }
            OutputFormat::Csv => {
                let cells = cells.iter().map(|cell| match cell {
                    Datum::Null => String::new(),
                    other => csv_field(&other.to_string()),
                });
                self.line(&cells.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Whether the reader has gone; then further rows are useless.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Flushes the printed rows; the rows of a table are kept.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = self.out.flush();
        self.settle(flushed)
    }

    /// Prints the rows that were kept.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.format == OutputFormat::Table {
            for line in table(&self.names, &self.rows, self.bold) {
                self.line(&line)?;
            }
        }
        let flushed = self.out.flush();
        self.settle(flushed)
    }

    /// Ends without printing a table, when only lines were printed.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn discard(mut self) -> Result<()> {
        let flushed = self.out.flush();
        self.settle(flushed)
    }

    /// Prints a line as it is, between rows.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        let written = writeln!(self.out, "{line}");
        self.settle(written)
    }

    fn settle(&mut self, written: io::Result<()>) -> Result<()> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            written => written.map_err(|error| Error::io("writing to standard output", error)),
        }
    }
}

/// The lines of a table: a header, a rule, the rows; numbers to the right.
fn table(names: &[String], rows: &[Vec<Datum>], bold: bool) -> Vec<String> {
    let texts: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escaped(&cell.to_string()).into_owned()).collect())
        .collect();
    let right: Vec<bool> = (0..names.len())
        .map(|column| {
            let cell = rows.iter().map(|row| &row[column]).find(|cell| **cell != Datum::Null);
            cell.is_some_and(|cell| !matches!(cell, Datum::String(_) | Datum::Bytes(_)))
        })
        .collect();
    let width = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..names.len())
        .map(|column| {
            let cells = texts.iter().map(|row| width(&row[column]));
            cells.chain([width(&names[column])]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let space = " ".repeat(widths[column] - width(cell));
            if right[column] { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header = line(names);
    let header = if bold { format!("\x1b[1m{header}\x1b[0m") } else { header };
    let rule: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
    [header, rule.join("  ")].into_iter().chain(texts.iter().map(|row| line(row))).collect()
}

/// A field of RFC 4180; quotes tell an empty text from an absent value.
fn csv_field(text: &str) -> String {
    let special = |c: char| matches!(c, ',' | '"' | '\n' | '\r');
    if text.is_empty() || text.contains(special) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A whole number with separated thousands: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 epoch`, `2 epochs`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_and_disarms_its_cells() {
        let names = ["word".to_owned(), "n".to_owned()];
        let rows = [
            vec![Datum::String("été".into()), Datum::Int(7)],
            vec![Datum::String("a\nb".into()), Datum::Int(1234)],
        ];
        let lines = table(&names, &rows, false);
        assert_eq!(lines, ["word     n", "────  ────", "été      7", "a\\nb  1234"]);
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1000, 12_345_678].map(grouped)[..]
        );
    }
}
