//! Cutover: readers move from one generation of the views to another, at one frontier, in one
//! pointer swap.
//!
//! - A *base* `[0, F)` from a batch view fills an empty index ([`Index::install_base`]); the
//!   updates that the dataflow then publishes below F again are compared by digest and dropped.
//! - A base replaces the batches of a running index below F ([`Index::replace_base`]): the same
//!   function, so the answers must not change, which is checked by digest first.
//! - Either base may stay in the files of its batch view ([`Index::install_stored_base`],
//!   [`Index::replace_stored_base`]): memory then holds what came after it.
//! - Another version has an index of its own, and [`Serving`] moves readers over to it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::index_shared::{IndexShared, Restored, WriterState};
use super::index_state::{BatchList, IndexState};
use super::snapshot::{Read, Snapshot, check_inside};
use super::stored_view::{Stored, StoredView};
use super::verified_epoch::Verified;
use super::view_batch::ViewBatch;
use super::view_index::Index;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_row::Digest;

/// The batches of a base: one `[0, F)` per (view, shard), in any order; all updates at `F - 1`.
pub type Base = Vec<(usize, usize, ViewBatch)>;

/// The views of a base that stays in files, by id, each with the digest that its files state.
pub type StoredBase = Vec<(Arc<dyn StoredView>, Digest)>;

/// A pin of an epoch: as long as the pin lives, the index can be cut there, because no merge
/// crosses the epoch. A [bounded](Index::pin_within) pin is let go when the updates since the epoch
/// take too many bytes.
pub struct Pin {
    shared: Arc<IndexShared>,
    epoch: Epoch,
    bounded: bool,
}

impl Pin {
    /// The pinned epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Was the pin let go, so that the index cannot be cut there any more? Always false for a pin
    /// that is not bounded.
    pub fn is_let_go(&self) -> bool {
        self.shared.state.load().since >= self.epoch
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut writer = lock(&self.shared.writer);
        if let Some(holders) = writer.pins.get_mut(&self.epoch) {
            let count = if self.bounded { &mut holders.bounded } else { &mut holders.firm };
            // Those that were let go are not counted any more.
            *count = count.saturating_sub(1);
            if holders.firm + holders.bounded == 0 {
                writer.pins.remove(&self.epoch);
            }
        }
        drop(writer);
        self.shared.work.raise();
    }
}

impl Index {
    /// Announces that an empty index will get a base at `boundary`, so that its dataflow may
    /// already be restored meanwhile. A worker that publishes beyond the boundary waits until
    /// [`Index::install_base`] installs the base or [`Index::give_up_base`] cancels it.
    ///
    /// # Panics
    /// When there is a base, or something was published.
    pub fn expect_base(&self, boundary: Epoch) {
        let views = self.shared.views.len();
        let mut writer = lock(&self.shared.writer);
        let untouched = writer.published.iter().all(|upper| *upper == 0);
        assert!(untouched && writer.restored.is_none(), "a base at {boundary} comes too late");
        let heard = vec![Digest::default(); views];
        writer.restored = Some(Restored { boundary, expected: None, heard });
    }

    /// Cancels the announced base: all batches published from now on are dropped, and the index
    /// stays empty.
    pub fn give_up_base(&self) {
        lock(&self.shared.writer).retired = true;
        self.shared.moved.raise();
    }

    /// Fills an empty index with the views at `boundary`: readers see them at once, at the epoch
    /// `boundary - 1`, while the dataflow catches up.
    ///
    /// Updates that the dataflow publishes below the boundary repeat the base and are not added.
    /// They are compared by digest; see [`Index::base_checked`].
    ///
    /// # Errors
    /// When something was published before, or the base does not cover `[0, boundary)` of every
    /// view and shard exactly once.
    pub fn install_base(&self, boundary: Epoch, base: Base) -> Result<()> {
        let shared = &self.shared;
        let base = shared.check_base(boundary, base)?;
        let views = shared.views.len();
        // Before the lock: it reads all rows.
        let fresh = IndexState { lists: base, ..IndexState::empty(0, shared.shards) };
        let expected = (0..views).map(|view| fresh.digest(view, boundary));
        let expected = expected.collect::<Result<_>>()?;
        self.install(boundary, fresh, expected)
    }

    /// As [`Index::install_base`], but the views stay in their files: readers see each row as it is
    /// stored and what came after it. `stored` has the views in the order of the index, with their
    /// digests.
    ///
    /// NOT checked is that the files are whole: a damaged block is an error of the reads that meet
    /// it.
    ///
    /// # Errors
    /// When something was published before.
    pub fn install_stored_base(&self, boundary: Epoch, stored: StoredBase) -> Result<()> {
        let (fresh, expected) = self.shared.over_stored(boundary, stored);
        self.install(boundary, fresh, expected)
    }

    /// Makes `fresh` the base, whose views have the digests `expected`.
    fn install(&self, boundary: Epoch, fresh: IndexState, expected: Vec<Digest>) -> Result<()> {
        let views = self.shared.views.len();
        self.shared.update(|writer, state| {
            if state.lists.iter().any(|list| list.upper > 0) {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("a base at epoch {boundary} on an index that is not empty"),
                )
                .remedy("install the base before the dataflow publishes, or replace the base"));
            }
            state.lists = fresh.lists;
            state.stored = fresh.stored;
            state.boundary = boundary;
            state.since = boundary - 1;
            state.frontier = state.least_upper();
            let heard = match writer.restored.take() {
                Some(early) if early.boundary == boundary => early.heard,
                Some(early) => panic!("a base at {boundary}, expected at {}", early.boundary),
                None => vec![Digest::default(); views],
            };
            writer.restored = Some(Restored { boundary, expected: Some(expected), heard });
            Ok(())
        })
    }

    /// Has the dataflow repeated the installed base with the same digests? `false` as long as the
    /// dataflow has not published all of the base, and for stored views; `true` also when no base
    /// was installed.
    ///
    /// # Errors
    /// When a view differs: the function or its version pin is not what the batch view was made
    /// with, or one of the two is damaged.
    pub fn base_checked(&self) -> Result<bool> {
        let writer = lock(&self.shared.writer);
        let Some(restored) = &writer.restored else {
            // The dataflow behind stored views that nobody publishes to has an index of its own.
            return Ok(!self.is_stored() || writer.published.iter().any(|upper| *upper > 0));
        };
        let Some(expected) = &restored.expected else { return Ok(false) };
        if writer.published.iter().any(|upper| *upper < restored.boundary) {
            return Ok(false);
        }
        for (view, info) in self.shared.views.iter().enumerate() {
            let expected = expected[view];
            let heard = restored.heard[view];
            if expected != heard {
                return Err(differs(&info.name, restored.boundary, expected, heard)
                    .remedy("rebuild the batch view; give a changed function a new version"));
            }
        }
        Ok(true)
    }

    /// Waits until [`Index::base_checked`] gives `true`, at most for `timeout`; gives its result.
    ///
    /// # Errors
    /// As for [`Index::base_checked`].
    pub fn wait_checked(&self, timeout: Duration) -> Result<bool> {
        // Raised by every published batch, whether the readers' frontier moves or not.
        self.shared.work.wait(timeout, || !matches!(self.base_checked(), Ok(false)));
        self.base_checked()
    }

    /// Pins `epoch`, so that the index can be cut there until the pin is dropped. Take the pin
    /// before the recompute starts whose result will replace everything below.
    ///
    /// # Errors
    /// When the epoch is not in `(since, upper]`.
    pub fn pin(&self, epoch: Epoch) -> Result<Pin> {
        self.pin_for(epoch, false)
    }

    /// As [`Index::pin`], but the pin is let go when the updates since the epoch take more bytes
    /// than history may: for a cut that is not required.
    ///
    /// # Errors
    /// As [`Index::pin`].
    pub fn pin_within(&self, epoch: Epoch) -> Result<Pin> {
        self.pin_for(epoch, true)
    }

    fn pin_for(&self, epoch: Epoch, bounded: bool) -> Result<Pin> {
        self.shared.update(|writer, state| {
            let last = epoch.checked_sub(1).unwrap_or(Epoch::MAX);
            check_inside(last, state.since, state.frontier)?;
            let holders = writer.pins.entry(epoch).or_default();
            *(if bounded { &mut holders.bounded } else { &mut holders.firm }) += 1;
            Ok(Pin { shared: Arc::clone(&self.shared), epoch, bounded })
        })
    }

    /// Replaces everything below the pinned epoch by the views as recomputed there, in one swap.
    /// Reads all views once, to check that no answer changes; readers go on meanwhile.
    ///
    /// Afterwards `since` is at least the last epoch of the base. Snapshots that are held go on to
    /// answer from the batches they hold.
    ///
    /// # Errors
    /// When a view's digest differs (nothing is replaced then), the base does not cover `[0,
    /// epoch)` of every view and shard exactly once, or a bounded pin was let go.
    pub fn replace_base(&self, pin: &Pin, base: Base) -> Result<()> {
        let shared = &self.shared;
        let at = pin.epoch;
        let base = shared.check_base(at, base)?;
        let fresh = IndexState { lists: base, ..IndexState::empty(0, shared.shards) };
        self.replace(pin, fresh, |fresh, view| fresh.digest(view, at))
    }

    /// As [`Index::replace_base`], but everything below the pinned epoch leaves memory and is read
    /// from files. Compares the digests that the files state with those of this index: what it has
    /// in memory is read for that, what it has in files is taken as its own files state it.
    ///
    /// # Errors
    /// As [`Index::replace_base`].
    pub fn replace_stored_base(&self, pin: &Pin, stored: StoredBase) -> Result<()> {
        let (fresh, expected) = self.shared.over_stored(pin.epoch, stored);
        self.replace(pin, fresh, |_, view| Ok(expected[view]))
    }

    /// Puts `fresh`, whose views have the digests that `expected` gives, in the place of everything
    /// below the pinned epoch.
    fn replace(
        &self,
        pin: &Pin,
        fresh: IndexState,
        expected: impl Fn(&IndexState, usize) -> Result<Digest>,
    ) -> Result<()> {
        let shared = &self.shared;
        let at = pin.epoch;
        assert!(Arc::ptr_eq(shared, &pin.shared), "a pin of another index");
        let current = shared.state.load_full();
        check_inside(at - 1, current.since, current.frontier)?;
        for (view, info) in shared.views.iter().enumerate() {
            let now = current.stated_digest(view, at);
            let new = expected(&fresh, view)?;
            if now != new {
                return Err(differs(&info.name, at, now, new)
                    .remedy("answers would change: install a changed function as a new version"));
            }
        }
        // Batches that reach over the cut are copied before the lock is taken.
        let cut = current.lists.iter().flat_map(|list| list.cut_at(at)).collect::<Vec<_>>();
        drop(current);
        shared.update(|_, state| {
            check_inside(at - 1, state.since, state.frontier)?;
            for (list, base) in state.lists.iter_mut().zip(fresh.lists) {
                let mut batches = base.batches.clone();
                batches.extend(list.cut_from(at, &cut));
                *list = Arc::new(BatchList { upper: list.upper, batches });
            }
            state.stored = fresh.stored;
            state.since = state.since.max(at - 1);
            state.boundary = state.boundary.max(at);
            Ok(())
        })
    }
}

fn differs(view: &str, at: Epoch, one: Digest, other: Digest) -> Error {
    let message = format!("view \"{view}\" at epoch {at}: digest {one} before, {other} after");
    Error::new(Kind::Damaged, message)
}

impl IndexShared {
    /// A state of a stored base, and the digests of its views.
    ///
    /// Panics when it has more or fewer views than the index.
    fn over_stored(&self, boundary: Epoch, base: StoredBase) -> (IndexState, Vec<Digest>) {
        assert_eq!(base.len(), self.views.len(), "stored views, and views");
        let (views, digests): (Vec<_>, Vec<_>) = base.into_iter().unzip();
        (IndexState::over_stored(Stored(views.into()), self.shards, boundary), digests)
    }

    /// The base as lists, after a check that it is complete.
    fn check_base(&self, boundary: Epoch, base: Base) -> Result<Vec<Arc<BatchList>>> {
        let mut lists = vec![BatchList::default(); self.views.len() * self.shards];
        for (view, shard, batch) in base {
            let inside = view < self.views.len() && shard < self.shards;
            let covers = (batch.lower_epoch(), batch.upper_epoch()) == (0, boundary);
            if !inside || !covers || lists[view * self.shards + shard].upper > 0 {
                return Err(incomplete(
                    boundary,
                    &format!("view {view}, shard {shard}: {batch:?}"),
                ));
            }
            lists[view * self.shards + shard].push(batch, |_| false);
        }
        match lists.iter().position(|list| list.upper == 0) {
            Some(at) => {
                let view = at / self.shards;
                let shard = at % self.shards;
                Err(incomplete(boundary, &format!("view {view}, shard {shard} is missing")))
            }
            None => Ok(lists.into_iter().map(Arc::new).collect()),
        }
    }
}

fn incomplete(boundary: Epoch, what: &str) -> Error {
    Error::new(Kind::Conflict, format!("the base does not cover [0, {boundary}): {what}"))
        .remedy("use a batch view of this dataflow and version, split for this many shards")
}

impl Restored {
    /// The first epoch after the base.
    pub(super) fn boundary(&self) -> Epoch {
        self.boundary
    }
}

impl WriterState {
    /// Is a base announced and not installed yet?
    pub(super) fn expects_base(&self) -> bool {
        !self.retired && self.restored.as_ref().is_some_and(|base| base.expected.is_none())
    }

    /// Adds a digest to the updates of a view that the dataflow has repeated.
    ///
    /// Panics when there is no base to be repeated.
    pub(super) fn hear(&mut self, view: usize, digest: Digest) {
        let Some(restored) = &mut self.restored else {
            panic!("view {view}: {digest} repeats a base that was never installed")
        };
        restored.heard[view] = restored.heard[view].plus(digest);
    }

    /// The part of a published batch that is new to a restored index: times from the boundary on.
    pub(super) fn drop_restored(&mut self, view: usize, batch: ViewBatch) -> Option<ViewBatch> {
        let lower = batch.lower_epoch();
        let Some(restored) = self.restored.as_mut().filter(|base| lower < base.boundary) else {
            return Some(batch);
        };
        let boundary = restored.boundary;
        let heard = &mut restored.heard[view];
        batch.for_each(|key, value, time, diff| {
            if time < boundary {
                heard.add(key, value, diff);
            }
        });
        (batch.upper_epoch() > boundary).then(|| batch.since_time(boundary))
    }
}

/// The index that serves readers now; a cutover replaces it by another.
pub struct Serving {
    current: ArcSwap<Index>,
    verified: Verified,
}

impl Serving {
    /// Serves from `index`.
    pub fn new(index: Index) -> Self {
        Serving { current: ArcSwap::from_pointee(index), verified: Verified::default() }
    }

    /// The verifications of the version that serves.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The index that serves now. Readers that hold it do not follow a cutover.
    pub fn index(&self) -> Arc<Index> {
        self.current.load_full()
    }

    /// A snapshot of the version that serves now; see [`Index::snapshot`].
    ///
    /// # Errors
    /// As [`Index::snapshot`].
    pub fn snapshot(&self, read: Read) -> Result<Snapshot> {
        loop {
            let index = self.current.load_full();
            let snapshot = index.snapshot(read);
            // Taken while a cutover ran: the index that serves afterwards decides the version.
            if Arc::ptr_eq(&index, &self.current.load()) {
                return snapshot;
            }
        }
    }

    /// Moves readers to `next`, another version of the dataflow that has caught up. The index that
    /// served so far is retired: its frontier moves no further, and its waiting readers are woken.
    ///
    /// # Errors
    /// When `next` has not reached the frontier that readers have seen; nothing changes then.
    pub fn cutover(&self, next: Index) -> Result<()> {
        self.cutover_within(next, Duration::ZERO).map(drop)
    }

    /// As [`Serving::cutover`], but holds the frontier of the index that serves for up to `hold`,
    /// so that `next` can reach it however fast both move. Gives the frontier that readers see
    /// first.
    ///
    /// # Errors
    /// As [`Serving::cutover`].
    pub fn cutover_within(&self, next: Index, hold: Duration) -> Result<Epoch> {
        let old = self.current.load_full();
        // Under the writers' lock the old frontier does not move.
        let mut writer = lock(&old.shared.writer);
        let served = old.frontier();
        let ready = served.checked_sub(1).map_or(0, |last| next.wait_beyond(last, hold));
        if ready < served {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "version {} is complete up to {ready}, readers have seen version {} up to \
                     {served}",
                    next.version(),
                    old.version()
                ),
            )
            .remedy("let the new version catch up, then cut over again"));
        }
        let frontier = next.frontier();
        writer.retired = true;
        self.current.store(Arc::new(next));
        self.verified.clear();
        drop(writer);
        old.shared.moved.raise();
        Ok(frontier)
    }
}
