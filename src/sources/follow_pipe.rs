//! Appends records that arrive one by one, as NDJSON lines of a pipe, as soon as they arrive.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

use super::bad_record::shortened;
use super::lines::{LineBuffer, Lines};
use super::nested_column_writers::Structs;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{FOLLOW_RECORDS_MAX, FOLLOW_WAIT};

/// Interval at which `stop` is checked while nothing arrives.
const PATIENCE: Duration = Duration::from_millis(50);

type Line = Result<(u64, Vec<u8>)>;

/// Reads NDJSON records of `schema` from `input` and passes them to `each`, grouped by arrival: a
/// group waits for further records no longer than [`FOLLOW_WAIT`]. Returns the number of records at
/// the end of the input, or when `stop` says so.
///
/// A malformed line is passed to `bad`, as an error that names `name` and the line: the next line
/// is read when `bad` returns, unless it returns an error, which ends the run. A line of more than
/// [`INGEST_RECORD_BYTES_MAX`](diptych_base::limits::INGEST_RECORD_BYTES_MAX) bytes is treated the
/// same, and is skipped without being kept.
///
/// Unlike [`super::ingest`] this is not exactly once: a program that writes to the pipe again after
/// a crash has to know how many records were appended.
///
/// # Errors
/// The error of `bad` (all records before it were passed to `each`), of reading the input, or of
/// `each`.
pub fn follow(
    input: impl Read + Send + 'static,
    name: &str,
    schema: &SchemaRef,
    stop: impl Fn() -> bool,
    mut bad: impl FnMut(Error) -> Result<()>,
    mut each: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<u64> {
    let lines = read_apart(Box::new(input));
    let mut rows = Structs::new(schema.fields())?;
    let mut total = 0;
    loop {
        let (records, more) =
            gather(&lines, &mut rows, &stop, &mut |error| bad(error.within(name)));
        let count = rows.rows();
        if count > 0 {
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            let batch = RecordBatch::try_new_with_options(schema.clone(), rows.arrays(), &options);
            match batch {
                Ok(batch) => each(batch)?,
                Err(error) => panic!("{count} records broke their own schema: {error}"),
            }
            total += count as u64;
        }
        records?;
        if !more {
            return Ok(total);
        }
    }
}

/// Reads lines of `input` on a thread of their own, because reading a pipe may block for ever.
fn read_apart(input: Box<dyn Read + Send>) -> Receiver<Line> {
    let (sender, receiver) = bounded(FOLLOW_RECORDS_MAX);
    thread::spawn(move || {
        let mut lines = Lines::new(LineBuffer::new(input));
        loop {
            let line = match lines.next() {
                Ok(Some((number, text))) => Ok((number, text.to_vec())),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            // Only a line that is too long is followed by further lines.
            let long = line.as_ref().is_err_and(Error::is_input);
            let last = line.is_err() && !long;
            if sender.send(line).is_err() || last || (long && lines.pass().is_err()) {
                return;
            }
        }
    });
    receiver
}

/// Collects the lines of one wait. Returns whether none failed, and whether more may come.
fn gather(
    lines: &Receiver<Line>,
    rows: &mut Structs,
    stop: &impl Fn() -> bool,
    bad: &mut dyn FnMut(Error) -> Result<()>,
) -> (Result<()>, bool) {
    let mut first: Option<Instant> = None;
    while rows.rows() < FOLLOW_RECORDS_MAX {
        let left = match first {
            None => PATIENCE,
            Some(first) => FOLLOW_WAIT.saturating_sub(first.elapsed()),
        };
        match lines.recv_timeout(left) {
            Ok(Ok((number, text))) => {
                match record(rows, number, &text) {
                    Ok(()) => drop(first.get_or_insert_with(Instant::now)),
                    Err(error) => {
                        if let Err(error) = bad(error) {
                            return (Err(error), false);
                        }
                        // `stop` is checked during a flood of bad lines, too.
                        if stop() {
                            break;
                        }
                    }
                }
            }
            Ok(Err(error)) if error.is_input() => {
                if let Err(error) = bad(error) {
                    return (Err(error), false);
                }
            }
            Ok(Err(error)) => return (Err(error), false),
            Err(RecvTimeoutError::Disconnected) => return (Ok(()), false),
            Err(RecvTimeoutError::Timeout) if stop() => return (Ok(()), false),
            Err(RecvTimeoutError::Timeout) if first.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    (Ok(()), !stop())
}

fn record(rows: &mut Structs, number: u64, text: &[u8]) -> Result<()> {
    let refuse = |reason: String| {
        let shown = shortened(&String::from_utf8_lossy(text));
        Error::new(Kind::Input, format!("line {number}: {reason}; the line is: {shown}"))
    };
    let text = std::str::from_utf8(text)
        .map_err(|error| refuse(format!("not UTF-8 after {} bytes", error.valid_up_to())))?;
    rows.object(text).map_err(|bad| refuse(bad.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::Line as Event;
    use diptych_event::Event as _;

    /// The outcome, the texts of the records, and the errors.
    fn followed(text: Vec<u8>, skip: bool) -> (Result<u64>, Vec<String>, Vec<String>) {
        let mut texts = Vec::new();
        let mut errors = Vec::new();
        let bad = |error: Error| {
            errors.push(error.to_string());
            if skip { Ok(()) } else { Err(error) }
        };
        let input = std::io::Cursor::new(text);
        let outcome = follow(
            input,
            "pipe",
            &Event::schema(),
            || false,
            bad,
            |batch| {
                let columns = Event::columns(&batch)?;
                texts
                    .extend((0..batch.num_rows()).map(|row| Event::row(&columns, row).text.into()));
                Ok(())
            },
        );
        (outcome, texts, errors)
    }

    #[test]
    fn every_line_arrives_and_the_end_ends() {
        let text = b"{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n{\"text\":\"c\"}";
        let (outcome, texts, errors) = followed(text.to_vec(), false);
        assert_eq!((outcome.ok(), texts.len(), errors.len()), (Some(3), 3, 0));
    }

    #[test]
    fn a_bad_line_is_named_and_those_before_it_count() {
        let text = b"{\"text\":\"a\"}\n{\"text\":1}x\n{\"text\":\"c\"}\n";
        let (outcome, texts, errors) = followed(text.to_vec(), false);
        let error = outcome.expect_err("a bad line").to_string();
        assert!(error.starts_with("pipe: line 2:") && error.contains("the line is"), "{error}");
        assert_eq!((texts, errors), (vec!["a".to_owned()], vec![error]));
    }

    #[test]
    fn lines_behind_bad_ones_are_read() {
        let mut text = b"{\"text\":\"a\"}\nrotated\n\xff\n{}\n{\"text\":\"b\"}\n".to_vec();
        text.resize(text.len() + 3 * diptych_base::limits::INGEST_RECORD_BYTES_MAX, b'x');
        text.extend(b"\n{\"text\":\"c\"}\n{\"text\":");
        let (outcome, texts, errors) = followed(text, true);
        assert_eq!((outcome.ok(), texts), (Some(3), vec!["a".into(), "b".into(), "c".into()]));
        let named: Vec<_> = errors.iter().filter_map(|error| error.split(": ").nth(1)).collect();
        assert_eq!(named, ["line 2", "line 3", "line 4", "line 6", "line 8"]);
        assert!(errors[3].contains("a record of over"), "{}", errors[3]);
    }

    #[test]
    fn stopping_does_not_wait_for_the_pipe() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let outcome = follow(reader, "pipe", &Event::schema(), || true, Err, |_| Ok(()));
        assert_eq!(outcome.ok(), Some(0));
    }
}
