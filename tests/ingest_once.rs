//! A file gets into the log exactly once, whatever happens on the way.

mod ingesting;

use diptych::event::Event;
use diptych::io::SimDisk;
use diptych::log::{Ack, Append, Reader, Writer};
use diptych::sources::{AppendTo, IngestOptions, OnError, ingest};
use ingesting::*;
use std::cell::Cell;
use std::sync::Arc;

#[test]
fn a_run_killed_anywhere_is_completed_exactly_once_by_the_next() {
    let dir = dir();
    for on_error in [OnError::Stop, OnError::Skip] {
        let (text, expected) = long(on_error == OnError::Skip);
        let path = file(&dir, "a.csv", &text);
        // The same text under another name and compressed is the same file.
        let copy = file(&dir, "copy.csv.zst", zstd(text.as_bytes()));
        let options = IngestOptions { on_error, ..IngestOptions::default() };
        for kill in 0..3 {
            let log = NaiveLog::default();
            log.left.set(Some(kill));
            run(&log, &Pair::schema(), &[&path], &options).expect_err("killed");
            assert_eq!(log.appends.borrow().len(), kill);

            log.left.set(None);
            let report = run(&log, &Pair::schema(), &[&copy], &options).expect("completed");
            let report = &report.files[0];
            assert_eq!((report.chunks, report.repeated), (3, kill as u64));
            assert!(!report.already_ingested());
            assert!(log.events::<Pair>() == expected, "each event once, in order");

            let report = run(&log, &Pair::schema(), &[&path], &options).expect("repeated");
            let report = &report.files[0];
            assert!(report.already_ingested());
            assert_eq!((report.epochs, report.rows), (Some((0, 2)), expected.len() as u64));
            assert_eq!(log.appends.borrow().len(), 3);
        }
    }
}

#[test]
fn requests_the_log_no_longer_remembers_count_as_appended() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv", long(false).0);
    one::<Pair>(&log, &path).expect("a good file");
    log.forgotten.set(2);
    let report = one::<Pair>(&log, &path).expect("repeated");
    assert!(report.already_ingested());
    assert_eq!(report.epochs, Some((2, 2)), "as far as the log remembers");
}

/// The log itself, until the process "is killed".
struct Dying<'a>(&'a Writer, Cell<usize>);

impl AppendTo for Dying<'_> {
    fn append(&self, append: Append) -> diptych::Result<impl FnOnce() -> diptych::Result<Ack>> {
        let left = self.1.get().checked_sub(1).ok_or_else(killed_error)?;
        self.1.set(left);
        AppendTo::append(self.0, append)
    }

    fn next_sequence(&self, producer: &str) -> diptych::Result<u64> {
        AppendTo::next_sequence(self.0, producer)
    }
}

#[test]
fn the_log_itself_gets_a_file_exactly_once() {
    let (disk, dir) = (SimDisk::new(), dir());
    let (text, expected) = long(false);
    let paths = [file(&dir, "a.csv", text)];
    let options = IngestOptions::default();
    let (schema, mut repeated) = (Pair::schema(), Vec::new());
    for left in [0, 1, 2, 3, 3] {
        let log = writer(&disk);
        let sink = Dying(&log, Cell::new(left));
        match ingest(&sink, "things", &schema, &paths, &options, &mut |_| {}) {
            Ok(report) => repeated.push(report.files[0].repeated),
            Err(_) => assert!(left < 3),
        }
        log.close().expect("closed");
    }
    assert_eq!(repeated, [2, 3]);
    let reader = Reader::open(Arc::new(disk), "log").expect("a log");
    let upper = reader.upper().expect("a mark");
    let mut events = Vec::new();
    for part in reader.parts(0, upper).expect("parts") {
        for chunk in part.chunks() {
            let rows = chunk.expect("readable").rows;
            let columns = Pair::columns(&rows).expect("the declared schema");
            let own = |row| Pair::row(&columns, row).into_event();
            events.extend((0..rows.num_rows()).map(own));
        }
    }
    assert!(events == expected, "each event once, in order");
}

#[test]
fn chunks_do_not_depend_on_the_schema() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Strict {
        n: u8,
    }
    let (text, dir) = (long(true).0, dir());
    let path = file(&dir, "a.csv", text);
    let options = IngestOptions { on_error: OnError::Skip, ..IngestOptions::default() };
    let log = NaiveLog::default();
    run(&log, &Pair::schema(), &[&path], &options).expect("bad records are skipped");
    // By another schema most records are bad; it is the same file all the same.
    let report = run(&log, &Strict::schema(), &[&path], &options).expect("bad records are skipped");
    assert!(report.files[0].already_ingested());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed_before_the_change_is_appended() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv", long(false).0);
    let paths = [path.clone()];
    let mut chunks = 0;
    let error =
        ingest(&log, "things", &Pair::schema(), &paths, &IngestOptions::default(), &mut |_| {
            chunks += 1;
            if chunks == 3 {
                let text = std::fs::read_to_string(&path).expect("readable");
                let changed = text.replace("line\n39999", "LINE\n39999");
                std::fs::write(&path, changed).expect("writable");
            }
        })
        .expect_err("changed");
    assert!(error.is_conflict() && error.to_string().contains("changed while"), "{error:?}");
    assert_eq!(log.appends.borrow().len(), 2, "the chunks that did not change");
}
