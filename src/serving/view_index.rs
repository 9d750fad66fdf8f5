//! The index: all views of one dataflow, at one frontier.
//!
//! Writers (workers, the merge thread, cutovers) build a new [`IndexState`] under a lock and swap
//! it in by one pointer; readers load the pointer and are never blocked. The frontier is the least
//! upper bound of all (view, shard) lists, and readers see times below it only: a batch that one
//! worker published early is invisible until every worker has published up to the same epoch.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::change_ring::ChangeRings;
use super::index_options::IndexOptions;
use super::index_shared::{IndexShared, Restored, WriterState};
use super::index_state::{BatchList, IndexState};
use super::lease::Leases;
use super::merge_batches;
use super::publish::Publish;
use super::snapshot::{Read, Snapshot};
use super::view_batch::ViewBatch;
use super::wake_signal::Signal;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::LEASE_SWEEP_INTERVAL;
use diptych_base::lock_mutex::lock;
use diptych_base::time::{Branches, Epoch};
use diptych_row::{Digest, ViewInfo};

/// The serving index: all views of one version of a dataflow. Clones are handles to the same index;
/// background merging ends when the last is dropped.
#[derive(Clone)]
pub struct Index {
    pub(super) shared: Arc<IndexShared>,
}

impl Index {
    /// An empty index of a version of a dataflow, and the thread that merges its batches.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(
        version: &str,
        views: Vec<ViewInfo>,
        shards: usize,
        options: IndexOptions,
    ) -> Result<Index> {
        assert!(shards > 0, "an index needs at least one shard");
        let state = IndexState::empty(views.len(), shards);
        let lists = state.lists.len();
        let writer = WriterState { published: vec![0; lists], ..WriterState::default() };
        let shared = Arc::new(IndexShared {
            version: version.into(),
            generation: generation(version, &options).into(),
            views,
            shards,
            recent: ChangeRings::new(lists, options.recent_updates, options.recent_bytes),
            options,
            state: ArcSwap::from_pointee(state),
            writer: Mutex::new(writer),
            leases: Leases::default(),
            moved: Signal::default(),
            work: Arc::default(),
            fresh_from: AtomicU64::new(0),
        });
        merge_batches::spawn(&shared)?;
        Ok(Index { shared })
    }

    /// The version of the dataflow.
    pub fn version(&self) -> &str {
        &self.shared.version
    }

    /// The generation of the answers: the version and, if its batch view was accepted with other
    /// answers or events were erased, a mark of that. Tokens and cursors name the generation.
    pub fn generation(&self) -> &str {
        &self.shared.generation
    }

    /// The branches of the log that the views are computed from, by epoch.
    pub fn branches(&self) -> &Branches {
        &self.shared.options.branches
    }

    /// The views, by id.
    pub fn views(&self) -> &[ViewInfo] {
        &self.shared.views
    }

    /// The id of the view called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn view(&self, name: &str) -> Result<usize> {
        find_view(&self.shared.views, name)
    }

    /// Shards of each view.
    pub fn shards(&self) -> usize {
        self.shared.shards
    }

    /// The first epoch that is not complete.
    pub fn frontier(&self) -> Epoch {
        self.shared.state.load().frontier
    }

    /// The earliest epoch that can be asked for.
    pub fn since(&self) -> Epoch {
        self.shared.state.load().since
    }

    /// The boundary: the first epoch after the batch layer's part.
    pub fn boundary(&self) -> Epoch {
        self.shared.state.load().boundary
    }

    /// Do its views [stay in files](IndexOptions::views_in_files)?
    pub fn keeps_views_in_files(&self) -> bool {
        self.shared.options.views_in_files
    }

    /// Sets the boundary of an index that was filled by publishing history, not by a base.
    pub fn set_boundary(&self, boundary: Epoch) {
        self.shared.update(|_, state| state.boundary = boundary);
    }

    /// Marks answers as stale as long as the frontier is below `epoch`: the end of the log when
    /// the process was started, which the dataflow has not reached yet.
    pub fn fresh_from(&self, epoch: Epoch) {
        self.shared.fresh_from.store(epoch, Ordering::Release);
    }

    /// Is the dataflow still catching up with what was in the log when the process was started?
    pub fn is_stale(&self) -> bool {
        self.shared.is_stale(self.frontier())
    }

    /// All views as they are at one epoch, held until the snapshot is dropped or its lease ends.
    ///
    /// # Errors
    /// When the epoch is outside `[since, upper)`, or does not come before the timeout.
    pub fn snapshot(&self, read: Read) -> Result<Snapshot> {
        Snapshot::take(&self.shared, read)
    }

    /// Waits until the frontier is beyond `epoch`, at most for `timeout`; gives the frontier.
    pub fn wait_beyond(&self, epoch: Epoch, timeout: Duration) -> Epoch {
        self.shared.wait_beyond(epoch, timeout)
    }

    /// Are both handles to one index?
    pub fn is_same(&self, other: &Index) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Does a later version serve readers now?
    pub fn is_retired(&self) -> bool {
        lock(&self.shared.writer).retired
    }
}

fn generation(version: &str, options: &IndexOptions) -> String {
    let mut generation = version.to_owned();
    if let Some(boundary) = options.lineage {
        generation = format!("{generation}~{boundary}");
    }
    match &options.history {
        Some(history) => format!("{generation}~{}", history.mark),
        None => generation,
    }
}

/// The position of the view called `name`, or an error that lists the views.
pub(super) fn find_view(views: &[ViewInfo], name: &str) -> Result<usize> {
    views.iter().position(|view| view.name == name).ok_or_else(|| {
        let names: Vec<_> = views.iter().map(|view| view.name.as_str()).collect();
        Error::new(Kind::Missing, format!("there is no view called \"{name}\""))
            .remedy(format!("the views are: {}", names.join(", ")))
    })
}

impl IndexShared {
    /// Changes the state under the writers' lock and swaps it in.
    pub(super) fn update<T>(
        &self,
        change: impl FnOnce(&mut WriterState, &mut IndexState) -> T,
    ) -> T {
        let mut writer = lock(&self.writer);
        let mut state = IndexState::clone(&self.state.load());
        let before = state.frontier;
        let result = change(&mut writer, &mut state);
        let after = state.frontier;
        assert!(after >= before, "the frontier went back from {before} to {after}");
        self.state.store(Arc::new(state));
        drop(writer);
        if after > before {
            self.moved.raise();
        }
        self.work.raise();
        result
    }

    pub(super) fn is_stale(&self, frontier: Epoch) -> bool {
        frontier < self.fresh_from.load(Ordering::Acquire)
    }

    pub(super) fn wait_beyond(&self, epoch: Epoch, timeout: Duration) -> Epoch {
        let frontier = || self.state.load().frontier;
        self.moved.wait(timeout, || frontier() > epoch || lock(&self.writer).retired);
        frontier()
    }

    fn append(&self, view: usize, shard: usize, batch: ViewBatch) {
        let at = view * self.shards + shard;
        // Batches follow the base. The restored dataflow is seldom ready before the base is.
        while lock(&self.writer).expects_base() {
            self.moved.wait(LEASE_SWEEP_INTERVAL, || !lock(&self.writer).expects_base());
        }
        self.update(|writer, state| {
            if writer.retired {
                // Readers have moved on; a frontier they could still see must not move.
                return;
            }
            writer.passed(at, batch.lower_epoch()..batch.upper_epoch());
            let Some(batch) = writer.drop_restored(view, batch) else { return };
            self.recent.push(at, &batch);
            let mut list = BatchList::clone(&state.lists[at]);
            list.push(batch, |epoch| writer.pins.contains_key(&epoch));
            state.lists[at] = Arc::new(list);
            state.frontier = state.least_upper();
        });
    }
}

impl WriterState {
    /// Records that a (view, shard) was published for the times `[lower, upper)`.
    fn passed(&mut self, list: usize, epochs: Range<Epoch>) {
        let Range { start: lower, end: upper } = epochs;
        let expected = std::mem::replace(&mut self.published[list], upper);
        assert_eq!(
            lower, expected,
            "list {list}: published from {lower}, expected from {expected}"
        );
    }
}

impl Publish for Index {
    /// Panics when the batch does not follow the one before, or the view or shard is unknown.
    fn publish(&self, view: usize, shard: usize, batch: ViewBatch) {
        assert!(shard < self.shared.shards, "shard {shard} of {}", self.shared.shards);
        self.shared.append(view, shard, batch);
    }

    fn known_below(&self) -> Epoch {
        lock(&self.shared.writer).restored.as_ref().map_or(0, Restored::boundary)
    }

    fn repeat(&self, view: usize, shard: usize, epochs: Range<Epoch>, digest: Digest) {
        assert!(shard < self.shared.shards, "shard {shard} of {}", self.shared.shards);
        self.shared.update(|writer, _| {
            if !writer.retired {
                writer.passed(view * self.shared.shards + shard, epochs);
                writer.hear(view, digest);
            }
        });
    }
}

impl Drop for IndexShared {
    fn drop(&mut self) {
        self.work.raise();
    }
}
