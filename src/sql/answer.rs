//! The answer of a statement: its columns, its rows, and the epochs that it read.

use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;

use super::SqlError;
use diptych_base::lock_mutex::lock;
use diptych_base::time::{Branch, Epoch};

/// The epoch, and the version of a dataflow, that an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAt {
    /// The dataflow; `streams` for raw streams.
    pub dataflow: String,
    /// Its version; the log's identity for raw streams.
    pub version: String,
    /// The last epoch in the answer; none when none is complete yet.
    pub epoch: Option<Epoch>,
    /// The branch of the log to which that epoch belongs.
    pub branch: Option<Branch>,
}

/// The rows of a statement, as a stream, with the epochs that they are about. Dropping it cancels
/// the statement.
pub struct Answer {
    /// The columns; none for SET and similar statements.
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
    pub fn add(&self, notice: String) {
        let mut notices = lock(&self.0);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// The warnings so far.
    pub fn all(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}
