//! Background merging: keeps few batches, of geometric sizes, at any rate of epochs.
//!
//! One thread per index merges neighbours of a list whenever the older is not at least twice the
//! size of the younger, the smallest pair first. A long merge is done in slices, and between slices
//! merges that are much smaller go first, so that small batches never pile up behind a large one.
//! Readers and publishers do not wait for merges: a merge reads immutable batches and swaps in its
//! result, or drops it when the list has changed meanwhile.
//!
//! Merging compacts times up to `since`: the frontier less the configured history, which is bounded
//! in epochs and in bytes, held back by leases and pins, and always below the frontier. When
//! compaction to `since` would free half of a batch, the batch is compacted alone; when it would
//! free half of two neighbours, they are merged whatever their sizes. So memory is at most twice
//! the present rows and the permitted past. (Rows that are retracted at once, from a batch more
//! than twice as large, wait for the next merge.)
//!
//! NOT bounded in bytes is the past that a [pin](super::Pin) holds back while a recompute runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::index_shared::{IndexShared, WriterState};
use super::index_state::{BatchList, IndexState};
use super::view_batch::{BatchMerge, ViewBatch};
use diptych_base::error::{Error, Result};
use diptych_base::limits::{COMPACTED_BYTES_MIN, LEASE_SWEEP_INTERVAL, MERGE_SLICE_UPDATES};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// The factor by which a merge must be smaller to go before another that is under way.
const SMALLER: usize = 8;

/// Two neighbours to be merged, or one batch to be compacted.
struct Pair {
    list: usize,
    older: ViewBatch,
    /// Empty, and of no list, when a batch is compacted alone.
    younger: ViewBatch,
    alone: bool,
}

impl Pair {
    /// A pair of one batch, which is compacted alone.
    fn alone(list: usize, batch: &ViewBatch) -> Pair {
        let upper = batch.upper_epoch();
        let younger = ViewBatch::new(upper, upper + 1, None);
        Pair { list, older: batch.clone(), younger, alone: true }
    }

    fn size(&self) -> usize {
        self.older.len() + self.younger.len()
    }

    /// The number of batches that the pair takes from the list.
    fn batches(&self) -> usize {
        if self.alone { 1 } else { 2 }
    }

    /// The position of the pair in the list, if it is still there.
    fn find(&self, list: &BatchList) -> Option<usize> {
        list.batches.windows(self.batches()).position(|found| {
            found[0].is_same(&self.older) && (self.alone || found[1].is_same(&self.younger))
        })
    }
}

/// Is merging two neighbours due by their sizes, or because it would free half of them?
fn is_due(older: &ViewBatch, younger: &ViewBatch, since: Epoch) -> bool {
    if older.len() <= 2 * younger.len().max(1) {
        return true;
    }
    let past = older.past().alone(since) + younger.past().merged(since);
    past >= COMPACTED_BYTES_MIN && 2 * past >= older.memory_bytes() + younger.memory_bytes()
}

/// Is compacting a batch worth the work?
fn is_mostly_past(batch: &ViewBatch, since: Epoch) -> bool {
    let past = batch.past().alone(since);
    past >= COMPACTED_BYTES_MIN && 2 * past >= batch.memory_bytes() && batch.since_epoch() < since
}

/// Starts the merge thread of an index; the thread ends when the index is dropped.
pub(super) fn spawn(shared: &Arc<IndexShared>) -> Result<()> {
    let weak = Arc::downgrade(shared);
    let work = Arc::clone(&shared.work);
    let run = move || {
        loop {
            let seen = work.count();
            let Some(shared) = Weak::upgrade(&weak) else { return };
            shared.sweep_leases();
            shared.merge(usize::MAX, &mut Vec::new());
            drop(shared);
            work.wait_raised(seen, LEASE_SWEEP_INTERVAL);
        }
    };
    let thread = std::thread::Builder::new().name("merge".into()).spawn(run);
    thread.map(drop).map_err(|e| Error::io("cannot start the thread that merges batches", e))
}

impl IndexShared {
    /// Runs the due merges that are not larger than `size_max`, leaving the `busy` batches alone.
    fn merge(&self, size_max: usize, busy: &mut Vec<ViewBatch>) {
        while let Some((pair, since)) = self.choose(size_max, busy) {
            let size = pair.size();
            let mut merge = BatchMerge::new(&pair.older, &pair.younger, since);
            loop {
                let mut fuel = MERGE_SLICE_UPDATES;
                merge.work(&mut fuel);
                if fuel > 0 {
                    break;
                }
                self.sweep_leases();
                busy.extend([pair.older.clone(), pair.younger.clone()]);
                self.merge(size / SMALLER, busy);
                busy.truncate(busy.len() - 2);
            }
            self.install(&pair, &merge.done());
        }
    }

    /// The smallest pair that is due, and the epoch to compact it to.
    fn choose(&self, size_max: usize, busy: &[ViewBatch]) -> Option<(Pair, Epoch)> {
        let since = self.advance_since();
        let state = self.state.load();
        let writer = lock(&self.writer);
        let taken = |one: &ViewBatch| busy.iter().any(|other| other.is_same(one));
        let mut best: Option<Pair> = None;
        let mut offer = |pair: Pair| {
            let size = pair.size();
            if size <= size_max && best.as_ref().is_none_or(|best| size < best.size()) {
                best = Some(pair);
            }
        };
        for (list, batches) in state.lists.iter().enumerate() {
            for batch in &batches.batches {
                if is_mostly_past(batch, since) && !taken(batch) {
                    offer(Pair::alone(list, batch));
                }
            }
            for two in batches.batches.windows(2) {
                let [older, younger] = two else { continue };
                if is_due(older, younger, since)
                    && !writer.pins.contains_key(&older.upper_epoch())
                    && !taken(older)
                    && !taken(younger)
                {
                    let older = older.clone();
                    let younger = younger.clone();
                    offer(Pair { list, older, younger, alone: false });
                }
            }
        }
        drop(writer);
        best.map(|pair| (pair, since))
    }

    /// Moves `since` as far as history, leases and pins allow, and gives it.
    ///
    /// Readers see the new `since` before any batch is compacted to it.
    fn advance_since(&self) -> Epoch {
        let mut writer = lock(&self.writer);
        let state = self.state.load_full();
        let since = self.allowed_since(&writer, &state);
        if since > state.since {
            // Bounded pins that `since` has passed are let go.
            writer.pins.retain(|pin, _| *pin > since);
            self.state.store(Arc::new(IndexState { since, ..IndexState::clone(&state) }));
        }
        since
    }

    fn allowed_since(&self, writer: &WriterState, state: &IndexState) -> Epoch {
        // At least one epoch stays below the frontier: times moved up to `since` must be visible.
        let last = state.frontier.saturating_sub(1);
        let history = self.options.history_epochs.max(1);
        let counted = state.frontier.saturating_sub(history).max(state.since);
        let mut since = state.since_within(counted, self.options.history_bytes).min(last);
        let earliest = self.leases.earliest_from(state.since);
        if let Some(earliest) = earliest.filter(|earliest| *earliest < since) {
            let leased = state.since_within(state.since, self.options.leased_bytes).min(since);
            // A snapshot from before `since` holds its own batches, whose bytes are bounded, and
            // holds nothing else back: it answers as long as its lease.
            self.leases.end_places_before(leased);
            since = since.min(earliest.max(leased));
        }
        if writer.pins.is_empty() {
            return since.max(state.since);
        }
        let bytes = state.since_within(state.since, self.options.history_bytes).min(last);
        for (pin, holders) in &writer.pins {
            let pinned = pin.saturating_sub(1);
            since = since.min(if holders.firm > 0 { pinned } else { pinned.max(bytes) });
        }
        since.max(state.since)
    }

    /// Takes back the batches of expired leases, and of the earliest leases when all together hold
    /// too much.
    fn sweep_leases(&self) {
        self.leases.sweep();
        self.leases.end_beyond(&self.state.load(), self.options.leased_bytes);
    }

    /// Replaces the pair by the merged batch, if the pair is still in the list.
    fn install(&self, pair: &Pair, merged: &ViewBatch) {
        self.update(|writer, state| {
            let list = &state.lists[pair.list];
            let Some(first) = pair.find(list) else { return };
            let last = first + pair.batches() - 1;
            let cut = list.batches[first].upper_epoch();
            if first < last && writer.pins.contains_key(&cut) {
                return;
            }
            let lower = list.batches[first].lower_epoch();
            let upper = list.batches[last].upper_epoch();
            let mut list = BatchList::clone(list);
            list.batches.splice(first..=last, [merged.with_bounds(lower, upper)]);
            state.lists[pair.list] = Arc::new(list);
        });
    }

    /// Waits until no merge is due, at most for `timeout`; gives whether none is due.
    pub(super) fn settle(&self, timeout: Duration) -> bool {
        self.work.wait(timeout, || self.choose(usize::MAX, &[]).is_none())
    }
}
