//! The producer table as a list for inspection.

use std::collections::HashSet;

use super::super::silent_producers::{IdDigest, Merged, SilentProducer};
use super::ProducerTable;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// A producer in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerInfo {
    /// The id; for a producer that has been silent for long, the digest of its id (the first 16
    /// bytes of its SHA-256, in hexadecimal digits).
    pub id: String,
    /// The number of its last request.
    pub last: u64,
    /// The epoch of that request.
    pub epoch: Epoch,
    /// The number of its last requests whose repeats are answered.
    pub remembered: u64,
    /// Whether it has been silent for so long that only its last request is known.
    pub silent: bool,
}

/// The producers of a log: those known by their ids first, sorted; then those silent for long, by
/// digest, which are read from files as the iterator advances.
#[derive(Debug)]
pub struct Producers {
    named: std::vec::IntoIter<ProducerInfo>,
    /// Producers in memory; files may have older records of them.
    digests: HashSet<IdDigest>,
    silent: Merged,
}

impl Iterator for Producers {
    type Item = Result<ProducerInfo>;

    fn next(&mut self) -> Option<Result<ProducerInfo>> {
        if let Some(named) = self.named.next() {
            return Some(Ok(named));
        }
        loop {
            match self.silent.next()? {
                Ok(entry) if self.digests.contains(&entry.digest) => {}
                entry => return Some(entry.map(silent)),
            }
        }
    }
}

fn silent(SilentProducer { digest, left }: SilentProducer) -> ProducerInfo {
    ProducerInfo {
        id: digest.to_hex(),
        last: left.next - 1,
        epoch: left.last.epoch,
        remembered: 1,
        silent: true,
    }
}

impl ProducerTable {
    /// Lists all producers.
    pub(crate) fn list(&self) -> Producers {
        let named = self.producers.iter().filter_map(|(id, window)| {
            let epoch = window.appends.back()?.epoch;
            let id = id.clone();
            let last = window.next - 1;
            let remembered = window.appends.len() as u64;
            Some(ProducerInfo { id, last, epoch, remembered, silent: false })
        });
        let mut named: Vec<_> = named.collect();
        named.sort_by(|one, other| one.id.cmp(&other.id));
        let digests = self.producers.keys().map(|id| IdDigest::of(id)).collect();
        let silent = self.silent.files().merged(self.silent.recent().clone());
        Producers { named: named.into_iter(), digests, silent }
    }
}
