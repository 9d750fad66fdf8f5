//! The state of an index that readers see: one immutable value, replaced whole.

use std::sync::Arc;

use super::batch_history_bytes;
use super::stored_view::Stored;
use super::view_batch::ViewBatch;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_row::Digest;

/// All views of a dataflow at one moment. Readers hold it by `Arc`; writers publish a new one.
#[derive(Clone)]
pub(super) struct IndexState {
    /// The boundary: history below it comes from the batch layer.
    pub(super) boundary: Epoch,
    /// The first epoch that some (view, shard) has not completed: readers see times below only.
    pub(super) frontier: Epoch,
    /// The earliest epoch that can still be told apart.
    pub(super) since: Epoch,
    /// Shards of each view.
    pub(super) shards: usize,
    /// Batches of each (view, shard), at `view * shards + shard`.
    pub(super) lists: Vec<Arc<BatchList>>,
    /// All views at the last epoch of a batch view, read from its files: the lists have what came
    /// after it. None when the lists have everything.
    pub(super) stored: Option<Stored>,
}

/// The batches of one (view, shard): contiguous up to `upper`, oldest first, from epoch 0 or from
/// the first epoch after the stored views.
#[derive(Clone, Default)]
pub(super) struct BatchList {
    pub(super) upper: Epoch,
    pub(super) batches: Vec<ViewBatch>,
}

impl IndexState {
    pub(super) fn empty(views: usize, shards: usize) -> Self {
        let lists = (0..views * shards).map(|_| Arc::default()).collect();
        IndexState { boundary: 0, frontier: 0, since: 0, shards, lists, stored: None }
    }

    /// A state of stored views at `boundary`, and nothing after it.
    pub(super) fn over_stored(stored: Stored, shards: usize, boundary: Epoch) -> Self {
        assert!(boundary > 0, "there is no history before epoch 0");
        let list = Arc::new(BatchList { upper: boundary, batches: Vec::new() });
        let lists = vec![list; stored.0.len() * shards];
        let stored = Some(stored);
        IndexState { boundary, frontier: boundary, since: boundary - 1, shards, lists, stored }
    }

    /// The lists of the shards of one view.
    pub(super) fn view(&self, view: usize) -> &[Arc<BatchList>] {
        &self.lists[view * self.shards..(view + 1) * self.shards]
    }

    /// The least upper bound of all lists; 0 for a dataflow without views.
    pub(super) fn least_upper(&self) -> Epoch {
        self.lists.iter().map(|list| list.upper).min().unwrap_or(0)
    }

    /// Bytes kept for readers of earlier epochs, in all lists.
    pub(super) fn past_bytes(&self) -> usize {
        self.all_batches().map(|batch| batch.past().bytes()).sum()
    }

    /// The first epoch, not before `since`, such that at most `most` bytes are kept for the epochs
    /// after it.
    pub(super) fn since_within(&self, since: Epoch, most: usize) -> Epoch {
        if self.past_bytes() <= most {
            return since;
        }
        batch_history_bytes::since_within(self.all_batches().map(ViewBatch::past), since, most)
    }

    /// The batches of all views.
    pub(super) fn all_batches(&self) -> impl Iterator<Item = &ViewBatch> {
        self.lists.iter().flat_map(|list| &list.batches)
    }

    /// The digest of a view's contents at times below `upper`.
    ///
    /// # Errors
    /// When stored rows are damaged.
    pub(super) fn digest(&self, view: usize, upper: Epoch) -> Result<Digest> {
        let stored = self.stored.as_ref().map_or(Ok(Digest::default()), |one| one.digest(view))?;
        Ok(stored.plus(self.digest_in_memory(view, upper)))
    }

    /// As [`IndexState::digest`], but stored rows are not read: their digest is what their files
    /// state.
    pub(super) fn stated_digest(&self, view: usize, upper: Epoch) -> Digest {
        let stored = self.stored.as_ref().map(|stored| stored.view(view).digest());
        stored.unwrap_or_default().plus(self.digest_in_memory(view, upper))
    }

    fn digest_in_memory(&self, view: usize, upper: Epoch) -> Digest {
        let mut digest = Digest::default();
        for batch in self.batches(view, upper) {
            batch.for_each(|key, value, time, diff| {
                if time < upper {
                    digest.add(key, value, diff);
                }
            });
        }
        digest
    }

    /// The batches of each shard of a view that hold times below `upper`, oldest first.
    pub(super) fn batches_by_shard(&self, view: usize, upper: Epoch) -> Vec<Vec<ViewBatch>> {
        let wanted = |batch: &&ViewBatch| batch.lower_epoch() < upper && !batch.is_empty();
        let of_shard =
            |list: &Arc<BatchList>| list.batches.iter().filter(wanted).cloned().collect();
        self.view(view).iter().map(of_shard).collect()
    }

    /// The batches of a view that hold times below `upper`.
    pub(super) fn batches(&self, view: usize, upper: Epoch) -> impl Iterator<Item = &ViewBatch> {
        self.view(view)
            .iter()
            .flat_map(|list| &list.batches)
            .filter(move |batch| batch.lower_epoch() < upper && !batch.is_empty())
    }
}

impl BatchList {
    /// Bytes kept for readers of earlier epochs.
    pub(super) fn past_bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.past().bytes()).sum()
    }

    /// Appends the next batch. An empty one only moves the upper bound of the last, unless the
    /// epoch between them is `pinned`.
    ///
    /// Panics when the batch does not start where the list ends.
    pub(super) fn push(&mut self, batch: ViewBatch, pinned: impl Fn(Epoch) -> bool) {
        let lower = batch.lower_epoch();
        let upper = batch.upper_epoch();
        assert_eq!(lower, self.upper, "a batch starts at {lower}, the list ends at {}", self.upper);
        self.upper = upper;
        match self.batches.last_mut() {
            Some(last) if batch.is_empty() && !pinned(lower) => {
                *last = last.with_bounds(last.lower_epoch(), upper);
            }
            _ => self.batches.push(batch),
        }
    }

    /// Each batch that extends across `at`, with a copy of its updates from `at` on.
    pub(super) fn cut_at(&self, at: Epoch) -> Vec<(ViewBatch, ViewBatch)> {
        let over = |batch: &&ViewBatch| batch.lower_epoch() < at && batch.upper_epoch() > at;
        self.batches
            .iter()
            .filter(over)
            .map(|batch| (batch.clone(), batch.since_time(at)))
            .collect()
    }

    /// The batches without the updates below `at`. `cut` has what is left of batches that extend
    /// across `at`; others are cut now.
    pub(super) fn cut_from(&self, at: Epoch, cut: &[(ViewBatch, ViewBatch)]) -> Vec<ViewBatch> {
        let after = self.batches.iter().filter(|batch| batch.upper_epoch() > at);
        after
            .map(|batch| match cut.iter().find(|(whole, _)| whole.is_same(batch)) {
                _ if batch.lower_epoch() >= at => batch.clone(),
                Some((_, rest)) => rest.with_bounds(at, batch.upper_epoch()),
                None => batch.since_time(at),
            })
            .collect()
    }
}
