//! Snapshots: all views of a dataflow at one epoch.
//!
//! A snapshot holds the immutable batches it was taken from, so its answers never change and never
//! wait. Each has a lease: when it is not renewed in time, the index takes the batches back and
//! every further call is an error that says so.

use std::sync::Arc;
use std::time::Duration;

use super::index_shared::IndexShared;
use super::index_state::IndexState;
use super::lease::Lease;
use super::merge_page::{MergedBatches, read_page};
use super::merged_row_iter::RowIter;
use super::page::{Cursor, Page};
use super::read_over_stored::{get_over_stored, page_over_stored};
use super::values_of_key::values_of;
use super::view_batch::ViewBatch;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::LEASE_KEPT;
use diptych_base::time::{Branch, Epoch};
use diptych_row::{ByteRange, Digest, ViewInfo};

/// The epoch to read at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The last complete epoch.
    Latest,
    /// The last complete epoch, once it is at least this one; waits at most this long. With the
    /// epoch of an acknowledged append: read your writes.
    AtLeast(Epoch, Duration),
    /// Exactly this epoch.
    AsOf(Epoch),
}

/// All views of a dataflow at one epoch, under a lease.
pub struct Snapshot {
    shared: Arc<IndexShared>,
    pub(super) lease: Arc<Lease>,
    since: Epoch,
    frontier: Epoch,
    boundary: Epoch,
    jumped: Option<Epoch>,
}

impl Snapshot {
    pub(super) fn take(shared: &Arc<IndexShared>, read: Read) -> Result<Snapshot> {
        if let Read::AtLeast(epoch, timeout) = read
            && shared.wait_beyond(epoch, timeout) <= epoch
        {
            return Err(not_yet(shared, epoch, timeout));
        }
        let state = shared.state.load_full();
        let upper = match read {
            Read::AsOf(epoch) => {
                check_inside(epoch, state.since, state.frontier)?;
                epoch + 1
            }
            _ => state.frontier,
        };
        Snapshot::of(shared, state, upper)
    }

    fn of(shared: &Arc<IndexShared>, state: Arc<IndexState>, upper: Epoch) -> Result<Snapshot> {
        let since = state.since;
        let frontier = state.frontier;
        let boundary = state.boundary;
        let lease = shared.leases.grant(state, upper, shared.options.lease_length)?;
        let shared = Arc::clone(shared);
        Ok(Snapshot { shared, lease, since, frontier, boundary, jumped: None })
    }

    /// The same batches at another epoch of `[since, frontier)`, under a lease of its own.
    ///
    /// # Errors
    /// When the epoch is outside, or the lease has expired.
    pub fn at(&self, epoch: Epoch) -> Result<Snapshot> {
        check_inside(epoch, self.since, self.frontier)?;
        let state = Arc::new(IndexState::clone(&*self.lease.state()?));
        let snapshot = Snapshot::of(&self.shared, state, epoch + 1)?;
        Ok(snapshot.among_jumps(self.jumped))
    }

    /// Calls `visit` with each row whose multiplicity differs from that in the stored base, in
    /// order, and with the difference; with every row when there is no such base. Reads memory
    /// only.
    ///
    /// # Errors
    /// When the lease has expired, and errors of `visit`.
    pub fn for_each_change(
        &self,
        view: usize,
        mut visit: impl FnMut(&[u8], &[u8], isize) -> Result<()>,
    ) -> Result<()> {
        let (state, upper) = (self.lease.state()?, self.lease.upper);
        let range = ByteRange::all();
        let times = |batch: &ViewBatch, value| batch.multiplicity(value, upper);
        let mut merged = MergedBatches::start(state.batches(view, upper), &range, None);
        while let Some((key, value)) = merged.row() {
            let times = merged.pass(&times);
            if times != 0 {
                visit(key, value, times)?;
            }
        }
        Ok(())
    }

    /// Marks a snapshot that was requested by a time at which the clock of the log had jumped:
    /// `jumped` is an epoch before this one, if there is one, with a later clock than that time.
    #[must_use]
    pub fn among_jumps(mut self, jumped: Option<Epoch>) -> Snapshot {
        self.jumped = jumped;
        self
    }

    /// The first epoch before this one whose clock is later than the requested time.
    pub fn jumped(&self) -> Option<Epoch> {
        self.jumped
    }

    /// The epoch of all answers; none when no epoch is complete yet, and all views are empty.
    pub fn epoch(&self) -> Option<Epoch> {
        self.lease.upper.checked_sub(1)
    }

    /// The branch of the log that wrote this epoch; none without an epoch, or without a log.
    pub fn branch(&self) -> Option<Branch> {
        self.shared.options.branches.before(self.lease.upper)
    }

    /// The first epoch that is not in the answers.
    pub fn upper(&self) -> Epoch {
        self.lease.upper
    }

    /// The frontier of the index when the snapshot was taken.
    pub fn frontier(&self) -> Epoch {
        self.frontier
    }

    /// The earliest epoch that [`Snapshot::at`] answers at.
    pub fn since(&self) -> Epoch {
        self.since
    }

    /// The boundary when the snapshot was taken: the first epoch after the batch layer's part.
    pub fn boundary(&self) -> Epoch {
        self.boundary
    }

    /// Was the dataflow still catching up with what was in the log at the start, when the snapshot
    /// was taken?
    pub fn is_stale(&self) -> bool {
        self.shared.is_stale(self.frontier)
    }

    /// Are rows read from files? Reading may wait for a disk then.
    pub fn is_stored(&self) -> bool {
        self.lease.state().is_ok_and(|state| state.stored.is_some())
    }

    /// The version of the dataflow.
    pub fn version(&self) -> &str {
        &self.shared.version
    }

    /// The generation of the answers; see [`Index::generation`](super::Index::generation).
    pub fn generation(&self) -> &str {
        &self.shared.generation
    }

    /// The views, by id.
    pub fn views(&self) -> &[ViewInfo] {
        &self.shared.views
    }

    /// Prolongs the lease to its full length from now.
    ///
    /// # Errors
    /// When it has expired already.
    pub fn renew(&self) -> Result<()> {
        self.lease.renew(self.shared.options.lease_length)
    }

    /// Prolongs the lease until the snapshot is dropped. For callers that surely drop it: its
    /// batches are not given back otherwise.
    ///
    /// # Errors
    /// When it has expired already.
    pub fn keep(&self) -> Result<()> {
        self.lease.renew(LEASE_KEPT)
    }

    /// As [`keep`](Snapshot::keep), and the lease is not ended because of the bytes that it holds
    /// either: for work of which only one runs at a time, and which is in vain when it does not
    /// finish.
    ///
    /// # Errors
    /// When it has expired already.
    pub fn hold(&self) -> Result<()> {
        self.lease.spare();
        self.keep()
    }

    /// Keeps the epoch readable for the length of a lease from now, also when the snapshot has been
    /// dropped: for a client that was given a cursor to go on from. Holds none of the snapshot's
    /// batches.
    pub fn keep_epoch(&self) {
        if let Some(epoch) = self.epoch() {
            self.shared.leases.keep(epoch, self.shared.options.lease_length);
        }
    }

    /// The values of a key, in order, each with its multiplicity: never zero, negative only when
    /// the dataflow retracts rows that it has not inserted.
    ///
    /// # Errors
    /// When the lease has expired, or a [stored](super::StoredView) view is damaged; so for all
    /// reads.
    pub fn get(&self, view: usize, key: &[u8]) -> Result<Vec<(Vec<u8>, isize)>> {
        let mut found = Vec::new();
        self.get_with(view, key, |value, times| found.push((value.to_vec(), times)))?;
        Ok(found)
    }

    /// [`Snapshot::get`] without copies: calls `visit` with each value and its multiplicity.
    ///
    /// # Errors
    /// When the lease has expired.
    #[inline]
    pub fn get_with(&self, view: usize, key: &[u8], visit: impl FnMut(&[u8], isize)) -> Result<()> {
        let state = self.lease.state()?;
        lookup(&state, view, key, self.lease.upper, visit)
    }

    /// The values of many keys, in the order of `keys`. The keys are looked up in order of their
    /// bytes.
    ///
    /// # Errors
    /// When the lease has expired.
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        view: usize,
        keys: &[K],
    ) -> Result<Vec<Vec<(Vec<u8>, isize)>>> {
        let state = self.lease.state()?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by(|a, b| keys[*a].as_ref().cmp(keys[*b].as_ref()));
        let mut found = vec![Vec::new(); keys.len()];
        for index in order {
            let key = keys[index].as_ref();
            let values = &mut found[index];
            let visit = |value: &[u8], times| values.push((value.to_vec(), times));
            lookup(&state, view, key, self.lease.upper, visit)?;
        }
        Ok(found)
    }

    /// All rows of a view, in order of key and value.
    pub fn scan(&self, view: usize) -> RowIter<'_> {
        self.range(view, ByteRange::all())
    }

    /// The rows whose key bytes start with `prefix`.
    pub fn prefix(&self, view: usize, prefix: &[u8]) -> RowIter<'_> {
        self.range(view, ByteRange::prefix(prefix))
    }

    /// The rows whose key bytes are in `range`, in order of key and value.
    pub fn range(&self, view: usize, range: ByteRange) -> RowIter<'_> {
        RowIter::new(self, view, range)
    }

    /// At most `limit` rows of `range` that come after `cursor`, and the cursor of the next page.
    ///
    /// A cursor also works on another snapshot at the same epoch. A page of long rows has fewer
    /// rows.
    ///
    /// # Errors
    /// When the lease has expired, or a [bounded](Cursor::bounded) cursor is not of this range.
    pub fn page(
        &self,
        view: usize,
        range: &ByteRange,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page> {
        let state = self.lease.state()?;
        if let Some(stored) = &state.stored {
            let updates = state.batches(view, self.lease.upper).collect::<Vec<_>>();
            let stored = stored.view(view);
            return page_over_stored(stored, &updates, range, cursor, limit, self.lease.upper);
        }
        read_page(&state, view, range, cursor, self.lease.upper, limit)
    }

    /// The digest of a view at this epoch. Reads the whole view.
    ///
    /// # Errors
    /// When the lease has expired.
    pub fn digest(&self, view: usize) -> Result<Digest> {
        let state = self.lease.state()?;
        state.digest(view, self.lease.upper)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.leases.release(&self.lease);
    }
}

/// Visits the values of one key, in order.
#[inline]
fn lookup(
    state: &IndexState,
    view: usize,
    key: &[u8],
    upper: Epoch,
    mut visit: impl FnMut(&[u8], isize),
) -> Result<()> {
    if let Some(stored) = &state.stored {
        return get_over_stored(stored.view(view), state, view, key, upper, &mut visit);
    }
    values_of(state, view, key, upper, usize::MAX, visit);
    Ok(())
}

pub(super) fn check_inside(epoch: Epoch, since: Epoch, upper: Epoch) -> Result<()> {
    if (since..upper).contains(&epoch) {
        return Ok(());
    }
    let remedy = if epoch < since {
        "ask for a later epoch, or recompute this one from the log"
    } else {
        "wait for it with at_least, or ask for an earlier epoch"
    };
    let message = format!("epoch {epoch} is outside [since, upper) = [{since}, {upper})");
    Err(Error::new(Kind::Missing, message).remedy(remedy))
}

fn not_yet(shared: &IndexShared, epoch: Epoch, timeout: Duration) -> Error {
    let upper = shared.state.load().frontier;
    let message = format!("epoch {epoch} is not complete after {timeout:?}: upper is {upper}");
    Error::new(Kind::TimedOut, message).remedy("retry, wait longer, or read the latest epoch")
}
