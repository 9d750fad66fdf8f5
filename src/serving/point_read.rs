//! Point reads at the latest epoch, without a lease.
//!
//! A lease costs an entry in a table under a lock, which is nothing for a scan and half of the
//! cost of a point read. A reader that is done before it waits for anything needs none: it holds
//! the state by a guard, for the length of one call.

use arc_swap::Guard;
use std::sync::Arc;

use super::index_state::IndexState;
use super::values_of_key::values_of;
use super::view_index::Index;
use diptych_base::time::{Branch, Epoch};

/// All views at the last complete epoch, for one short read. Do not keep it: it holds memory that
/// no lease bounds.
pub struct Latest<'i> {
    index: &'i Index,
    state: Guard<Arc<IndexState>>,
}

impl Index {
    /// A guard on the last complete epoch for one point read; see [`Latest`].
    #[inline]
    pub fn latest(&self) -> Latest<'_> {
        Latest { index: self, state: self.shared.state.load() }
    }
}

impl Latest<'_> {
    /// The epoch of all answers; none when no epoch is complete yet.
    pub fn epoch(&self) -> Option<Epoch> {
        self.state.frontier.checked_sub(1)
    }

    /// The branch of the log that wrote this epoch; none without an epoch, or without a log.
    pub fn branch(&self) -> Option<Branch> {
        self.index.shared.options.branches.before(self.state.frontier)
    }

    /// Is the dataflow still catching up with what was in the log at the start?
    pub fn is_stale(&self) -> bool {
        self.index.shared.is_stale(self.state.frontier)
    }

    /// The boundary: the first epoch after the batch layer's part.
    pub fn boundary(&self) -> Epoch {
        self.state.boundary
    }

    /// The version of the dataflow.
    pub fn version(&self) -> &str {
        self.index.version()
    }

    /// Calls `visit` with each value of a key, in order, and its multiplicity. Gives false, without
    /// a visit, when more than `most` values have to be looked at, or when the rows are not in
    /// memory: a snapshot reads such keys by page.
    #[inline]
    pub fn get_with(
        &self,
        view: usize,
        key: &[u8],
        most: usize,
        visit: impl FnMut(&[u8], isize),
    ) -> bool {
        if self.state.stored.is_some() {
            return false;
        }
        values_of(&self.state, view, key, self.state.frontier, most, visit)
    }
}
