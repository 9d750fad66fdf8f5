//! The entry of a frame and of a table about a producer's requests.

use serde::{Deserialize, Serialize};

use super::request_fingerprint::Fingerprint;
use diptych_base::time::Epoch;

/// An append request of a producer, recorded in the frame that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProducerMark {
    pub(super) id: String,
    pub(super) sequence: u64,
    /// The first sequence that is remembered from now on: the eviction, recorded.
    pub(super) kept_from: u64,
    /// The fingerprint of the request. Frame files of earlier formats have none; in others it is
    /// after the header.
    #[serde(skip)]
    pub(super) fingerprint: Option<Fingerprint>,
}

/// A silent producer that lost all of its window but the last append. From then on it is known by a
/// digest of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trimmed {
    pub(super) id: String,
    pub(super) kept_from: u64,
}

/// The remembered epoch and fingerprint of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) epoch: Epoch,
    /// None when its frame was written by a release without fingerprints: then every repeat of its
    /// number counts as the same request.
    pub(super) fingerprint: Option<Fingerprint>,
}
