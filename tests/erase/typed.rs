//! `erase` from the command line, and the text of conditions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use diptych::log::{Append, Reader, StreamSummary};
use diptych::sources::Conditions;
use diptych::{Event, System};
use serde_json::Value;

/// A binary of this library in a directory of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
        command.current_dir(self.0.path()).args(line).stdin(Stdio::null());
        command
    }

    /// Runs a command that must end with this code; returns standard output and standard error.
    fn run(&self, line: &[&str], code: i32) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{line:?}: {out}{err}");
        (out, err)
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut dirs = vec![self.0.path().join("D")];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    files.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        files
    }
}

fn lines() -> Place {
    let place = Place::new();
    let texts = "{\"text\":\"to be\"}\n{\"text\":\"quillon was here\"}\n{\"text\":\"or not\"}\n";
    std::fs::write(place.0.path().join("a.ndjson"), texts).unwrap();
    place.run(&["ingest", "lines", "a.ndjson", "--data", "D"], 0);
    place.run(&["batch", "word_count", "--data", "D"], 0);
    place
}

const ERASE: [&str; 7] =
    ["log", "erase", "--data", "D", "lines", "--where", "text=quillon was here"];

#[test]
fn a_line_is_erased_as_typed() {
    let place = lines();
    let before = place.files();
    let (_, said) = place.run(&[&ERASE[..], &["--dry-run"]].concat(), 0);
    assert!(said.contains("1 event of stream lines would be erased, epochs 0 to 0"), "{said}");
    assert!(before == place.files(), "a dry run changes nothing");

    let json = ["--reason", "request 9", "--format", "json", "-w", "2"];
    let (out, said) = place.run(&[&ERASE[..], &json].concat(), 0);
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [erased, view, errors] = &rows[..] else { panic!("{out}") };
    assert_eq!((&errors["view"], &errors["rows_after"]), (&"errors".into(), &0.into()));
    assert_eq!((&erased["events"], &erased["stream"]), (&1.into(), &"lines".into()));
    assert_eq!((&view["view"], &view["boundary"]), (&"counts".into(), &1.into()));
    assert_eq!((&view["rows_before"], &view["rows_after"]), (&7.into(), &4.into()));
    assert_eq!((&view["removed"], &view["added"]), (&3.into(), &0.into()));
    assert_ne!(view["digest_before"], view["digest_after"]);
    for words in ["erased 1 event", "1 of 1 segment", "batch view of word_count", "backups"] {
        assert!(said.contains(words), "{words:?} is not said: {said}");
    }
    for (path, bytes) in place.files() {
        let found = memchr::memmem::find(&bytes, b"quillon");
        assert!(found.is_none(), "{}", path.display());
    }
    // The same file has nothing to add, and nothing else comes back.
    let (_, said) = place.run(&["ingest", "lines", "a.ndjson", "--data", "D"], 0);
    assert!(said.contains("nothing to do, all of it (3 events)"), "{said}");
    let counts = ["query", "word_count", "counts", "--data", "D", "--format", "json"];
    assert_eq!(place.run(&counts, 0).0.lines().count(), 4);
    place.run(&["verify", "word_count", "--data", "D"], 0);
    place.run(&["log", "check", "--data", "D"], 0);
    for what in ["ls", "stat"] {
        let (_, said) = place.run(&["log", what, "--data", "D"], 0);
        assert!(said.contains("1 event was erased from history in 1 run"), "{said}");
    }
    let (out, _) = place.run(&["log", "erasures", "--data", "D", "--format", "json"], 0);
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&row["events"], &row["reason"]), (&1.into(), &"request 9".into()));
    // A backup takes the history of now, with the record.
    place.run(&["backup", "D", "copy"], 0);
    let (out, _) = place.run(&["log", "erasures", "--data", "copy", "--format", "csv"], 0);
    assert!(out.contains("request 9"), "{out}");

    let (out, said) = place.run(&ERASE, 3);
    assert!(out.is_empty() && said.contains("no event of stream lines has text=quillon"), "{said}");
}

#[test]
fn what_is_wrong_is_said_with_the_remedy() {
    let place = lines();
    let before = place.files();
    let refused = |line: &[&str], code, words: &[&str]| {
        let line = [&["log", "erase", "--data", "D"], line].concat();
        let (_, said) = place.run(&line, code);
        for word in words {
            assert!(said.contains(word), "{word:?} is not said: {said}");
        }
    };
    refused(&["lines"], 2, &["--where"]);
    refused(&["lines", "--where", "text"], 2, &["\"text\" is no condition", "FIELD=VALUE"]);
    refused(&["linez", "--where", "text=a"], 3, &["no stream \"linez\"", "it has lines"]);
    refused(&["lines", "--where", "txt=a"], 2, &["columns text: there is no column `txt`"]);
    refused(&["lines", "--where", "text=a", "words"], 3, &["no dataflow \"words\""]);
    refused(&["lines", "--where", "text=to be", "--where", "text=or not"], 3, &["no event"]);
    let long = "x".repeat(2_000);
    refused(&["lines", "--where", "text=to be", "--reason", &long], 2, &["--reason", "1024"]);
    // Whoever takes the lock writes these two.
    let kept = |mut files: BTreeMap<PathBuf, Vec<u8>>| {
        files.retain(|path, _| !path.ends_with("MARK") && !path.ends_with("LOCK"));
        files
    };
    assert!(kept(before) == kept(place.files()), "nothing has changed");
    // Somebody writes.
    let writer = System::open(place.0.path().join("D")).writer().unwrap();
    let (_, said) = place.run(&ERASE, 4);
    for words in ["nothing is erased", "LOCK", "stop the server"] {
        assert!(said.contains(words), "{words:?} is not said: {said}");
    }
    place.run(&[&ERASE[..], &["--dry-run"]].concat(), 0);
    writer.close().unwrap();
}

/// A server in another process that follows the directory stops, and says why.
#[test]
fn a_server_that_follows_stops() {
    let place = lines();
    let mut serve = place.command(&["serve", "word_count", "--data", "D", "--for", "60s"]);
    let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("caught up") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "it has ended");
    }
    place.run(&ERASE, 0);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{rest}");
    assert!(rest.contains("events of stream lines were erased at"), "{rest}");
    for (path, bytes) in place.files() {
        assert!(memchr::memmem::find(&bytes, b"quillon").is_none(), "{}", path.display());
    }
}

/// The customer of an order.
#[derive(Event, Clone, Debug)]
struct Person {
    name: String,
    age: Option<u8>,
}

#[derive(Event, Clone, Debug)]
struct Order {
    id: i64,
    customer: Person,
    price: diptych::event::Decimal<2>,
    paid: bool,
    at: diptych::event::Timestamp,
    note: Option<String>,
    tags: Vec<String>,
    rate: f64,
}

fn orders() -> (RecordBatch, SchemaRef) {
    let system = System::in_memory();
    let writer = system.writer().unwrap();
    let order = |id: i64| Order {
        id,
        customer: Person { name: format!("p{}", id % 3), age: (id % 2 == 0).then_some(30) },
        price: diptych::event::Decimal::new(150 + i128::from(id)).unwrap(),
        paid: id % 4 == 0,
        at: diptych::event::Timestamp::from_micros(id * 1_000_000),
        note: (id % 5 == 0).then(|| "late".to_owned()),
        tags: vec![format!("t{}", id % 2)],
        rate: id as f64 / 2.0,
    };
    diptych::sources::append(&writer, "orders", &(0..20).map(order).collect::<Vec<_>>()).unwrap();
    let reader = system.reader().unwrap();
    let part = reader.parts(0, 1).unwrap().remove(0);
    let rows = part.chunks().next().unwrap().unwrap().rows;
    (rows, part.schema().clone())
}

#[test]
fn values_are_read_by_the_type_of_their_column() {
    let (rows, schema) = orders();
    let chosen = |texts: &[&str]| -> Vec<i64> {
        let conditions = Conditions::parse(texts).unwrap();
        let chooser = conditions.chooser(&schema).unwrap().expect("it can match");
        let chosen = chooser(&rows).unwrap();
        (0..).zip(chosen).filter(|(_, chosen)| *chosen).map(|(id, _)| id).collect()
    };
    assert_eq!(chosen(&["id=7"]), [7]);
    assert_eq!(chosen(&["id=7.0"]), [7], "as in a file");
    assert_eq!(chosen(&["customer.name=p1"]), [1, 4, 7, 10, 13, 16, 19]);
    assert_eq!(chosen(&["customer.name=p1", "customer.age=30"]), [4, 10, 16]);
    assert_eq!(chosen(&["customer.name=p1", "customer.age="]), [1, 7, 13, 19]);
    assert_eq!(chosen(&["price=1.53"]), [3]);
    assert_eq!(chosen(&["price=1.6"]), [10]);
    assert_eq!(chosen(&["paid=true", "note=late"]), [0]);
    assert_eq!(chosen(&["note=", "paid=TRUE"]), [4, 8, 12, 16]);
    assert_eq!(chosen(&["at=1970-01-01T00:00:05Z"]), [5]);
    assert_eq!(chosen(&["tags=[\"t1\"]", "paid=false", "id=3"]), [3]);
    assert_eq!(chosen(&["rate=2.5"]), [5]);
    assert_eq!(chosen(&["rate=2.51"]), [0; 0]);
    let info = StreamSummary {
        name: "orders".into(),
        schemas: vec![schema.clone()],
        rows: 20,
        retracted: 0,
    };
    for (text, words) in [
        ("id=seven", "`seven` is not a whole number"),
        ("customer.nam=x", "no column `customer.nam`"),
        ("id.x=1", "no column `id.x`"),
        ("price=1.555", "at most 2 digits"),
        ("at=yesterday", "a time such as"),
        ("customer.age=300", "column `age`"),
        ("id=", "nothing"),
    ] {
        let conditions = Conditions::parse(&[text]).unwrap();
        let error = conditions.check(&info).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(words), "{text}: {error}");
        assert!(conditions.chooser(&schema).unwrap().is_none());
    }
    assert!(Conditions::parse(&["=x"]).is_err() && Conditions::parse::<&str>(&[]).is_err());
}

/// A stream whose schema has changed: data without the field is named and left alone.
#[test]
fn a_schema_without_the_field_is_named() {
    let system = System::in_memory();
    let writer = system.writer().unwrap();
    let column = |name: &str, array: arrow_array::ArrayRef| {
        RecordBatch::try_from_iter([(name, array)]).unwrap()
    };
    let text = |value: &str| Arc::new(arrow_array::StringArray::from(vec![value]));
    let number = Arc::new(arrow_array::Int64Array::from(vec![17]));
    for rows in [column("user", text("17")), column("user", number), column("name", text("17"))] {
        writer.append(Append::rows("s", rows)).unwrap().wait().unwrap();
    }
    let reader: Arc<Reader> = system.reader().unwrap();
    let stream = reader.streams().remove(0);
    let found = |text: &str| {
        let conditions = Conditions::parse(&[text]).unwrap();
        let notes = conditions.check(&stream).unwrap();
        (reader.places("s", &|schema| conditions.chooser(schema)).unwrap(), notes)
    };
    let (both, notes) = found("user=17");
    assert_eq!((both.events(), both.epochs()), (2, Some((0, 1))));
    assert_eq!(notes, ["events with the columns name: there is no column `user`"]);
    let (one, notes) = found("user=x17");
    assert_eq!((one.events(), notes.len()), (0, 2));
    assert!(notes[0].contains("whole number"), "{notes:?}");
    assert_eq!(found("name=17").0.epochs(), Some((2, 2)));
}
