//! The built-in `tweets` dataflow on real messages, against a program in another language.
//!
//! The file is ingested, a batch view is computed, and every view is read, once through the library
//! and once through the command line; `reference/tweets.py` computes the same from the file alone.
//! All must have the same rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dataflows::{Tweet, tweets};
use diptych::dataflow::Definition;
use diptych::serving::Read;
use diptych::sources::{IngestOptions, ingest};
use diptych::system::{BatchOptions, Cluster};
use diptych::{Event, System};
use serde_json::{Map, Value};

const FILE: &str = "tweets_sample_2016-10.csv.zst";
const VIEWS: [&str; 3] = ["tags_by_hour", "top_tags", "tag_authors"];

/// Rows as sorted `column=value` lists, with their multiplicities.
type Rows = BTreeMap<Vec<String>, usize>;

/// The data directory: `DIPTYCH_DATA`, or `shared/data` beside or above the package.
fn data() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("DIPTYCH_DATA") {
        return Some(PathBuf::from(given).join(FILE));
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().map(|above| above.join("shared/data").join(FILE)).find(|file| file.exists())
}

/// The file and the reference's answers; none, and a reason printed, where either is missing.
fn expected() -> Option<(PathBuf, BTreeMap<&'static str, Rows>)> {
    let Some(file) = data() else {
        println!("skipped: no {FILE}; name its directory in DIPTYCH_DATA");
        return None;
    };
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 to run the reference");
        return None;
    }
    let expected = reference(&file);
    Some((file, expected))
}

fn compare(view: &str, rows: &Rows, expected: &Rows) {
    assert!(rows.len() > 1000, "{view} has only {} rows", rows.len());
    for (row, times) in expected {
        assert_eq!(rows.get(row), Some(times), "{view}: expected {row:?}");
    }
    for row in rows.keys() {
        assert!(expected.contains_key(row), "{view}: nobody expected {row:?}");
    }
}

#[test]
fn the_library_agrees_with_the_reference() {
    let Some((file, expected)) = expected() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let system = System::open(directory.path());
    let writer = system.writer().expect("a new log");
    let options = IngestOptions::default();
    ingest(&writer, "tweets", &Tweet::schema(), &[file], &options, &mut |_| {})
        .expect("a good file");
    writer.close().expect("a whole log");
    let tweets = Definition::new("tweets", tweets);
    let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
    let boundary = system.batch(&tweets, &options).expect("a batch view").boundary;
    let index = system.recompute(&tweets, boundary, Cluster::local(1), false).expect("an index");
    assert_eq!(index.boundary(), boundary, "the batch view was not used");
    let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
    for (id, view) in index.views().iter().enumerate() {
        let mut rows = Rows::new();
        for row in snapshot.scan(id) {
            let row = row.expect("a row");
            let object = view.schema.json(&row.key, &row.value).expect("a row of the schema");
            *rows.entry(columns(&object)).or_default() += row.multiplicity as usize;
        }
        // What it does not know is the view of what was refused: nothing is.
        match expected.get(view.name.as_str()) {
            Some(expected) => compare(&view.name, &rows, expected),
            None => assert!(view.name == "errors" && rows.is_empty(), "{}: {rows:?}", view.name),
        }
    }
}

#[test]
fn the_command_line_agrees_with_the_reference() {
    let Some((file, expected)) = expected() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("a temporary path in UTF-8");
    let file = file.to_str().expect("a path in UTF-8");
    diptych(&["ingest", "tweets", file, "--data", data]);
    diptych(&["batch", "tweets", "--data", data, "-w", "2"]);
    for view in VIEWS {
        let printed = diptych(&["query", "tweets", view, "--data", data, "--format", "json"]);
        compare(view, &parse(&printed, |_| true), &expected[view]);
    }
}

fn reference(file: &Path) -> BTreeMap<&'static str, Rows> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/tweets.py");
    let output = Command::new("python3").arg(script).arg(file).output().expect("python3 runs");
    let printed = checked("the reference", &output);
    let of = |view| parse(&printed, |row| row["view"] == view);
    VIEWS.map(|view| (view, of(view))).into()
}

fn diptych(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_diptych"))
        .args(arguments)
        .output()
        .expect("the binary runs");
    checked(&format!("diptych {}", arguments.join(" ")), &output)
}

fn checked(what: &str, output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed ({}): {errors}", output.status);
    String::from_utf8(output.stdout.clone()).expect("output in UTF-8")
}

/// Parses rows printed as JSON objects, one per line or all in a list.
fn parse(printed: &str, keep: impl Fn(&Value) -> bool) -> Rows {
    let mut rows = Rows::new();
    for value in serde_json::Deserializer::from_str(printed).into_iter::<Value>() {
        let value = value.expect("JSON");
        let list = match value {
            Value::Array(list) => list,
            row => vec![row],
        };
        for row in list.iter().filter(|row| keep(row)) {
            let row = columns(row.as_object().expect("an object for each row"));
            *rows.entry(row).or_default() += 1;
        }
    }
    rows
}

/// The columns of a row as text, in order of their names.
fn columns(row: &Map<String, Value>) -> Vec<String> {
    let columns = row.iter().filter(|(name, _)| *name != "view");
    let mut columns: Vec<_> = columns.map(|(name, value)| format!("{name}={value}")).collect();
    columns.sort();
    columns
}
