//! Answers from the files of batch views while the dataflows catch up.

use std::sync::Arc;

use super::control::Turn;
use super::rebuild_queue::RebuildQueue;
use super::version_registry::Current;
use diptych_engine::Cluster;
use diptych_log::Reader;

/// Dataflows that answer from the files of batch views, until [`System::serve`] takes over.
pub struct FirstAnswers {
    pub(super) current: Arc<Current>,
    pub(super) queue: Arc<RebuildQueue>,
    pub(super) reader: Arc<Reader>,
    pub(super) cluster: Cluster,
    pub(super) profiled: bool,
    /// The turn, held so that nothing is deployed meanwhile.
    pub(super) turn: std::sync::Mutex<Option<Turn>>,
}
