//! The table as somebody sees it who looks at a log.

use super::super::silent::{IdDigest, Left};
use super::State;
use crate::time::Epoch;

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

impl State {
    /// All producers: those known by their names first, sorted; then those silent for long.
    pub(in crate::log) fn list(&self) -> Vec<ProducerInfo> {
        let known = self.producers.iter().filter_map(|(id, window)| {
            let epoch = window.appends.back()?.epoch;
            let (id, last) = (id.clone(), window.next - 1);
            let remembered = window.appends.len() as u64;
            Some(ProducerInfo { id, last, epoch, remembered, silent: false })
        });
        let mut all: Vec<_> = known.collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        let silent = |(digest, left): (IdDigest, Left)| ProducerInfo {
            id: digest.to_hex(),
            last: left.next - 1,
            epoch: left.last.epoch,
            remembered: 1,
            silent: true,
        };
        all.extend(self.silent.iter().map(silent));
        all
    }
}
