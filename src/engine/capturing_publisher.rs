//! A publisher that keeps the published batches of views, for a batch view on disk.

use std::sync::Mutex;

use diptych_base::lock_mutex::lock;
use diptych_serving::{Publish, ViewBatch};

/// Keeps published batches per (view, shard), in order.
pub struct Capture {
    shards: usize,
    batches: Mutex<Vec<Vec<ViewBatch>>>,
}

impl Capture {
    /// An empty capture of `views` views in `shards` shards.
    pub fn new(views: usize, shards: usize) -> Self {
        Capture { shards, batches: Mutex::new(vec![Vec::new(); views * shards]) }
    }

    /// Takes the batches published for a (view, shard) so far.
    pub fn take(&self, view: usize, shard: usize) -> Vec<ViewBatch> {
        let mut batches = lock(&self.batches);
        std::mem::take(&mut batches[view * self.shards + shard])
    }
}

impl Publish for Capture {
    fn publish(&self, view: usize, shard: usize, batch: ViewBatch) {
        let mut batches = lock(&self.batches);
        batches[view * self.shards + shard].push(batch);
    }
}
