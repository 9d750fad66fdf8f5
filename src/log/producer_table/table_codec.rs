//! Encodes and decodes the producer table on disk.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::checksummed_file::{
    Envelope, FORMAT, FORMAT_SILENT, FORMAT_STATE, decode, encode,
};
use super::super::layout::damaged;
use super::super::producer_mark::Remembered;
use super::super::request_fingerprint::Fingerprint;
use super::super::silent_producers::{Silent, StoredSilent};
use super::{ProducerTable, Window};
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// The table on disk, sorted so that equal tables are equal bytes.
#[derive(Serialize, Deserialize)]
struct Stored {
    producers: Vec<(String, u64, Vec<Epoch>)>,
    offsets: Vec<(String, String)>,
}

/// The addition of a state file of format 2: the fingerprints of all appends of the table in the
/// same order, 0 where there is none.
type StoredFingerprints = Vec<u64>;

/// The body of a state file of format 2.
type WithPrints = (Stored, StoredFingerprints);

/// The body of a state file of format 3.
type WithSilent = (Stored, StoredFingerprints, Vec<StoredSilent>);

impl ProducerTable {
    /// Encodes a state file, in the least format that can hold the table.
    pub(crate) fn wrap(&self) -> Result<Vec<u8>> {
        let mut sorted: Vec<_> = self.producers.iter().collect();
        sorted.sort_by_key(|(id, _)| *id);
        let store = |(id, window): &(&String, &Window)| {
            let epochs = window.appends.iter().map(|append| append.epoch).collect();
            ((*id).clone(), window.next, epochs)
        };
        let producers = sorted.iter().map(store).collect();
        let offsets = self.offsets.clone().into_iter().collect();
        let stored = Stored { producers, offsets };
        let appends = sorted.iter().flat_map(|(_, window)| &window.appends);
        let fingerprints: StoredFingerprints =
            appends.map(|append| append.fingerprint.map_or(0, Fingerprint::get)).collect();
        let silent = self.silent.store();
        if !silent.is_empty() {
            // After sealing, none of them is in memory.
            let body = encode(&(stored, fingerprints, silent))?;
            return Ok(Envelope::State.seal_as(FORMAT_SILENT, &body));
        }
        if fingerprints.iter().all(|fingerprint| *fingerprint == 0) {
            return Envelope::State.wrap(&stored);
        }
        Ok(Envelope::State.seal_as(FORMAT_STATE, &encode(&(stored, fingerprints))?))
    }

    /// Decodes the table of a state file.
    ///
    /// # Errors
    /// Damage; a newer format.
    pub(crate) fn unwrap(path: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged = |what: String| damaged(path, 24, what);
        let (version, body) = Envelope::State.open(path, bytes)?;
        let decoded = match version {
            FORMAT => decode(body).map(|stored: Stored| (stored, None, Vec::new())),
            FORMAT_STATE => decode(body).map(|(s, all): WithPrints| (s, Some(all), Vec::new())),
            _ => decode(body).map(|(s, all, silent): WithSilent| (s, Some(all), silent)),
        };
        let (stored, fingerprints, silent) = decoded.map_err(|e| damaged(e.to_string()))?;
        let silent = Silent::load(silent).map_err(damaged)?;
        let remembered = stored.producers.iter().map(|(_, _, epochs)| epochs.len()).sum();
        if let Some(all) = fingerprints.as_ref().filter(|all| all.len() != remembered) {
            return Err(damaged(format!("{} fingerprints of {remembered} appends", all.len())));
        }
        let mut fingerprints = fingerprints.into_iter().flatten();
        let mut producers = HashMap::new();
        let mut name_bytes = 0;
        for (id, next, epochs) in stored.producers {
            if epochs.is_empty() || next < epochs.len() as u64 {
                let what = format!("producer {id:?} has {} epochs before {next}", epochs.len());
                return Err(damaged(what));
            }
            let appends = epochs.into_iter().map(|epoch| {
                let fingerprint = fingerprints.next().and_then(Fingerprint::new);
                Remembered { epoch, fingerprint }
            });
            let appends = appends.collect();
            name_bytes += id.len();
            producers.insert(id, Window { next, appends });
        }
        let offsets: BTreeMap<_, _> = stored.offsets.into_iter().collect();
        let offset_bytes = offsets.iter().map(|(source, offset)| source.len() + offset.len()).sum();
        Ok(ProducerTable { producers, name_bytes, silent, remembered, offsets, offset_bytes })
    }
}
