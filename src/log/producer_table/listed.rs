//! The table as somebody sees it who looks at a log.

use std::collections::HashSet;

use super::super::silent_producers::{Entry, IdDigest, Merged};
use super::State;
use diptych_base::error::Result;
use diptych_base::time::Epoch;

/// A producer, as somebody who looks at a log sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerInfo {
    /// Its id; of one that has been silent for long, the digest of its id (the first 16 bytes of
    /// its SHA-256, in hexadecimal digits).
    pub id: String,
    /// The number of its last request.
    pub last: u64,
    /// The epoch of that request.
    pub epoch: Epoch,
    /// How many of its last requests are answered when they are repeated.
    pub remembered: u64,
    /// Has it been silent for so long that only its last request is known?
    pub silent: bool,
}

/// The producers of a log: those known by their ids first, sorted; then those silent for long, by
/// digest, which are read from files as they are asked for.
#[derive(Debug)]
pub struct Producers {
    named: std::vec::IntoIter<ProducerInfo>,
    /// Files may have them as well, as they were before.
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

fn silent(Entry { digest, left }: Entry) -> ProducerInfo {
    ProducerInfo {
        id: digest.to_hex(),
        last: left.next - 1,
        epoch: left.last.epoch,
        remembered: 1,
        silent: true,
    }
}

impl State {
    /// All producers.
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
