//! Background merging: few batches, of geometric sizes, whatever the rate of epochs.
//!
//! One thread per index merges neighbours of a list whenever the older is not at least twice the
//! size of the younger, the smallest pair first. A long merge is done in slices, and between slices
//! merges that are much smaller go first, so that small batches never pile up behind a large one.
//! Readers and publishers wait for nobody: a merge reads immutable batches and swaps in its result,
//! or drops it when the list has changed under it.
//!
//! Merging compacts times up to `since`: the frontier less the stated history, held back by leases
//! and pins, and always below the frontier.

use std::sync::{Arc, Weak};
use std::time::Duration;

use differential_dataflow::trace::{Batch, BatchReader, Merger};
use timely::progress::Antichain;

use super::batch::ViewBatch;
use super::index::{Shared, Writer};
use super::lease::lock;
use super::state::{BatchList, State};
use crate::error::{Error, Result};
use crate::limits::{LEASE_SWEEP_INTERVAL, MERGE_SLICE_UPDATES};
use crate::time::Epoch;

/// How much smaller a merge must be to go before another that is under way.
const SMALLER: usize = 8;

/// Two neighbours to be merged.
struct Pair {
    list: usize,
    older: ViewBatch,
    younger: ViewBatch,
}

impl Pair {
    fn size(&self) -> usize {
        self.older.len() + self.younger.len()
    }
}

/// Starts the thread; it ends when the index is gone.
pub(super) fn spawn(shared: &Arc<Shared>) -> Result<()> {
    let weak = Arc::downgrade(shared);
    let work = Arc::clone(&shared.work);
    let run = move || {
        loop {
            let seen = work.count();
            let Some(shared) = Weak::upgrade(&weak) else { return };
            shared.leases.sweep();
            shared.merge(usize::MAX, &mut Vec::new());
            drop(shared);
            work.wait_raised(seen, LEASE_SWEEP_INTERVAL);
        }
    };
    let thread = std::thread::Builder::new().name("merge".into()).spawn(run);
    thread.map(drop).map_err(|e| Error::io("cannot start the thread that merges batches", e))
}

impl Shared {
    /// Merges what is due and not larger than `size_max`, leaving the `busy` batches alone.
    fn merge(&self, size_max: usize, busy: &mut Vec<ViewBatch>) {
        while let Some((pair, since)) = self.choose(size_max, busy) {
            let size = pair.size();
            let compaction = Antichain::from_elem(since);
            let mut merger = pair.older.begin_merge(&pair.younger, compaction.borrow());
            loop {
                let mut fuel = MERGE_SLICE_UPDATES;
                merger.work(&pair.older, &pair.younger, &mut fuel);
                if fuel > 0 {
                    break;
                }
                self.leases.sweep();
                busy.extend([pair.older.clone(), pair.younger.clone()]);
                self.merge(size / SMALLER, busy);
                busy.truncate(busy.len() - 2);
            }
            self.install(&pair, &merger.done());
        }
    }

    /// The smallest pair that is due, and the time to compact it to.
    fn choose(&self, size_max: usize, busy: &[ViewBatch]) -> Option<(Pair, Epoch)> {
        let state = self.state.load();
        if !state.lists.iter().any(|list| list.batches.len() > 1) {
            return None;
        }
        let writer = lock(&self.writer);
        let taken = |one: &ViewBatch| busy.iter().any(|other| other.is_same(one));
        let mut best: Option<Pair> = None;
        for (list, batches) in state.lists.iter().enumerate() {
            for two in batches.batches.windows(2) {
                let [older, younger] = two else { continue };
                let size = older.len() + younger.len();
                if older.len() <= 2 * younger.len().max(1)
                    && size <= size_max
                    && best.as_ref().is_none_or(|best| size < best.size())
                    && !writer.pins.contains_key(&older.upper_epoch())
                    && !taken(older)
                    && !taken(younger)
                {
                    best = Some(Pair { list, older: older.clone(), younger: younger.clone() });
                }
            }
        }
        drop(writer);
        best.map(|pair| (pair, self.advance_since()))
    }

    /// Moves `since` as far as history, leases and pins allow; gives where it is.
    ///
    /// Readers learn of it before any batch is compacted to it.
    fn advance_since(&self) -> Epoch {
        let writer = lock(&self.writer);
        let state = self.state.load_full();
        let since = self.allowed_since(&writer, &state);
        if since > state.since {
            self.state.store(Arc::new(State { since, ..State::clone(&state) }));
        }
        since
    }

    fn allowed_since(&self, writer: &Writer, state: &State) -> Epoch {
        // At least one epoch stays below the frontier: times moved up to `since` must be visible.
        let history = self.options.history_epochs.max(1);
        let mut since = state.frontier.saturating_sub(history);
        if let Some(earliest) = self.leases.earliest() {
            since = since.min(earliest);
        }
        for pin in writer.pins.keys() {
            since = since.min(pin.saturating_sub(1));
        }
        since.max(state.since)
    }

    /// Puts the merged batch in the place of its parts, if they are still there.
    fn install(&self, pair: &Pair, merged: &ViewBatch) {
        self.update(|writer, state| {
            let list = &state.lists[pair.list];
            let found = list
                .batches
                .windows(2)
                .position(|two| two[0].is_same(&pair.older) && two[1].is_same(&pair.younger));
            let Some(first) = found else { return };
            if writer.pins.contains_key(&list.batches[first].upper_epoch()) {
                return;
            }
            let lower = list.batches[first].lower_epoch();
            let upper = list.batches[first + 1].upper_epoch();
            let mut list = BatchList::clone(list);
            list.batches.splice(first..first + 2, [merged.with_bounds(lower, upper)]);
            state.lists[pair.list] = Arc::new(list);
        });
    }

    /// Waits until nothing is due, at most for `timeout`; is nothing due?
    pub(super) fn settle(&self, timeout: Duration) -> bool {
        self.work.wait(timeout, || self.choose(usize::MAX, &[]).is_none())
    }
}
