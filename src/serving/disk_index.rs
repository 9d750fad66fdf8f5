//! Stored views: an index that reads its rows from the files of a batch view, not from memory.
//!
//! An index of stored views answers at one epoch, the last of the batch view, as soon as the files
//! are found. Its frontier never moves: a dataflow that is restored meanwhile has an index of its
//! own, and readers are cut over when that has reached the boundary ([`Serving::cutover`]). Files
//! may be damaged, so every read can fail; a row that was given is what was written.
//!
//! [`Serving::cutover`]: super::Serving::cutover

use std::sync::Arc;

use super::index_options::IndexOptions;
use super::index_state::IndexState;
use super::stored_view::{Stored, StoredView};
use super::view_index::Index;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_row::ViewInfo;

impl Index {
    /// An index of stored views at `boundary`, which is not 0: it answers at the epoch before
    /// `boundary` only. It is not stale unless [`Index::fresh_from`] says so. `stored` has the
    /// views in the order of `views`.
    ///
    /// # Errors
    /// When the thread that ends leases cannot be started.
    pub fn stored(
        version: &str,
        views: Vec<ViewInfo>,
        boundary: Epoch,
        stored: Vec<Arc<dyn StoredView>>,
        options: IndexOptions,
    ) -> Result<Index> {
        assert_eq!(stored.len(), views.len(), "stored views, and views");
        let index = Index::new(version, views, 1, options)?;
        let fresh = IndexState::over_stored(Stored(stored.into()), 1, boundary);
        index.shared.update(|_, state| *state = fresh);
        Ok(index)
    }

    /// Are rows read from files: is this an index of stored views, or one with a stored base?
    pub fn is_stored(&self) -> bool {
        self.shared.state.load().stored.is_some()
    }
}
