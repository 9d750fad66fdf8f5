//! What a statement answers.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;

use super::SqlError;
use diptych_base::time::{Branch, Epoch};

/// Which epoch of which version of a dataflow an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAt {
    /// The dataflow; `streams` for raw streams.
    pub dataflow: String,
    /// Its version; the log's identity for raw streams.
    pub version: String,
    /// The last epoch in the answer; none when none is complete yet.
    pub epoch: Option<Epoch>,
    /// Who wrote that epoch of the log.
    pub branch: Option<Branch>,
}

/// Rows on their way, and what they are about. Dropping it cancels the statement.
pub struct Answer {
    /// The columns; none of them for SET and the like.
    pub schema: SchemaRef,
    /// The rows. Nothing comes after an error.
    pub rows: BoxStream<'static, Result<RecordBatch, SqlError>>,
    /// The epochs of the dataflows that the statement reads.
    pub epochs: Vec<ReadAt>,
    /// Warnings; complete when the rows have ended.
    pub notices: Notices,
}

/// Warnings of a statement under way.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    /// Adds a warning, unless it was given before.
    #[cfg(feature = "sql")]
    pub fn add(&self, notice: String) {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// The warnings so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
