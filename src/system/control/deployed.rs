//! What a deployment did, or would do.

use std::sync::Arc;

use super::stream::Stream;
use diptych_base::time::Epoch;
use diptych_serving::{Serving, ViewDiff, ViewInfo};

/// A version that was computed, compared with the one that serves, and perhaps put in its place.
pub struct Deployed {
    /// The dataflow.
    pub dataflow: String,
    /// The version that served before; none when the dataflow is new.
    pub from: Option<String>,
    /// The new version.
    pub version: String,
    /// The epoch at which both were compared; none when there was nothing to compare.
    pub epoch: Option<Epoch>,
    /// How the views differ at that epoch.
    pub views: Vec<ViewDiff>,
    /// The views of the version before.
    pub before: Vec<ViewInfo>,
    /// The first frontier that readers of the new version see; none when it was only compared.
    pub frontier: Option<Epoch>,
    /// What readers read from.
    pub serving: Arc<Serving>,
    /// The streams that the new version reads.
    pub streams: Vec<Stream>,
}
