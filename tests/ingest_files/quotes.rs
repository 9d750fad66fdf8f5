//! Quotes in places that RFC 4180 does not allow: refused by line and character, never guessed.

use diptych::event::Event;
use diptych::sources::{IngestOptions, OnError};

use super::naive_log::{NaiveLog, dir, file, one, run};
use super::{Pair, pair, refused};

#[test]
fn a_stray_quote_never_makes_one_record_of_several() {
    let dir = dir();
    let csv = |rows: &str| file(&dir, "a.csv", format!("n,text\n{rows}"));
    // The quoted cell would run over two records; the number of cells would be right again.
    let path = csv("1,\"Ada\n2,Emmy\n3,\"Grace\n4,Alan\n");
    let text = refused::<Pair>(
        &path,
        "line 2: cell 2: the quote that opens at line 2, character 3 closes at line 4, character 3",
    );
    assert!(text.contains("neither a comma nor the end of the line follows"), "{text}");
    for (row, at) in [
        ("1,\"Pedro \"pdet\" Holanda\"", "character 3 closes at line 2, character 10"),
        ("1,\"a\" ", "character 3 closes at line 2, character 5"),
        ("1,\"\"a", "character 3 closes at line 2, character 4"),
        ("\"1\"\"2,\"3\"", "character 1 closes at line 2, character 7"),
    ] {
        let text = refused::<Pair>(&csv(&format!("{row}\n")), "line 2: cell ");
        assert!(text.contains(at), "{row}: {text}");
    }
    refused::<Pair>(&csv("1,hello\rworld\n"), "line 2: the line ends in a carriage return");
    let header = file(&dir, "b.csv", "n,\"text\" \n1,a\n");
    refused::<Pair>(&header, "line 1: the header: cell 2: the quote that opens at line 1");
}

#[test]
fn quotes_where_they_belong_are_read() {
    let (log, dir) = (NaiveLog::default(), dir());
    let text =
        "\u{feff}\"n\",text\r\n\"1\",\"a \"\"b\"\",\nc\"\r\n2,5\" pipe\r\n3,\"\"\"\"\r\n4,\"\"\r\n";
    one::<Pair>(&log, &file(&dir, "a.csv", text)).expect("a good file");
    let expected = [pair(1, "a \"b\",\nc"), pair(2, "5\" pipe"), pair(3, "\""), pair(4, "")];
    assert_eq!(log.events::<Pair>(), expected);
}

#[test]
fn a_skipped_record_is_kept_whole_however_long_its_quote_ran() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv", "n,text\n1,a\n2,\"b\n3,c\n4,\"d\n5,e\n");
    let options = IngestOptions { on_error: OnError::Skip, ..IngestOptions::default() };
    let report = run(&log, &Pair::schema(), &[&path], &options).expect("skipped");
    assert_eq!(log.events::<Pair>(), [pair(1, "a"), pair(5, "e")]);
    let errors = report.files[0].errors.as_ref().expect("an errors file");
    let errors = std::fs::read_to_string(errors).expect("the errors file");
    let entry: serde_json::Value = serde_json::from_str(errors.trim()).expect("one record");
    assert_eq!((&entry["line"], &entry["text"]), (&3.into(), &"2,\"b\n3,c\n4,\"d".into()));
}
