//! Scripts of statements, after the format of sqllogictest.
//!
//! ```text
//! query [rowsort]           the rows are DuckDB's, in any order with rowsort
//! SELECT …
//!
//! query
//! SELECT …
//! ---- duckdb               the same question as DuckDB spells it
//! SELECT …
//!
//! query
//! SELECT …
//! ----                      these rows
//! 1 | two
//!
//! statement error 42601     a refusal with this SQLSTATE
//! SELECT FROM
//! ```

use std::path::Path;

use serde_json::Value;

/// One statement of a script.
pub(crate) struct Record {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) sql: String,
    pub(crate) sorted: bool,
    pub(crate) expect: Expect,
    /// The statement for `DuckDB`, when its spelling differs.
    pub(crate) other: Option<String>,
}

/// The expected outcome of a statement.
pub(crate) enum Expect {
    DuckDb,
    Rows(Vec<Vec<String>>),
    Error(String),
}

/// The records of all scripts.
pub(crate) fn all() -> Vec<Record> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "slt"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).expect("a script");
    let file = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let mut records = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (mut sql, mut behind, mut mark) = (Vec::new(), Vec::new(), None);
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
            match (line.strip_prefix("----"), mark) {
                (Some(kind), None) => mark = Some(kind.trim()),
                (_, None) => sql.push(line),
                (_, Some(_)) => behind.push(line),
            }
        }
        let (expect, other) = match (line.strip_prefix("statement error "), mark) {
            (Some(state), _) => (Expect::Error(state.trim().to_owned()), None),
            (None, Some("duckdb")) => (Expect::DuckDb, Some(behind.join("\n"))),
            (None, Some(_)) => (Expect::Rows(behind.iter().map(|row| cells(row)).collect()), None),
            (None, None) => (Expect::DuckDb, None),
        };
        assert!(line.starts_with("query") || line.starts_with("statement error"), "{file}: {line}");
        let sorted = line.contains("rowsort");
        let (file, sql) = (file.clone(), sql.join("\n"));
        records.push(Record { file, line: number + 1, sql, sorted, expect, other });
    }
    records
}

fn cells(row: &str) -> Vec<String> {
    row.split(" | ").map(str::to_owned).collect()
}

/// The rows of an answer as text.
pub(crate) fn rows_of(answer: &Value) -> Vec<Vec<String>> {
    let rows = answer["rows"].as_array().expect("rows");
    rows.iter().map(|row| row.as_array().expect("a row").iter().map(cell).collect()).collect()
}

/// A value as text: instants without zone and superfluous digits.
pub(crate) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return "NULL".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            return format!("[{}]", items.iter().map(cell).collect::<Vec<_>>().join(", "));
        }
        other => other.to_string(),
    };
    let instant = text.len() >= 19 && text.as_bytes()[10] == b'T' && text.as_bytes()[4] == b'-';
    if !instant {
        return text;
    }
    let text = text.trim_end_matches('Z');
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
        .to_owned()
}

/// Whether rows are equal; numbers with a point may differ in the tenth digit.
pub(crate) fn same(one: &[Vec<String>], other: &[Vec<String>]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_cell(a, b))
        })
}

fn same_cell(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let broken = |text: &str| text.contains(['.', 'e', 'E']);
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(a), Ok(b)) if broken(one) || broken(other) => {
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-300)
        }
        _ => false,
    }
}
