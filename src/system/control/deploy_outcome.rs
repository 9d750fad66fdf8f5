//! The outcome of a deployment, or of its comparison only.

use std::sync::Arc;

use super::event_stream_schema::Stream;
use diptych_base::time::Epoch;
use diptych_serving::{Serving, ViewDiff, ViewInfo};

/// The outcome of a deployment: a version was computed, compared with the one that serves, and cut
/// over unless only the comparison was wanted.
pub struct Deployed {
    /// The dataflow.
    pub dataflow: String,
    /// The version that served before; none when the dataflow is new.
    pub from: Option<String>,
    /// The new version.
    pub version: String,
    /// The epoch at which both versions were compared; none when there was nothing to compare.
    pub epoch: Option<Epoch>,
    /// The differences of the views at that epoch.
    pub views: Vec<ViewDiff>,
    /// The views of the version before.
    pub before: Vec<ViewInfo>,
    /// The first frontier that readers of the new version see; none after a comparison only.
    pub frontier: Option<Epoch>,
    /// The handle of readers.
    pub serving: Arc<Serving>,
    /// The streams that the new version reads.
    pub streams: Vec<Stream>,
}
