//! The built-in `tweets` dataflow on real messages, against a program in another language.
//!
//! The `diptych` binary ingests the file, computes the batch view and is asked for every view;
//! `reference/tweets.py` computes the same from the file alone. Both must have the same rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const FILE: &str = "tweets_sample_2016-10.csv.zst";
const VIEWS: [&str; 3] = ["tags_by_hour", "top_tags", "tag_authors"];

/// Rows as sorted `column=value` lists, and how often each is there.
type Rows = BTreeMap<Vec<String>, usize>;

/// The data directory: `DIPTYCH_DATA`, or `shared/data` beside or above the package.
fn data() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("DIPTYCH_DATA") {
        return Some(PathBuf::from(given).join(FILE));
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().map(|above| above.join("shared/data").join(FILE)).find(|file| file.exists())
}

#[test]
fn every_row_agrees_with_the_reference() {
    let Some(file) = data() else {
        println!("skipped: no {FILE}; name its directory in DIPTYCH_DATA");
        return;
    };
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 to run the reference");
        return;
    }
    let expected = reference(&file);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("a temporary path in UTF-8");
    let file = file.to_str().expect("a path in UTF-8");
    diptych(&["ingest", "tweets", file, "--data", data]);
    diptych(&["batch", "tweets", "--data", data, "-w", "2"]);
    for view in VIEWS {
        let printed = diptych(&["query", "tweets", view, "--data", data, "--format", "json"]);
        let rows = parse(&printed, |_| true);
        let reference = &expected[view];
        assert!(rows.len() > 1000, "{view} has only {} rows", rows.len());
        for (row, times) in reference {
            assert_eq!(rows.get(row), Some(times), "{view}: expected {row:?}");
        }
        for row in rows.keys() {
            assert!(reference.contains_key(row), "{view}: nobody expected {row:?}");
        }
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

/// Rows printed as JSON objects, one a line or all in a list.
fn parse(printed: &str, keep: impl Fn(&Value) -> bool) -> Rows {
    let mut rows = Rows::new();
    for value in serde_json::Deserializer::from_str(printed).into_iter::<Value>() {
        let value = value.expect("JSON");
        let list = match value {
            Value::Array(list) => list,
            row => vec![row],
        };
        for row in list.iter().filter(|row| keep(row)) {
            let columns = row.as_object().expect("an object for each row");
            let columns = columns.iter().filter(|(name, _)| *name != "view");
            let mut columns: Vec<_> =
                columns.map(|(name, value)| format!("{name}={value}")).collect();
            columns.sort();
            *rows.entry(columns).or_default() += 1;
        }
    }
    rows
}
