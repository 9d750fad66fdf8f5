//! The files with the retractions of sealed segments.

use std::sync::Arc;

use super::checksummed_file::Envelope;
use super::event_position::Retracted;
use super::layout::{Dir, damaged};
use super::listed_file::read_listed;
use super::manifest::{Manifest, RetractionsEntry};
use super::retraction::{Corrections, RetractedEvents};
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// Encodes a segment's file: the retractions of each epoch, in order.
pub(super) fn wrap(of_segment: &[Corrections]) -> Result<Vec<u8>> {
    let each = |one: &'_ Corrections| {
        let epoch = one.epoch;
        one.all.iter().map(move |taken| (epoch, taken.clone())).collect::<Vec<_>>()
    };
    let all: Vec<(Epoch, RetractedEvents)> = of_segment.iter().flat_map(each).collect();
    Envelope::Retractions.wrap(&all)
}

/// Reads the corrections of a segment, checked against the manifest.
pub(super) fn load(dir: &Dir, entry: RetractionsEntry) -> Result<Vec<Corrections>> {
    let name = entry.name();
    let lower = entry.lower;
    let path = dir.file(&name);
    let bytes = read_listed(dir, &name, entry.sum)?;
    let found: Vec<(Epoch, RetractedEvents)> = Envelope::Retractions.unwrap(&path, &bytes)?;
    if !found.is_sorted_by_key(|(epoch, _)| *epoch) || found.iter().any(|(at, _)| *at < lower) {
        return Err(damaged(&path, 24, "its epochs are not those of the segment, in order"));
    }
    let mut all: Vec<Corrections> = Vec::new();
    for (epoch, taken) in found {
        match all.last_mut() {
            Some(last) if last.epoch == epoch => last.all.push(taken),
            _ => all.push(Corrections { epoch, all: vec![taken] }),
        }
    }
    Ok(all)
}

/// Reads the corrections of all sealed segments, in order; adds their retractions to `retracted`.
pub(super) fn load_all(
    dir: &Dir,
    manifest: &Manifest,
    retracted: &mut Retracted,
) -> Result<Vec<Arc<Corrections>>> {
    let mut all = Vec::new();
    for entry in &manifest.retractions {
        let path = dir.file(&entry.name());
        for corrections in load(dir, *entry)? {
            corrections.apply(retracted).map_err(|e| damaged(&path, 24, e))?;
            all.push(Arc::new(corrections));
        }
    }
    Ok(all)
}
