//! Files that the stream has already, in whole or in part: no record counts twice in silence.

use diptych::event::Event;
use diptych::io::SimDisk;
use diptych::log::{Reader, Writer};
use diptych::sources::{IngestOptions, OnError, OnKnown, Report, ingest};
use std::cell::Cell;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::compressed::zstd;
use super::naive_log::{NaiveLog, dir, file, one, run, writer};
use super::{Dying, Pair, pair};

fn options(on_error: OnError, on_known: OnKnown) -> IngestOptions {
    IngestOptions { on_error, on_known, ..IngestOptions::default() }
}

fn with(log: &NaiveLog, paths: &[&Path], on_known: OnKnown) -> diptych::Result<Report> {
    run(log, &Pair::schema(), paths, &options(OnError::Stop, on_known))
}

/// Checks that nothing more is appended, and that the message has all of `words`.
fn conflict(log: &NaiveLog, paths: &[&Path], on_known: OnKnown, words: &[&str]) {
    let before = log.events::<Pair>();
    let error = with(log, paths, on_known).expect_err("a conflict");
    let text = error.to_string();
    assert!(error.is_conflict(), "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not said: {text}"));
    assert_eq!(log.events::<Pair>(), before);
}

fn again(label: &str) -> OnKnown {
    OnKnown::Again(Some(label.to_owned()).filter(|label| !label.is_empty()))
}

/// Records `from..to` as CSV, with a header.
fn table(range: std::ops::Range<i64>) -> String {
    range.fold("n,text\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "{n},{n}");
        text
    })
}

fn pairs(range: std::ops::Range<i64>) -> Vec<Pair> {
    range.map(|n| pair(n, &n.to_string())).collect()
}

#[test]
fn of_a_file_that_has_grown_the_rest_is_appended_when_asked_for() {
    // Ends of chunks of 16,384 records, and what lies between.
    for (before, after) in [(1, 2), (2, 3), (5, 16_384), (16_384, 16_385), (16_385, 40_000)] {
        let (log, dir) = (NaiveLog::default(), dir());
        let monday = file(&dir, "app.csv", table(0..before));
        one::<Pair>(&log, &monday).expect("a new file");
        let tuesday = file(&dir, "app.csv", table(0..after));
        let words = [&format!("all but {} of its {after} records are those of", after - before)];
        let words = [words[0], "app.csv", "--append-new-lines", "--again"];
        conflict(&log, &[&tuesday], OnKnown::Ask, &words);
        // Under another name, too.
        let moved = file(&dir, "moved.csv.zst", zstd(table(0..after).as_bytes()));
        conflict(&log, &[&moved], OnKnown::Ask, &words);
        for _ in 0..2 {
            let report = with(&log, &[&tuesday], OnKnown::NewLines).expect("the rest");
            let file = &report.files[0];
            assert_eq!((file.rows, file.left_out), ((after - before) as u64, before as u64));
            assert!(log.events::<Pair>() == pairs(0..after), "{before} to {after}");
        }
        // It is known as a whole: nothing to add, and it grows on.
        assert!(one::<Pair>(&log, &tuesday).expect("known").already_ingested());
        let wednesday = file(&dir, "app.csv", table(0..after + 2));
        conflict(&log, &[&wednesday], OnKnown::Ask, &["all but 2 of its"]);
        with(&log, &[&wednesday], OnKnown::NewLines).expect("the rest");
        assert!(log.events::<Pair>() == pairs(0..after + 2), "{before} to {after}");
        // Whoever wants all of it says so.
        let longer = file(&dir, "app.csv", table(0..after + 3));
        with(&log, &[&longer], again("")).expect("all");
        assert_eq!(log.events::<Pair>().len() as i64, 2 * after + 5);
    }
}

const BAD: &str = "n,text\n1,1\nx,2\n3,3\ny,4\n";
const MENDED: &str = "n,text\n1,1\n2,2\n3,3\n4,4\n";

/// A log that has the good records of a file with bad ones.
fn skipped(dir: &tempfile::TempDir) -> NaiveLog {
    let log = NaiveLog::default();
    let path = file(dir, "a.csv", BAD);
    let options = options(OnError::Skip, OnKnown::Ask);
    run(&log, &Pair::schema(), &[&path], &options).expect("bad records are skipped");
    log
}

#[test]
fn of_a_file_that_was_mended_the_skipped_records_are_appended_when_asked_for() {
    let dir = dir();
    let log = skipped(&dir);
    let path = file(&dir, "a.csv", MENDED);
    conflict(&log, &[&path], OnKnown::Ask, &["all but 2 of its 4 records", "--append-new-lines"]);
    for _ in 0..2 {
        with(&log, &[&path], OnKnown::NewLines).expect("the mended ones");
        let texts: Vec<_> = log.events::<Pair>().into_iter().map(|pair| pair.n).collect();
        assert_eq!(texts, [1, 3, 2, 4]);
    }
    // One is mended, one is left, and the file has grown meanwhile.
    let log = skipped(&dir);
    let path = file(&dir, "a.csv", "n,text\n1,1\n2,2\n3,3\ny,4\n5,5\nz,6\n");
    let skip = options(OnError::Skip, OnKnown::NewLines);
    run(&log, &Pair::schema(), &[&path], &skip).expect("the others");
    let path = file(&dir, "a.csv", "n,text\n1,1\n2,2\n3,3\n4,4\n5,5\n6,6\n");
    conflict(&log, &[&path], OnKnown::Ask, &["all but 2 of its 6 records"]);
    with(&log, &[&path], OnKnown::NewLines).expect("the others");
    let texts: Vec<_> = log.events::<Pair>().into_iter().map(|pair| pair.n).collect();
    assert_eq!(texts, [1, 3, 2, 5, 4, 6]);
    // The bad records were removed: nothing is new.
    let log = skipped(&dir);
    let path = file(&dir, "a.csv", "n,text\n1,1\n3,3\n");
    conflict(&log, &[&path], OnKnown::Ask, &["all but 0 of its 2 records"]);
    with(&log, &[&path], OnKnown::NewLines).expect("nothing");
    assert_eq!(log.events::<Pair>(), [pair(1, "1"), pair(3, "3")]);
    // All of it once more, if somebody wants that.
    with(&log, &[&file(&dir, "a.csv", MENDED)], again("")).expect("all");
    assert_eq!(log.events::<Pair>().len(), 6);
}

#[test]
fn what_a_wider_type_can_read_is_offered() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Narrow {
        n: u8,
        text: String,
    }
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv", "n,text\n1,1\n256,256\n");
    let skip = options(OnError::Skip, OnKnown::Ask);
    run(&log, &Narrow::schema(), &[&path], &skip).expect("skipped");
    assert!(run(&log, &Narrow::schema(), &[&path], &skip).is_ok(), "nothing new");
    let error = one::<Pair>(&log, &path).expect_err("one is good now").to_string();
    assert!(error.contains("all but 1 of its 2 records"), "{error}");
    with(&log, &[&path], OnKnown::NewLines).expect("the other");
    assert!(one::<Pair>(&log, &path).expect("known").already_ingested());
    let rows: Vec<_> = log.batches().iter().map(arrow_array::RecordBatch::num_rows).collect();
    assert_eq!(rows, [1, 1]);
}

#[test]
fn equal_files_are_one_unless_somebody_says_that_they_are_two() {
    let (log, dir) = (NaiveLog::default(), dir());
    let hours = [0, 1].map(|hour| file(&dir, ["h00.csv", "h01.csv"][hour], "n,text\n1,beat\n"));
    let [h00, h01] = [&*hours[0], &*hours[1]];
    conflict(&log, &[h00, h01], OnKnown::Ask, &["h01.csv: its content is that of", "--again"]);
    conflict(&log, &[h00, h00], OnKnown::NewLines, &["h00.csv: its content is that of"]);
    for _ in 0..2 {
        with(&log, &[h00, h01], again("")).expect("two files");
        assert_eq!(log.events::<Pair>().len(), 2);
    }
    // The next hour, alone: left out, and told as what.
    let h02 = file(&dir, "h02.csv", "n,text\n1,beat\n");
    let report = with(&log, &[&h02], OnKnown::Ask).expect("left out");
    assert!(report.files[0].already_ingested());
    assert!(report.files[0].same_as.as_ref().is_some_and(|name| name.ends_with("h01.csv")));
    assert_eq!(one::<Pair>(&log, h00).expect("known").same_as, None, "it is itself");
    with(&log, &[&h02], again("")).expect("another file");
    for _ in 0..2 {
        with(&log, &[&h02], again("Monday")).expect("yet another");
        assert_eq!(log.events::<Pair>().len(), 4);
    }
}

#[test]
fn a_file_that_begins_alike_is_refused_and_another_is_not() {
    let (log, dir) = (NaiveLog::default(), dir());
    one::<Pair>(&log, &file(&dir, "a.csv", table(0..10))).expect("a new file");
    // The last line was not whole yet.
    let text = table(0..9) + "9,more\n10,10\n";
    let words = ["begins with the first 9 of the 10 records", "goes on differently", "--again"];
    for on_known in [OnKnown::Ask, OnKnown::NewLines] {
        conflict(&log, &[&file(&dir, "b.csv", &text)], on_known, &words);
    }
    // By its name a file is the same one, mended somewhere; others may begin alike.
    let text = table(0..4) + "x,x\n".replace('x', "7").as_str();
    let words = ["begins with the first 4 of the 10 records"];
    conflict(&log, &[&file(&dir, "a.csv", &text)], OnKnown::Ask, &words);
    one::<Pair>(&log, &file(&dir, "c.csv", &text)).expect("another file");
    one::<Pair>(&log, &file(&dir, "a.csv", table(50..60))).expect("another day's file");
    assert_eq!(log.events::<Pair>().len(), 25);
}

#[test]
fn what_was_killed_is_completed_by_whatever_is_run_next() {
    let dir = dir();
    let (monday, tuesday) = (table(0..100), table(0..40_000));
    let (disk, name) = (SimDisk::new(), "app.csv");
    let events = || -> Vec<Pair> {
        let reader = Reader::open(Arc::new(disk.clone()), "log").expect("a log");
        let parts = reader.parts(0, reader.upper().expect("a mark")).expect("parts");
        let chunks = parts.iter().flat_map(diptych::log::Part::chunks);
        let rows = chunks.map(|chunk| chunk.expect("readable").rows).collect::<Vec<_>>();
        let own = |rows: &arrow_array::RecordBatch| -> Vec<Pair> {
            let columns = Pair::columns(rows).expect("the declared schema");
            (0..rows.num_rows()).map(|row| Pair::row(&columns, row).into_event()).collect()
        };
        rows.iter().flat_map(own).collect()
    };
    let once = |log: &Writer, left: usize, on_known: OnKnown| {
        let sink = Dying(log, Cell::new(left));
        let paths = [dir.path().join(name)];
        let options = options(OnError::Stop, on_known);
        ingest(&sink, "things", &Pair::schema(), &paths, &options, &mut |_| {})
    };
    file(&dir, name, monday);
    once(&writer(&disk), 9, OnKnown::Ask).expect("a new file");
    file(&dir, name, tuesday);
    once(&writer(&disk), 1, OnKnown::NewLines).expect_err("killed");
    // Whoever comes next has forgotten what was asked for; the log has not.
    once(&writer(&disk), 1, OnKnown::Ask).expect_err("killed again");
    let last = once(&writer(&disk), 9, OnKnown::Ask).expect("completed");
    assert_eq!((last.files[0].chunks, last.files[0].repeated), (3, 1));
    assert!(events() == pairs(0..40_000), "each event once");
}

#[test]
fn the_memory_has_a_bound_and_so_has_each_name() {
    let (log, dir) = (NaiveLog::default(), dir());
    for n in 0..70 {
        let name = format!("{n}.csv");
        one::<Pair>(&log, &file(&dir, &name, format!("n,text\n{n},a\n{n},b\n"))).expect("new");
    }
    // A forgotten file is known by its whole content still, a remembered one by its beginning.
    assert!(one::<Pair>(&log, &dir.path().join("0.csv")).expect("known").already_ingested());
    let grown = |n: i64| format!("n,text\n{n},a\n{n},b\n{n},c\n");
    conflict(&log, &[&file(&dir, "x.csv", grown(69))], OnKnown::Ask, &["all but 1 of its 3"]);
    one::<Pair>(&log, &file(&dir, "y.csv", grown(0))).expect("forgotten");
    let deep = dir.path().join("\u{e9}".repeat(100)).join("\u{1f600}".repeat(60)).join("z\u{1}");
    std::fs::create_dir_all(&deep).expect("directories");
    let path = deep.join("\u{7f}".repeat(200));
    let mut text = "n,text\n".to_owned();
    text.extend((0..1_000).map(|n| format!("{n},a\nbad\n")));
    std::fs::write(&path, &text).expect("a file written");
    let skip = options(OnError::Skip, OnKnown::Ask);
    run(&log, &Pair::schema(), &[&path], &skip).expect("skipped");
    let offsets = log.appends.borrow();
    let offsets: Vec<_> = offsets.iter().flat_map(|append| &append.offsets).collect();
    let sources: std::collections::BTreeSet<_> = offsets.iter().map(|(source, _)| source).collect();
    assert_eq!(sources.len(), 64);
    let longest = offsets.iter().map(|(_, offset)| offset.len()).max();
    assert!(longest.is_some_and(|bytes| bytes <= diptych::limits::LABEL_BYTES_MAX), "{longest:?}");
}
