//! Runs `DuckDB` through its Python package, as a second opinion.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// The output of a script of `tests/`; none, and a reason printed, where there is no `DuckDB`: the
/// script exits with 3.
pub(crate) fn duckdb(script: &str, arguments: &[&OsStr]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = match Command::new("python3").arg(script).args(arguments).output() {
        Ok(output) if output.status.code() != Some(3) => output,
        _ => {
            println!("skipped: there is no python3 with DuckDB (pip install duckdb)");
            return None;
        }
    };
    assert!(output.status.success(), "DuckDB: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}
