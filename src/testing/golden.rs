//! Compares a view with a golden file of the repository.

use std::fmt::Write;
use std::path::Path;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{read_text, write_text};
use diptych_serving::Snapshot;

/// Compares a view with the file at `path`: one row a line, the columns as JSON, in the view's
/// order. With the environment variable `DIPTYCH_BLESS` set, writes the file instead.
///
/// # Errors
/// When they differ (names the first differing line), when the file or the view does not exist, or
/// when the file cannot be written.
pub fn golden(path: impl AsRef<Path>, snapshot: &Snapshot, view: &str) -> Result<()> {
    let path = path.as_ref();
    let id = snapshot.view(view)?;
    let schema = &snapshot.views()[id].schema;
    let mut found = String::new();
    for row in snapshot.scan(id) {
        let row = row?;
        let shown = serde_json::Value::Object(schema.json(&row.key, &row.value)?);
        let line = match row.multiplicity {
            1 => writeln!(found, "{shown}"),
            times => writeln!(found, "{shown} × {times}"),
        };
        line.map_err(|error| Error::new(Kind::Input, format!("view {view:?}: {error}")))?;
    }
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        return write_text(path, &found);
    }
    let remedy = "if it is as it should be now, run the test again with DIPTYCH_BLESS=1 set";
    let known = read_text(path).map_err(|error| error.remedy(remedy))?;
    if found == known {
        return Ok(());
    }
    let mut left = known.lines();
    let mut right = found.lines();
    let mut line = 1;
    let (old, new) = loop {
        match (left.next(), right.next()) {
            (one, other) if one == other && one.is_some() => line += 1,
            (one, other) => break (one.unwrap_or("nothing"), other.unwrap_or("nothing")),
        }
    };
    let message = format!("{}: line {line}: has {old}, view {view:?} has {new}", path.display());
    Err(Error::new(Kind::Conflict, message).remedy(remedy))
}
