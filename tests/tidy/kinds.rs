//! The tables of kinds of errors in the documents are the code's.

use diptych::error::Kind as ErrorKind;

use super::source::root;

const DOCUMENTS: &[&str] = &["src/book/commands.md", "src/servers/OPERATING.md"];
const HEAD: &str = "| kind | exit code | HTTP | SQLSTATE | retry | means |";

#[test]
fn the_documents_have_the_table_of_kinds() {
    let expected: Vec<String> = ErrorKind::ALL.iter().copied().map(row).collect();
    for name in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(name)).expect("a document");
        let below = text.lines().skip_while(|line| *line != HEAD).skip(2);
        let rows: Vec<&str> = below.take_while(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), expected.len(), "{name}: {rows:#?}, but kinds are {expected:#?}");
        for (row, expected) in rows.iter().zip(&expected) {
            assert!(row.starts_with(expected), "{name} has\n{row}\nbut the code has\n{expected}");
        }
    }
}

/// A row up to what the kind means.
fn row(kind: ErrorKind) -> String {
    let retry = if kind.is_retryable() { "yes" } else { "no" };
    let name = kind.name();
    let exit_code = kind.exit_code();
    let status = kind.http_status();
    let state = kind.sqlstate();
    format!("| `{name}` | {exit_code} | {status} | {state} | {retry} | ")
}
