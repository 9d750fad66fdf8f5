//! The entries of an owner as bytes, in the order of their places.
//!
//! A key is hashed as it is written, so that the hash is the same in files and on every machine.
//! NOT checked is that keys which are equal are written alike: see [`Key`](super::Key).

use std::cell::RefCell;
use std::cmp::Ordering;

use bincode::Options;
use serde::Serialize;

use super::accumulation_codec::{Sink, codec, stored_form, unwritable};
use super::accumulation_monoids::Accumulate;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::hash_buckets::key_hash;
use diptych_row::{AccumulationPiece, ByteRange, EntryBefore, StoredAccumulation, StoredPartial};

thread_local! {
    static KEY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The hash of a key, by its bytes. A key that cannot be written has some hash, always the same;
/// writing the accumulation reports it.
pub(super) fn hash_of<K: Serialize>(key: &K) -> u64 {
    KEY.with_borrow_mut(|bytes| {
        bytes.clear();
        // Without a limit: with one the key would be measured first.
        let plain = bincode::DefaultOptions::new().with_fixint_encoding();
        let _ = plain.serialize_into(&mut *bytes, key);
        key_hash(bytes)
    })
}

/// Writes the place of a key to `place`: its hash and the key.
pub(super) fn put_place<K: Serialize>(key: &K, place: &mut Vec<u8>) -> Result<()> {
    place.clear();
    place.extend_from_slice(&[0; 8]);
    codec().serialize_into(&mut *place, key).map_err(|error| unwritable(&error))?;
    let hash = key_hash(&place[8..]);
    place[..8].copy_from_slice(&hash.to_be_bytes());
    Ok(())
}

/// Reads a partial of the accumulation `name`.
pub(super) fn partial_of<A: Accumulate>(
    accumulate: &A,
    name: &str,
    stored: StoredPartial<'_>,
) -> Result<A::Partial> {
    let partial = if stored.wide {
        codec().deserialize(stored.bytes)
    } else {
        stored_form(|| codec().deserialize(stored.bytes)).map(|stored| accumulate.restored(stored))
    };
    partial.map_err(|error| {
        Error::new(Kind::Damaged, format!("an entry of accumulation {name:?}: {error}")).remedy(
            "its types changed without a new version, or the file is damaged: \
             recompute with `diptych batch`",
        )
    })
}

/// Writes entries in the order of their places, those in memory before those of `stored`, of which
/// it writes the ones in `range`. Partials that are zero are left out, with what they stand before.
///
/// # Errors
/// When an entry cannot be written, `stored` cannot be read, or the sink refuses.
pub(super) fn write_in_order<'p, A: Accumulate>(
    accumulate: &'p A,
    entries: impl Iterator<Item = (&'p A::Key, &'p A::Partial)>,
    stored: Option<(&dyn StoredAccumulation, ByteRange)>,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let mut memory = Ahead::of(entries)?;
    let mut bytes = Vec::new();
    let mut write = |memory: &mut Ahead<'p, A::Key, &'p A::Partial>, sink: &mut Sink<'_>| {
        if let Some(partial) = memory.at.filter(|partial| !accumulate.is_zero(partial)) {
            let partial = put_partial(accumulate, partial, &mut bytes)?;
            sink(AccumulationPiece::Entry { place: &memory.place, partial })?;
        }
        memory.step()
    };
    if let Some((stored, range)) = stored {
        stored.for_each(&range, &mut |place, partial| {
            while memory.at.is_some() && memory.place[..] < *place {
                write(&mut memory, sink)?;
            }
            if memory.at.is_some() && memory.place[..] == *place {
                return write(&mut memory, sink);
            }
            sink(AccumulationPiece::Entry { place, partial })
        })?;
    }
    while memory.at.is_some() {
        write(&mut memory, sink)?;
    }
    Ok(())
}

/// Writes entries as changes, in the order of their places, each with what the files have in its
/// place, which `of` gives with the partial: one whose partial is zero is gone.
///
/// # Errors
/// When an entry cannot be written, or the sink refuses.
pub(super) fn write_changes_in_order<'p, A: Accumulate, E: Copy>(
    accumulate: &'p A,
    entries: impl Iterator<Item = (&'p A::Key, E)>,
    of: impl Fn(E) -> (&'p A::Partial, EntryBefore),
    sink: &mut Sink<'_>,
) -> Result<()> {
    let mut memory = Ahead::of(entries)?;
    let mut bytes = Vec::new();
    while let Some((partial, before)) = memory.at.map(&of) {
        let place = &memory.place;
        let there = !accumulate.is_zero(partial);
        let partial = there.then(|| put_partial(accumulate, partial, &mut bytes)).transpose()?;
        sink(AccumulationPiece::Change { place, partial, before })?;
        memory.step()?;
    }
    Ok(())
}

/// Writes a partial to `bytes`.
fn put_partial<'b, A: Accumulate>(
    accumulate: &A,
    partial: &A::Partial,
    bytes: &'b mut Vec<u8>,
) -> Result<StoredPartial<'b>> {
    bytes.clear();
    let stored = accumulate.stored(partial);
    let wide = stored.is_none();
    let written = match &stored {
        Some(stored) => stored_form(|| codec().serialize_into(&mut *bytes, &**stored)),
        None => codec().serialize_into(&mut *bytes, partial),
    };
    written.map_err(|error| unwritable(&error))?;
    Ok(StoredPartial { bytes, wide })
}

/// Sorts entries in the order of their places: `of` gives hash and key.
pub(super) fn sort_by_place<'k, T, K: Serialize + 'k>(
    entries: &mut [T],
    of: impl Fn(&T) -> (u64, &'k K),
) {
    entries.sort_unstable_by(|a, b| {
        let (a_hash, a_key) = of(a);
        let (b_hash, b_key) = of(b);
        a_hash.cmp(&b_hash).then_with(|| by_bytes(a_key, b_key))
    });
}

/// The order of two keys with one hash.
fn by_bytes<K: Serialize>(a: &K, b: &K) -> Ordering {
    let bytes = |key: &K| codec().serialize(key).unwrap_or_default();
    bytes(a).cmp(&bytes(b))
}

/// Entries in memory in the order of their places, with the place of the first that is not written.
struct Ahead<'p, K, E> {
    /// The hash of each key, the key, the entry.
    entries: std::vec::IntoIter<(u64, &'p K, E)>,
    at: Option<E>,
    place: Vec<u8>,
}

impl<'p, K: Serialize, E: Copy> Ahead<'p, K, E> {
    /// The entries, sorted by their places.
    fn of(entries: impl Iterator<Item = (&'p K, E)>) -> Result<Self> {
        let mut sorted: Vec<_> = entries.map(|(key, entry)| (hash_of(key), key, entry)).collect();
        sort_by_place(&mut sorted, |(hash, key, _)| (*hash, *key));
        let entries = sorted.into_iter();
        let mut memory = Ahead { entries, at: None, place: Vec::new() };
        memory.step()?;
        Ok(memory)
    }

    fn step(&mut self) -> Result<()> {
        self.at = None;
        if let Some((_, key, entry)) = self.entries.next() {
            put_place(key, &mut self.place)?;
            self.at = Some(entry);
        }
        Ok(())
    }
}
