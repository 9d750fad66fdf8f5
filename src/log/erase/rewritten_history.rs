//! Tells readers of an old history that the log was rewritten.

use crate::layout::Dir;
use crate::manifest::Manifest;
use diptych_base::error::{Error, Kind, Result};

/// Checks that the log's history is still the one with this identity.
pub(crate) fn same_history(dir: &Dir, identity: u64) -> Result<()> {
    let manifest = Manifest::load(dir)?;
    if manifest.identity == identity {
        return Ok(());
    }
    Err(other_history(&manifest, identity))
}

/// The error for a reader of the history with this identity, which is not that of `manifest`.
pub(crate) fn other_history(manifest: &Manifest, identity: u64) -> Error {
    let since = manifest.erasures.iter().position(|erasure| erasure.former == identity);
    let Some(erasure) = since.map(|at| &manifest.erasures[at]) else {
        let message =
            format!("the log {identity:016x} is gone: {:016x} is there", manifest.identity);
        return Error::new(Kind::Conflict, message).remedy("the log was replaced: start again");
    };
    let message = format!(
        "events of stream {} were erased at {}, and this is of the history before",
        erasure.stream,
        erasure.at()
    );
    Error::new(Kind::Conflict, message).remedy("start again: the history of now is whole")
}

/// Replaces an error about missing files by [`other_history`] if the history was rewritten.
pub(crate) fn explained<T>(dir: &Dir, identity: u64, found: Result<T>) -> Result<T> {
    match found {
        Err(error) if error.is_missing() || error.is_damaged() => {
            match same_history(dir, identity) {
                Err(other) if other.is_conflict() => Err(other),
                _ => Err(error),
            }
        }
        found => found,
    }
}
