//! The entries of an owner that have changed lately, over the files that hold all others.
//!
//! An entry of memory hides that of the files: it is the whole partial of its key, not a part of
//! it. A key whose partial has become zero stays in memory, because files below may have it, and so
//! may those that come to lie below. When newer files are there, what has not changed since leaves
//! memory.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::accumulation_codec::Sink;
use super::accumulation_monoids::{Accumulate, Made};
use super::combiner::KeyPartial;
use super::entry_bytes::{
    hash_of, partial_of, put_place, sort_by_place, write_changes_in_order, write_in_order,
};
use super::state_size::StateSize;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_row::{ByteRange, EntryBefore, StoredAccumulation};

/// Entries in memory, and the files below.
pub(super) struct RecentEntries<A: Accumulate> {
    recent: HashMap<A::Key, Recent<A::Partial>, FixedState>,
    stored: Option<Arc<dyn StoredAccumulation>>,
    /// Every epoch below is in the files.
    boundary: Epoch,
}

struct Recent<P> {
    partial: P,
    /// The epoch of the last change; 0 for one that was only read.
    changed: Epoch,
    /// The entry in the files below.
    before: EntryBefore,
}

impl<A: Accumulate> RecentEntries<A> {
    /// No entries in memory, over `stored`, which has everything below `boundary`.
    pub(super) fn over(boundary: Epoch, stored: Option<Arc<dyn StoredAccumulation>>) -> Self {
        RecentEntries { recent: HashMap::default(), stored, boundary }
    }

    /// Puts `stored`, which has everything below `boundary`, in the place of the files below, and
    /// drops the entries that have not changed since.
    pub(super) fn rest_on(&mut self, boundary: Epoch, stored: Arc<dyn StoredAccumulation>) {
        self.recent.retain(|_, recent| recent.changed >= boundary);
        self.recent.shrink_to_fit();
        // Those that stay were other entries when these files were written.
        self.recent.values_mut().for_each(|recent| recent.before = EntryBefore::Unknown);
        self.stored = Some(stored);
        self.boundary = boundary;
    }

    /// Is there no entry, in memory or in files?
    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.stored.is_none()
    }

    /// The number of entries in memory.
    pub(super) fn len(&self) -> usize {
        self.recent.len()
    }

    /// The size of both.
    pub(super) fn size(&self) -> StateSize {
        let slot = size_of::<(A::Key, Recent<A::Partial>)>();
        let slots = self.recent.capacity();
        let stored = self.stored.as_ref().map_or(0, |stored| stored.entries());
        StateSize { stored, ..StateSize::of_table(self.iter(), self.recent.len(), slots, slot) }
    }

    /// Brings the entries of all keys of an epoch into memory that have one, in the order of the
    /// files. `name` is that of the accumulation, for the error.
    ///
    /// # Errors
    /// When what has to be read is damaged.
    pub(super) fn fetch<'q>(
        &mut self,
        accumulate: &A,
        name: &str,
        epoch: impl Iterator<Item = &'q KeyPartial<A, A::Key>>,
    ) -> Result<()> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let unknown = epoch.map(|(key, _)| key).filter(|key| !self.recent.contains_key(*key));
        let mut missing: Vec<_> = unknown.map(|key| (hash_of(key), key)).collect();
        sort_by_place(&mut missing, |entry| *entry);
        missing.dedup_by(|(a, a_key), (b, b_key)| a == b && a_key == b_key);
        let mut place = Vec::new();
        for (_, key) in missing {
            put_place(key, &mut place)?;
            stored.get(&place, &mut |found| {
                let partial = partial_of(accumulate, name, found)?;
                let before = EntryBefore::There(stored.digest_of(&place, found));
                self.recent.insert(key.clone(), Recent { partial, changed: 0, before });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Merges a partial of `epoch` without telling the change.
    pub(super) fn combine(
        &mut self,
        accumulate: &A,
        epoch: Epoch,
        (key, partial): KeyPartial<A, A::Key>,
    ) {
        use hashbrown::hash_map::Entry;
        match self.recent.entry(key) {
            Entry::Occupied(mut entry) => {
                accumulate.merge(&mut entry.get_mut().partial, partial);
                entry.get_mut().changed = epoch;
            }
            Entry::Vacant(entry) => {
                let before = EntryBefore::Unknown;
                entry.insert(Recent { partial, changed: epoch, before });
            }
        }
    }

    /// The entries in memory.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&A::Key, &A::Partial)> {
        self.recent.iter().map(|(key, recent)| (key, &recent.partial))
    }

    /// Merges a partial of `epoch`, whose key was [fetched](RecentEntries::fetch), and emits the
    /// change of the key's row.
    pub(super) fn apply(
        &mut self,
        accumulate: &A,
        epoch: Epoch,
        (key, partial): KeyPartial<A, A::Key>,
        emit: &mut impl FnMut(&A::Key, Made<A::Row>, isize),
    ) {
        use hashbrown::hash_map::Entry;
        match self.recent.entry(key) {
            Entry::Vacant(entry) => {
                emit(entry.key(), accumulate.row(entry.key(), &partial), 1);
                // It was looked for in the files.
                let before = EntryBefore::Absent;
                entry.insert(Recent { partial, changed: epoch, before });
            }
            Entry::Occupied(mut entry) => {
                // A partial that is zero has no row.
                let old = accumulate.row(entry.key(), &entry.get().partial);
                accumulate.merge(&mut entry.get_mut().partial, partial);
                entry.get_mut().changed = epoch;
                let new = accumulate.row(entry.key(), &entry.get().partial);
                if old != new {
                    emit(entry.key(), old, -1);
                    emit(entry.key(), new, 1);
                }
            }
        }
    }

    /// Writes all entries whose places are in `range`, those in memory and those in files.
    ///
    /// # Errors
    /// As [`write_in_order`].
    pub(super) fn write(
        &self,
        accumulate: &A,
        range: ByteRange,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let stored = self.stored.as_deref().map(|stored| (stored, range));
        write_in_order(accumulate, self.iter(), stored, sink)
    }

    /// Writes the entries that have changed since the files, which are those of a batch view at
    /// `since`: `name` is that of the accumulation, for the error.
    ///
    /// # Errors
    /// As [`write_in_order`], and when the entries rest on other files.
    pub(super) fn write_changes(
        &self,
        accumulate: &A,
        name: &str,
        since: Epoch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        if self.boundary != since {
            let own = self.boundary;
            let message = format!(
                "accumulation {name:?} rests on files at epoch {own}, changes since {since} are \
                 asked"
            );
            return Err(Error::new(Kind::Conflict, message).remedy("the log is whole: start again"));
        }
        // One that was only read is as it is in the files.
        let changed = self.recent.iter().filter(|(_, recent)| recent.changed >= since);
        write_changes_in_order(accumulate, changed, |one| (&one.partial, one.before), sink)
    }
}
