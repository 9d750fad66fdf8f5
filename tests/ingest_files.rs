//! Files into the log: all or nothing, exactly once, and every refusal names line and column.

mod ingesting;

use diptych::event::{Date, Decimal, Event, Timestamp};
use diptych::sources::{Format, IngestOptions, OnError, ingest};
use ingesting::*;
use std::io::Write;
use std::path::Path;

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
    "on": "2016-10-01", "at": 1475313960000000, "colour": "Blue", "key": "0aff", "x": {"y": [1]},
    "tags": ["a", "b,\"c"], "size": {"depth": null, "width": 3}, "note": null}"#;

#[test]
fn a_json_value_is_read_by_the_type_of_its_column() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.jsonl", CUP_JSON.replace('\n', " ") + "\n");
    one::<Thing>(&log, &path).expect("a good file");
    assert_eq!(log.events::<Thing>(), [cup()]);
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

/// The file is refused with `message` after its name, and nothing is appended.
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
    refused::<Pair>(&csv("1,\"open"), "line 5: a quote is not closed");
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
fn compressed_files_are_read_and_refused_like_plain_ones() {
    let dir = dir();
    let good = "\u{feff}n,text\n1,\"a\nb\"\n2,c\n".as_bytes();
    let bad = b"n,text\n1,\"a\nb\"\nx,c\n";
    for (name, pack) in [("a.csv.gz", gzip as fn(&[u8]) -> Vec<u8>), ("a.csv.zst", zstd)] {
        let log = NaiveLog::default();
        one::<Pair>(&log, &file(&dir, name, pack(good))).expect("a good file");
        assert_eq!(log.events::<Pair>(), [pair(1, "a\nb"), pair(2, "c")]);
        refused::<Pair>(&file(&dir, name, pack(bad)), "line 4: column `n`: `x` is not");
        let torn = pack(good);
        let path = file(&dir, name, &torn[..torn.len() - 3]);
        let error = one::<Pair>(&NaiveLog::default(), &path).expect_err("torn");
        assert!(error.is_damaged(), "{error:?}");
        assert!(error.to_string().contains("data is not whole"), "{error}");
    }
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

#[test]
fn progress_ends_at_the_whole_file() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv.gz", gzip(long(false).0.as_bytes()));
    let mut last = (0, 0, 0);
    let progress =
        &mut |p: &diptych::sources::Progress<'_>| last = (p.bytes, p.bytes_total, p.rows);
    let paths = [path.clone()];
    ingest(&log, "things", &Pair::schema(), &paths, &IngestOptions::default(), progress)
        .expect("a good file");
    let size = std::fs::metadata(&path).expect("there").len();
    assert_eq!(last, (size, size, 40_000));
}

#[test]
fn standard_input_is_read_like_a_file() {
    const CHILD: &str = "DIPTYCH_TEST_INGEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let log = NaiveLog::default();
        let report = one::<Pair>(&log, Path::new("-")).expect("a good file");
        assert_eq!((report.rows, log.events::<Pair>()), (2, vec![pair(1, "a\nb"), pair(2, "c")]));
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "standard_input_is_read_like_a_file", "--nocapture"])
        .env(CHILD, "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("this test again");
    let text = gzip(b"text,n\n\"a\nb\",1\nc,2\n");
    child.stdin.take().expect("piped").write_all(&text).expect("read by the child");
    assert!(child.wait().expect("a child").success());
}

#[test]
fn real_tweets_go_in_whole() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Tweet {
        publish_date: Timestamp,
        author_id: String,
        region: Option<String>,
        followers: i64,
        retweet: bool,
        content: String,
    }
    let Some(path) = real("tweets_sample_2016-10.csv.zst") else { return };
    let log = NaiveLog::default();
    let report = one::<Tweet>(&log, &path).expect("a real file");
    assert_eq!((report.rows, report.absent.len()), (131_893, 0));
    let tweets = log.events::<Tweet>();
    assert_eq!(tweets.len(), 131_893);
    assert!(tweets.is_sorted_by_key(|tweet| tweet.publish_date), "as the file is");
    assert_eq!(tweets[0].publish_date.to_string(), "2016-10-01T00:00:00Z");
    assert_eq!((tweets[0].followers, tweets[0].retweet), (10_215, false));
    assert!(tweets[0].content.contains("#BlackLivesMatter"));
}

#[test]
fn real_sales_add_up_to_the_cent() {
    #[derive(Event, Debug, Clone, PartialEq)]
    #[expect(non_snake_case, reason = "the columns' names")]
    struct Sale {
        InvoiceNo: String,
        Quantity: i64,
        InvoiceDate: Timestamp,
        UnitPrice: Decimal<3>,
        CustomerID: Option<u32>,
        Description: Option<String>,
    }
    let Some(path) = real("retail_transactions.csv.zst") else { return };
    let log = NaiveLog::default();
    one::<Sale>(&log, &path).expect("a real file");
    let sales = log.events::<Sale>();
    assert_eq!(sales.len(), 541_909);
    assert_eq!(sales.iter().filter(|sale| sale.CustomerID.is_none()).count(), 135_080);
    assert_eq!(sales.iter().filter(|sale| sale.InvoiceNo.starts_with('C')).count(), 9_288);
    let total: Decimal<3> = sales.iter().map(|sale| sale.UnitPrice * sale.Quantity).sum();
    assert_eq!(total.to_string(), "9747747.934");
}
