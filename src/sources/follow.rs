//! Records that come one by one, as NDJSON lines of a pipe: appended as soon as they are there.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

use super::bad::shortened;
use super::lines::{Lines, Window};
use super::nested::Structs;
use crate::error::{Error, Kind, Result};
use crate::limits::{FOLLOW_RECORDS_MAX, FOLLOW_WAIT};

/// How often the caller's wish to stop is looked at while nothing comes.
const PATIENCE: Duration = Duration::from_millis(50);

type Line = Result<(u64, Vec<u8>)>;

/// Reads NDJSON records of `schema` from `input` and gives them to `each`, grouped by the moment
/// they came: a group waits for company no longer than [`FOLLOW_WAIT`]. Returns the number of
/// records at the end of the input, or when `stop` says so.
///
/// Unlike [`super::ingest`] this is not exactly once: whoever writes to the pipe again after a
/// crash has to know how far it was.
///
/// # Errors
/// When a line is no record of the schema (all before it were given to `each`; the error names
/// `name` and the line), the input cannot be read, or `each` fails.
pub fn follow(
    input: impl Read + Send + 'static,
    name: &str,
    schema: &SchemaRef,
    stop: impl Fn() -> bool,
    mut each: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<u64> {
    let lines = read_apart(Box::new(input));
    let mut rows = Structs::new(schema.fields())?;
    let mut total = 0;
    loop {
        let (records, more) = gather(&lines, &mut rows, &stop);
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
        records.map_err(|error| error.within(name))?;
        if !more {
            return Ok(total);
        }
    }
}

/// Lines of `input`, read by a thread of their own, because reading a pipe may block for ever.
fn read_apart(input: Box<dyn Read + Send>) -> Receiver<Line> {
    let (sender, receiver) = bounded(FOLLOW_RECORDS_MAX);
    thread::spawn(move || {
        let mut lines = Lines::new(Window::new(input));
        loop {
            let line = match lines.next() {
                Ok(Some((number, text))) => Ok((number, text.to_vec())),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let failed = line.is_err();
            if sender.send(line).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Collects what comes within one wait. Whether all was well, and whether more may come.
fn gather(
    lines: &Receiver<Line>,
    rows: &mut Structs,
    stop: &impl Fn() -> bool,
) -> (Result<()>, bool) {
    let mut first: Option<Instant> = None;
    while rows.rows() < FOLLOW_RECORDS_MAX {
        let left = match first {
            None => PATIENCE,
            Some(first) => FOLLOW_WAIT.saturating_sub(first.elapsed()),
        };
        match lines.recv_timeout(left) {
            Ok(Ok((number, text))) => {
                if let Err(error) = record(rows, number, &text) {
                    return (Err(error), false);
                }
                first.get_or_insert_with(Instant::now);
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
            .remedy("the records before it are appended: mend it and send the rest again")
    };
    let text = std::str::from_utf8(text)
        .map_err(|error| refuse(format!("not UTF-8 after {} bytes", error.valid_up_to())))?;
    rows.object(text).map_err(|bad| refuse(bad.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflows::Line as Event;
    use crate::event::Event as _;

    fn followed(text: &'static str) -> (Result<u64>, usize) {
        let mut rows = 0;
        let outcome = follow(
            text.as_bytes(),
            "pipe",
            &Event::schema(),
            || false,
            |batch| {
                rows += batch.num_rows();
                Ok(())
            },
        );
        (outcome, rows)
    }

    #[test]
    fn every_line_arrives_and_the_end_ends() {
        let (outcome, rows) = followed("{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n{\"text\":\"c\"}");
        assert_eq!((outcome.ok(), rows), (Some(3), 3));
    }

    #[test]
    fn a_bad_line_is_named_and_those_before_it_count() {
        let (outcome, rows) = followed("{\"text\":\"a\"}\n{\"text\":1}x\n{\"text\":\"c\"}\n");
        let error = outcome.expect_err("a bad line").to_string();
        assert!(error.starts_with("pipe: line 2:") && error.contains("the line is"), "{error}");
        assert_eq!(rows, 1);
    }

    #[test]
    fn stopping_does_not_wait_for_the_pipe() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let outcome = follow(reader, "pipe", &Event::schema(), || true, |_| Ok(()));
        assert_eq!(outcome.ok(), Some(0));
    }
}
