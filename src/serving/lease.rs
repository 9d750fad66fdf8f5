//! Leases: a reader holds the batches of a snapshot for a bounded time.
//!
//! The index keeps a table of all leases and owns what they hold. When one expires, the index
//! takes the batches back; the reader's next call is an error. So a reader that stalls costs
//! memory for the length of its lease, never longer.
//!
//! Leases are bounded in bytes, too: see [`Leases::end_beyond`]. A place given to a client, such
//! as the cursor of a page, keeps its epoch readable as long as a lease does, and holds no batches.
//!
//! Expiry is a matter of resources and is measured on the monotonic clock; no answer depends on it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};

use super::index_state::IndexState;
use super::view_batch::ViewBatch;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{LEASE_LEAST, LEASES_MAX};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// The lease of one reader: the state of the index, until the lease ends.
pub(super) struct Lease {
    id: u64,
    /// The first epoch the reader does not see.
    pub(super) upper: Epoch,
    held: ArcSwapOption<IndexState>,
    expires: Mutex<Instant>,
    granted: Instant,
    /// The lease is not ended because of the bytes that it holds.
    spared: AtomicBool,
}

/// All leases of an index.
#[derive(Default)]
pub(super) struct Leases {
    next: AtomicU64,
    table: Mutex<HashMap<u64, Arc<Lease>>>,
    /// Epochs of places that were given to clients, and until when each stays readable.
    places: Mutex<BTreeMap<Epoch, Instant>>,
}

impl Lease {
    /// The leased state; an error once the lease has expired.
    #[inline]
    pub(super) fn state(&self) -> Result<LeasedState> {
        let held = self.held.load();
        if held.is_some() { Ok(LeasedState(held)) } else { Err(self.expired()) }
    }

    /// Prolongs the lease to end at least `length` from now.
    pub(super) fn renew(&self, length: Duration) -> Result<()> {
        let mut expires = lock(&self.expires);
        *expires = (*expires).max(Instant::now() + length);
        drop(expires);
        self.state().map(drop)
    }

    /// Exempts the lease from being ended because of the bytes that it holds.
    pub(super) fn spare(&self) {
        self.spared.store(true, Ordering::Relaxed);
    }

    fn is_spared(&self) -> bool {
        self.spared.load(Ordering::Relaxed)
    }

    /// Whether the lease is too young, at `now`, to be ended because of the bytes that it holds.
    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.granted) < LEASE_LEAST
    }

    /// The epoch that the lease answers at.
    fn epoch(&self) -> Epoch {
        self.upper.saturating_sub(1)
    }

    fn expired(&self) -> Error {
        let upper = self.upper;
        Error::new(Kind::Missing, format!("the lease of the snapshot below epoch {upper} expired"))
            .remedy("take a new snapshot, or renew the lease in time")
    }
}

/// The state behind a lease, for the length of one call.
pub(super) struct LeasedState(Guard<Option<Arc<IndexState>>>);

impl std::ops::Deref for LeasedState {
    type Target = IndexState;
    #[inline]
    fn deref(&self) -> &IndexState {
        self.0.as_deref().expect("held states are checked when they are loaded")
    }
}

impl Leases {
    /// A new lease on `state` as it was below `upper`.
    ///
    /// # Errors
    /// When there are too many leases.
    pub(super) fn grant(
        &self,
        state: Arc<IndexState>,
        upper: Epoch,
        length: Duration,
    ) -> Result<Arc<Lease>> {
        let mut table = lock(&self.table);
        if table.len() >= LEASES_MAX {
            return Err(Error::new(Kind::Busy, format!("{LEASES_MAX} snapshots are held"))
                .remedy("drop snapshots after use, or retry when some leases have expired"));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let held = ArcSwapOption::from(Some(state));
        let granted = Instant::now();
        let expires = Mutex::new(granted + length);
        let spared = AtomicBool::new(false);
        let lease = Arc::new(Lease { id, upper, held, expires, granted, spared });
        table.insert(id, Arc::clone(&lease));
        Ok(lease)
    }

    /// Ends a lease early.
    pub(super) fn release(&self, lease: &Lease) {
        lock(&self.table).remove(&lease.id);
        lease.held.store(None);
    }

    /// Keeps `epoch` readable for `length` from now. When there are too many epochs, the earliest
    /// is dropped.
    pub(super) fn keep(&self, epoch: Epoch, length: Duration) {
        let mut places = lock(&self.places);
        places.insert(epoch, Instant::now() + length);
        if places.len() > LEASES_MAX {
            places.pop_first();
        }
    }

    /// Takes back the batches of expired leases.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        lock(&self.places).retain(|_, until| *until > now);
        lock(&self.table).retain(|_, lease| {
            let alive = *lock(&lease.expires) > now;
            if !alive {
                lease.held.store(None);
            }
            alive
        });
    }

    /// The earliest epoch, not before `since`, that a lease or a place is at.
    pub(super) fn earliest_from(&self, since: Epoch) -> Option<Epoch> {
        let table = lock(&self.table);
        let leased = table.values().map(|lease| lease.epoch()).filter(|epoch| *epoch >= since);
        let place = lock(&self.places).range(since..).next().map(|(epoch, _)| *epoch);
        leased.chain(place).min()
    }

    /// Ends all places at epochs before `epoch`.
    pub(super) fn end_places_before(&self, epoch: Epoch) {
        lock(&self.places).retain(|place, _| *place >= epoch);
    }

    /// Ends the earliest leases, until the batches that only leases hold, and not `state`, are at
    /// most `most` bytes, or as many bytes as `state` has: one merge replaces all that a reader
    /// holds. Leases younger than [`LEASE_LEAST`] are counted, and stay. Taking or releasing a
    /// snapshot does not wait for the counting.
    pub(super) fn end_beyond(&self, state: &Arc<IndexState>, most: usize) {
        let now = Instant::now();
        let held = |lease: &Arc<Lease>| {
            let is_young = lease.is_young(now);
            Some((lease.epoch(), lease.id, is_young, lease.held.load_full()?))
        };
        let table = lock(&self.table);
        let bounded = table.values().filter(|lease| !lease.is_spared());
        let mut leases: Vec<_> = bounded.filter_map(held).collect();
        drop(table);
        if leases.iter().all(|(.., held)| Arc::ptr_eq(held, state)) {
            return;
        }
        let most = most.max(state.all_batches().map(ViewBatch::memory_bytes).sum());
        leases.sort_unstable_by_key(|(epoch, id, ..)| Reverse((*epoch, *id)));
        let mut seen: HashSet<_> = state.all_batches().map(ViewBatch::body_address).collect();
        // Many leases share one state.
        let mut states = HashSet::new();
        let mut bytes = 0;
        let mut ending = Vec::new();
        for (_, id, is_young, held) in &leases {
            if states.insert(Arc::as_ptr(held)) {
                let only = held.all_batches().filter(|batch| seen.insert(batch.body_address()));
                bytes += only.map(ViewBatch::memory_bytes).sum::<usize>();
            }
            if bytes > most && !is_young {
                ending.push(*id);
            }
        }
        let mut table = lock(&self.table);
        for lease in ending.iter().filter_map(|id| table.remove(id)) {
            lease.held.store(None);
        }
    }

    /// The number of leases.
    pub(super) fn count(&self) -> usize {
        lock(&self.table).len()
    }
}
