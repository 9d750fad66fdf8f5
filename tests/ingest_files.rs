//! Files into the log: all or nothing, exactly once, and every refusal names line and column.

use diptych::event::{Date, Decimal, Event, Timestamp};
use diptych::io::SimDisk;
use diptych::limits;
use diptych::log::{Ack, Append, Reader, Writer};
use diptych::sources::{AppendTo, Format, IngestOptions, OnError, ingest};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

#[path = "ingest_files/compressed.rs"]
mod compressed;

#[path = "ingest_files/known.rs"]
mod known;

#[path = "ingest_files/naive_log.rs"]
mod naive_log;

#[path = "ingest_files/quotes.rs"]
mod quotes;

#[path = "ingest_files/units.rs"]
mod units;

#[path = "ingest_files/real_files.rs"]
mod real_files;

use compressed::zstd;
use naive_log::{NaiveLog, dir, file, killed_error, one, run, writer};

#[derive(Event, Debug, Clone, Copy, PartialEq)]
enum Colour {
    Red,
    Blue,
}

#[derive(Event, Debug, Clone, PartialEq)]
struct Size {
    width: u32,
    depth: Option<u32>,
}

#[derive(Event, Debug, Clone, PartialEq)]
struct Thing {
    id: u64,
    name: String,
    note: Option<String>,
    price: Decimal<2>,
    weight: f64,
    sold: bool,
    on: Date,
    at: Timestamp,
    colour: Option<Colour>,
    key: Vec<u8>,
    tags: Option<Vec<String>>,
    size: Option<Size>,
    #[event(default)]
    stock: i16,
}

const HEADER: &str = "at,on,id,name,note,price,weight,sold,colour,key,unknown,tags,size";

fn cup() -> Thing {
    Thing {
        id: 7,
        name: "cup".into(),
        note: None,
        price: "2.50".parse().expect("a decimal"),
        weight: 0.25,
        sold: true,
        on: "2016-10-01".parse().expect("a day"),
        at: "2016-10-01T09:26:00Z".parse().expect("a time"),
        colour: Some(Colour::Blue),
        key: vec![0x0a, 0xff],
        tags: Some(vec!["a".into(), "b,\"c".into()]),
        size: Some(Size { width: 3, depth: None }),
        stock: 0,
    }
}

const CUP: &str = "2016-10-01 09:26,2016-10-01,7,cup,,2.5,0.25,1,Blue,0aFF,zzz,\
    \"[\"\"a\"\",\"\"b,\\\"\"c\"\"]\",\"{\"\"width\"\":3}\"";

#[test]
fn a_csv_cell_is_read_by_the_type_of_its_column() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv", format!("{HEADER}\n{CUP}\n"));
    let report = one::<Thing>(&log, &path).expect("a good file");
    assert_eq!(log.events::<Thing>(), [cup()]);
    assert_eq!((report.rows, report.skipped, report.errors), (1, 0, None));
    assert_eq!((report.ignored, report.absent), (vec!["unknown".into()], vec!["stock".into()]));
    assert_eq!(report.epochs, Some((0, 0)));
}

const CUP_JSON: &str = r#"{"id": 7, "name": "c\u0075p", "price": 2.5, "weight": "0.25",
    "sold": true,
    "on": "2016-10-01", "at": "1475313960000000 us", "colour": "Blue", "key": "0aff",
    "x": {"y": [1]},
    "tags": ["a", "b,\"c"], "size": {"depth": null, "width": 3}, "note": null}"#;

#[test]
fn a_json_value_is_read_by_the_type_of_its_column() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.jsonl", CUP_JSON.replace('\n', " ") + "\n");
    one::<Thing>(&log, &path).expect("a good file");
    assert_eq!(log.events::<Thing>(), [cup()]);
}

#[derive(Event, Debug, Clone, PartialEq)]
struct Pair {
    n: i64,
    text: String,
}

fn pair(n: i64, text: &str) -> Pair {
    Pair { n, text: text.into() }
}

#[test]
fn an_empty_cell_is_null_or_empty_text_or_an_error() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Cells {
        text: String,
        maybe: Option<String>,
        number: Option<i64>,
    }
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv", "text,maybe,number\n,,\n\"\",\"\",\"\"\n");
    one::<Cells>(&log, &path).expect("a good file");
    let empty = Cells { text: String::new(), maybe: None, number: None };
    assert_eq!(log.events::<Cells>(), [empty.clone(), empty]);

    let path = file(&dir, "b.csv", "n,text\n,x\n");
    refused::<Pair>(&path, "line 2: column `n`: nothing is not a whole number");
}

/// Checks that the file is refused with `message` after its name, and that nothing is appended.
fn refused<E: Event>(path: &Path, message: &str) -> String {
    let log = NaiveLog::default();
    let error = one::<E>(&log, path).expect_err(message);
    let text = error.to_string();
    let expected = format!("{}: {message}", path.display());
    assert!(text.starts_with(&expected), "expected {expected}\n   found {text}");
    assert_eq!(log.calls.get(), 0, "nothing is appended");
    text
}

#[test]
fn a_bad_csv_value_is_named_with_line_column_text_and_type() {
    let dir = dir();
    let good = "1,\"two\nlines\"\n\n";
    let csv = |bad: &str| file(&dir, "a.csv", format!("n,text\n{good}{bad}\n"));
    let path = csv("abc,x");
    let number = "a whole number from -9223372036854775808 to 9223372036854775807";
    let text = refused::<Pair>(&path, &format!("line 5: column `n`: `abc` is not {number}"));
    assert!(text.contains("the line is: abc,x"), "{text}");
    refused::<Pair>(&csv("1.5,x"), "line 5: column `n`: `1.5` is not a whole number");
    refused::<Pair>(&csv("9223372036854775808,x"), "line 5: column `n`: `9223372036854775808` is");
    refused::<Pair>(&csv("1"), "line 5: 1 cells, where the header has 2");
    refused::<Pair>(&csv("1,2,3"), "line 5: 3 cells, where the header has 2");
    refused::<Pair>(&csv("1,\"open"), "line 5: cell 2: the quote at line 5, character 3 is not");
    let mut bytes = std::fs::read(csv("1,x")).expect("just written");
    let last = bytes.len() - 2;
    bytes[last] = 0xff;
    let path = file(&dir, "a.csv", bytes);
    refused::<Pair>(&path, "line 5: column `text`: `\u{fffd}` is not UTF-8");
}

#[test]
fn each_type_refuses_what_it_cannot_hold() {
    let dir = dir();
    let cases = [
        (2, "-1", "column `id`: `-1` is not a whole number from 0 to 18446744073709551615"),
        (5, "2.505", "column `price`: `2.505` is not a decimal number with at most 2 digits"),
        (6, "1e999", "column `weight`: `1e999` is not a number"),
        (7, "maybe", "column `sold`: `maybe` is not true or false"),
        (1, "2016-02-30", "column `on`: `2016-02-30` is not a day"),
        (0, "2016-10-01", "column `at`: `2016-10-01` is not a time"),
        (8, "Green", "column `colour`: `Green` is not one of Red, Blue"),
        (9, "0a0", "column `key`: `0a0` is not an even number of hexadecimal digits"),
        (11, "[1]", "column `tags.[0]`: `1` is not a string"),
        (11, "[\"a\"", "column `tags`: `[\"a\"` is not a list in JSON"),
        (12, "{}", "column `size.width`: is missing"),
        (12, "{\"width\":null}", "column `size.width`: null, where a value is required"),
    ];
    let header: Vec<&str> = HEADER.split(',').collect();
    for (column, cell, message) in cases {
        let mut cells: Vec<&str> =
            "2016-10-01 09:26,2016-10-01,7,cup,,2.5,0.25,1,Blue,0aff,z,,".split(',').collect();
        let cell = quoted(cell);
        cells[column] = &cell;
        let text = format!("{}\r\n{}\r\n", header.join(","), cells.join(","));
        refused::<Thing>(&file(&dir, "a.csv", text), &format!("line 2: {message}"));
    }
}

#[test]
fn a_bad_json_value_is_named_with_line_column_text_and_type() {
    let dir = dir();
    let cases = [
        (r#"{"n": 1.5, "text": ""}"#, "column `n`: `1.5` is not a whole number"),
        (r#"{"n": 1e3, "text": ""}"#, "column `n`: `1e3` is not a whole number"),
        (r#"{"n": true, "text": ""}"#, "column `n`: `true` is not a whole number"),
        (r#"{"n": [1], "text": ""}"#, "column `n`: `[1]` is not a whole number"),
        (r#"{"n": 1, "text": 5}"#, "column `text`: `5` is not a string"),
        (r#"{"n": 1, "text": null}"#, "column `text`: null, where a value is required"),
        (
            r#"{"n": 1, "text": "\ud800"}"#,
            r#"column `text`: `"\ud800"` is not a string of Unicode"#,
        ),
        (r#"{"n": 1}"#, "column `text`: is missing"),
        (r#"{"n": 1, "n": 1, "text": ""}"#, "column `n`: is given twice"),
        (r#"{"n": 1, "text": "x"} {}"#, r#"`{"n": 1, "text": "x"} {}` is no JSON: trailing"#),
        (r#"{"n": 1,"#, r#"`{"n": 1,` is no JSON"#),
        ("[1, 2]", "`[1, 2]` is not a JSON object"),
        ("n,text", "`n,text` is not a JSON object"),
    ];
    for (line, message) in cases {
        let text = format!("{{\"n\": 0, \"text\": \"x\"}}\n\n{line}\n");
        refused::<Pair>(&file(&dir, "a.ndjson", text), &format!("line 3: {message}"));
    }
}

#[test]
fn a_missing_required_column_is_named_with_the_header() {
    let dir = dir();
    let path = file(&dir, "a.csv", "m,text\n1,x\n");
    let message = "line 1: column `n` is missing, which stream `things` requires; \
        the header is: m, text";
    refused::<Pair>(&path, message);
    let path = file(&dir, "b.csv", "n,text,n\n1,x,2\n");
    refused::<Pair>(&path, "line 1: column `n` is there twice");
    refused::<Pair>(&file(&dir, "c.csv", ""), "line 1: column `n` is missing");
}

#[test]
fn the_format_is_told_by_option_name_or_first_byte() {
    let (csv, json) = ("n,text\n1,a\n", "\n {\"n\": 1, \"text\": \"a\"}\n");
    let dir = dir();
    let told = |name: &str, text: &str, format| {
        let log = NaiveLog::default();
        let options = IngestOptions { format, ..IngestOptions::default() };
        let path = file(&dir, name, text);
        run(&log, &Pair::schema(), &[&path], &options).expect("a good file");
        assert_eq!(log.events::<Pair>(), [pair(1, "a")]);
    };
    told("a.csv", csv, None);
    told("a.JSONL", json, None);
    told("a.json", json, None);
    told("plain", csv, None);
    told("plain2", json, None);
    told("a.txt", csv, Some(Format::Csv));
    told("b.csv", json, Some(Format::Ndjson));
    let log = NaiveLog::default();
    assert!(one::<Pair>(&log, dir.path()).expect_err("a directory").is_input());
    assert!(one::<Pair>(&log, &dir.path().join("no")).expect_err("no file").is_missing());
}

#[test]
fn one_bad_file_stops_all_files() {
    let (log, dir) = (NaiveLog::default(), dir());
    let good = file(&dir, "a.csv", "n,text\n1,x\n");
    let bad = file(&dir, "b.csv", "n,text\nx,x\n");
    let options = IngestOptions::default();
    run(&log, &Pair::schema(), &[&good, &bad], &options).expect_err("a bad file");
    assert_eq!(log.calls.get(), 0);
}

#[test]
fn skipped_records_go_to_the_errors_file_and_the_others_in() {
    let (log, dir) = (NaiveLog::default(), dir());
    let text = "n,text\n1,a\nx,\"two\nlines\"\n2\n3,c\n";
    let path = file(&dir, "a.csv", text);
    let options = IngestOptions { on_error: OnError::Skip, ..IngestOptions::default() };
    let report = run(&log, &Pair::schema(), &[&path], &options).expect("bad records are skipped");
    assert_eq!(log.events::<Pair>(), [pair(1, "a"), pair(3, "c")]);
    let report = &report.files[0];
    assert_eq!((report.rows, report.skipped), (2, 2));
    let errors = report.errors.as_ref().expect("an errors file");
    assert_eq!(errors, &dir.path().join("a.csv.errors.ndjson"));
    let errors = std::fs::read_to_string(errors).expect("the errors file");
    let errors: Vec<serde_json::Value> =
        errors.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&errors[0]["line"], &errors[0]["text"]), (&3.into(), &"x,\"two\nlines\"".into()));
    assert!(errors[0]["reason"].as_str().is_some_and(|r| r.starts_with("column `n`: `x` is not")));
    assert_eq!((&errors[1]["line"], &errors[1]["text"]), (&5.into(), &"2".into()));
    assert_eq!(errors.len(), 2);
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// 40,000 records, every 1,000th bad when asked for.
fn long(bad: bool) -> (String, Vec<Pair>) {
    let (mut text, mut good) = (String::from("text,n\n"), Vec::new());
    for n in 0..40_000 {
        if bad && n % 1000 == 0 {
            text += "bad,bad\n";
        } else {
            let cell = format!("line\n{n}");
            text += &[&quoted(&cell), ",", &n.to_string(), "\n"].concat();
            good.push(pair(n, &cell));
        }
    }
    (text, good)
}

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

/// A request behind a refused one is refused for the gap, which the user does not need to see.
#[test]
fn the_first_refusal_is_the_one_that_is_told() {
    let dir = dir();
    // More chunks than are on their way at once.
    let rows = (limits::INGEST_IN_FLIGHT + 3) * limits::INGEST_CHUNK_RECORDS;
    let path = file(&dir, "a.csv", format!("n,text\n{}", "1,a\n".repeat(rows)));
    for left in 0..4 {
        let log = NaiveLog::default();
        log.left.set(Some(left));
        let told = run(&log, &Pair::schema(), &[&path], &IngestOptions::default());
        let told = told.expect_err("killed").to_string();
        assert!(told.contains(&killed_error().to_string()), "after {left}: {told}");
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

/// A log that "is killed" after some appends.
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

    fn offset(&self, source: &str) -> diptych::Result<Option<String>> {
        AppendTo::offset(self.0, source)
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
