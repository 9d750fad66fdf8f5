//! The difference of two versions of a dataflow over the same log, row by row.
//!
//! Both sides are batch views at one boundary, so the answer is exact; they may be made by this
//! binary, another one, or a serving process.

use std::sync::Arc;

use super::system::System;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_batch_view::{BatchView, Identity};
use diptych_serving::{Index, IndexOptions, Read, Snapshot, ViewDiff, view_diffs};

impl System {
    /// The batch view of a dataflow's version at `boundary`.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn batch_view(&self, dataflow: &str, version: &str, boundary: Epoch) -> Result<BatchView> {
        let identity = Identity::new(dataflow, version);
        BatchView::open(Arc::clone(&self.disk), &self.root, &identity, boundary)
    }
}

/// The differences of `right` from `left`, view by view in the order of `left`, then the views that
/// only `right` has. At most `samples` keys of each view are given with their rows.
///
/// # Errors
/// When the boundaries or the logs differ, or one of the two is damaged.
pub fn diff(left: &BatchView, right: &BatchView, samples: usize) -> Result<Vec<ViewDiff>> {
    let here = left.boundary();
    let there = right.boundary();
    if here != there || left.log_identity() != right.log_identity() {
        let message = format!("batch views at {here} and {there} cannot be compared");
        return Err(Error::new(Kind::Conflict, message)
            .remedy("make both over the same log, with the same `batch --upto`"));
    }
    view_diffs(&contents(left)?, &contents(right)?, samples)
}

/// A snapshot of a batch view, for reads in order.
pub(super) fn contents(view: &BatchView) -> Result<Snapshot> {
    index_of(view)?.snapshot(Read::Latest)
}

/// An index that reads a batch view.
pub(super) fn index_of(view: &BatchView) -> Result<Index> {
    let names: Vec<_> = view.views().iter().map(|meta| meta.name.clone()).collect();
    let version = view.identity().version;
    let index = Index::new(&version, view.views().to_vec(), 1, IndexOptions::default())?;
    index.install_base(view.boundary(), view.base(&names, 1)?)?;
    Ok(index)
}
