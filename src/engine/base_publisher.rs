//! A publisher that turns history fed in place into the base of an index.
//!
//! Until every (view, shard) has reached the boundary readers must see nothing: an index that
//! showed the epochs of a collapsed history one by one would answer "empty" for all but the last.

use std::sync::Mutex;

use diptych_base::error::Result;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_serving::{Index, Publish, ViewBatch};

/// Holds back batches below the boundary, then installs them as the base, all at once.
pub struct Gather {
    index: Index,
    boundary: Epoch,
    state: Mutex<State>,
}

struct State {
    base: Vec<Option<ViewBatch>>,
    missing: usize,
}

impl Gather {
    /// A publisher into `index`, whose history ends at `boundary`.
    pub fn new(index: Index, boundary: Epoch) -> Self {
        let lists = index.views().len() * index.shards();
        let missing = if boundary == 0 { 0 } else { lists };
        Gather { index, boundary, state: Mutex::new(State { base: vec![None; lists], missing }) }
    }

    /// Keeps a batch of history; gives the base when this batch was the last one missing.
    fn keep(&self, view: usize, shard: usize, batch: ViewBatch) -> Option<Vec<ViewBatch>> {
        let mut state = lock(&self.state);
        let complete = batch.upper_epoch() == self.boundary;
        let slot = &mut state.base[view * self.index.shards() + shard];
        // All updates of a collapsed history are at `boundary - 1`: at most one batch has any.
        if batch.keys() > 0 || slot.is_none() {
            *slot = Some(batch.with_bounds(0, self.boundary));
        }
        state.missing -= usize::from(complete);
        (complete && state.missing == 0)
            .then(|| state.base.iter_mut().filter_map(Option::take).collect())
    }

    fn install(&self, base: Vec<ViewBatch>) -> Result<()> {
        let shards = self.index.shards();
        let placed = base.into_iter().enumerate();
        let placed: Vec<_> =
            placed.map(|(list, batch)| (list / shards, list % shards, batch)).collect();
        self.index.install_base(self.boundary, placed.clone())?;
        // An installed base expects its contents to be published again, to be compared.
        for (view, shard, batch) in placed {
            self.index.publish(view, shard, batch);
        }
        Ok(())
    }
}

impl Publish for Gather {
    fn publish(&self, view: usize, shard: usize, batch: ViewBatch) {
        if batch.lower_epoch() >= self.boundary {
            self.index.publish(view, shard, batch);
            return;
        }
        let upper = batch.upper_epoch();
        let boundary = self.boundary;
        assert!(upper <= boundary, "a batch up to {upper} reaches over the boundary {boundary}");
        if let Some(base) = self.keep(view, shard, batch)
            && let Err(error) = self.install(base)
        {
            panic!("the history up to {boundary} cannot become the base of its index: {error}");
        }
    }
}
