//! Stored state: the accumulations of a batch view, which owners read in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use diptych_base::time::Epoch;
use diptych_dataflow::StoredAccumulation;

/// All accumulations of a dataflow at a boundary, in files.
pub struct StoredState {
    boundary: Epoch,
    accumulations: BTreeMap<String, Arc<dyn StoredAccumulation>>,
}

impl StoredState {
    /// The accumulations at `boundary`, by name.
    pub fn new(
        boundary: Epoch,
        accumulations: impl IntoIterator<Item = (String, Arc<dyn StoredAccumulation>)>,
    ) -> StoredState {
        StoredState { boundary, accumulations: accumulations.into_iter().collect() }
    }

    /// The first epoch that is not in the accumulations.
    pub fn boundary(&self) -> Epoch {
        self.boundary
    }

    /// The accumulation called `name`.
    ///
    /// Panics when there is none.
    pub(super) fn accumulation(&self, name: &str) -> Arc<dyn StoredAccumulation> {
        let Some(stored) = self.accumulations.get(name) else {
            let known: Vec<_> = self.accumulations.keys().collect();
            panic!("no accumulation {name:?} is stored, but {known:?}")
        };
        Arc::clone(stored)
    }
}
