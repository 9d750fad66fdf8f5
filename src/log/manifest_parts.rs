//! The marked parts of a manifest of format 3: content that not every log has.
//!
//! The body is that of format 1, then a list of files with retractions (lower epoch, length,
//! checksum), and a list of parts: a name and bytes each. Builds that do not know the format refuse
//! the log, and so does this build when it does not know a part.

use std::path::Path;

use super::checksummed_file::{decode, encode};
use super::erase::record;
use super::layout::damaged;
use super::manifest::{Manifest, RetractionsEntry};
use super::silent_producers;
use super::writer_branches;
use diptych_base::error::{Error, Kind, Result};

/// A part: its name, its bytes.
type Marked = (String, Vec<u8>);

/// Encodes the parts after the body of the manifest.
pub(super) fn bytes(manifest: &Manifest) -> Result<Vec<u8>> {
    let mut parts: Vec<Marked> = Vec::new();
    if !manifest.erasures.is_empty() {
        parts.push((record::PART.to_owned(), record::to_bytes(manifest)?));
    }
    if !manifest.branches.is_empty() {
        parts.push((
            writer_branches::PART.to_owned(),
            writer_branches::to_bytes(&manifest.branches)?,
        ));
    }
    if !manifest.silent.is_empty() {
        parts.push((
            silent_producers::PART.to_owned(),
            silent_producers::to_bytes(&manifest.silent)?,
        ));
    }
    encode(&parts)
}

/// Decodes a manifest from a body of format 3.
pub(super) fn read(path: &Path, body: &[u8]) -> Result<Manifest> {
    let fail = |what: &dyn std::fmt::Display| damaged(path, 24, what);
    let (mut manifest, retractions, parts): (Manifest, Vec<RetractionsEntry>, Vec<Marked>) =
        decode(body).map_err(|error| fail(&error))?;
    manifest.retractions = retractions;
    for (name, bytes) in parts {
        let read = match name.as_str() {
            record::PART => record::from_bytes(&bytes, &mut manifest),
            writer_branches::PART => {
                writer_branches::from_bytes(&bytes).map(|list| manifest.branches = list)
            }
            silent_producers::PART => {
                silent_producers::from_bytes(&bytes).map(|list| manifest.silent = list)
            }
            _ => return Err(unknown(path, &format!("the part {name:?}"))),
        };
        read.map_err(|what| fail(&what))?;
    }
    Ok(manifest)
}

/// The refusal of a manifest with content that this build does not know.
fn unknown(path: &Path, what: &str) -> Error {
    let message = format!("{} has {what}, unknown to this build", path.display());
    Error::new(Kind::Newer, message).remedy("use the release that wrote it, or newer")
}
