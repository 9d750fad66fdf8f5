//! What a statement answers.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;

use super::SqlError;
use crate::time::{Branch, Epoch};

/// Which epoch of which version of a dataflow an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::servers) struct ReadAt {
    /// The dataflow; `streams` for raw streams.
    pub(in crate::servers) dataflow: String,
    /// Its version; the log's identity for raw streams.
    pub(in crate::servers) version: String,
    /// The last epoch in the answer; none when none is complete yet.
    pub(in crate::servers) epoch: Option<Epoch>,
    /// Who wrote that epoch of the log.
    pub(in crate::servers) branch: Option<Branch>,
}

/// Rows on their way, and what they are about. Dropping it cancels the statement.
pub(in crate::servers) struct Answer {
    /// The columns; none of them for SET and the like.
    pub(in crate::servers) schema: SchemaRef,
    /// The rows. Nothing comes after an error.
    pub(in crate::servers) rows: BoxStream<'static, Result<RecordBatch, SqlError>>,
    /// The epochs of the dataflows that the statement reads.
    pub(in crate::servers) epochs: Vec<ReadAt>,
    /// Warnings; complete when the rows have ended.
    pub(in crate::servers) notices: Notices,
}

/// Warnings of a statement under way.
#[derive(Clone, Debug, Default)]
pub(in crate::servers) struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    /// Adds a warning, unless it was given before.
    #[cfg(feature = "sql")]
    pub(in crate::servers) fn add(&self, notice: String) {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// The warnings so far.
    pub(in crate::servers) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
