//! The entries of an accumulation as bytes: how barriers hand them to files, and read them back.
//!
//! An entry is a *place*, eight bytes of the hash of its key and then the key itself, and the
//! partial that the barrier keeps there. The order of places is that of the hashes, so the entries
//! of one owner are a range, whatever the number of owners: see
//! [`hash_buckets`](diptych_base::hash_buckets).

use diptych_base::error::Result;
use diptych_base::hash_buckets::hashes_of_owner;

use super::digest::Digest;
use super::range::ByteRange;

/// The places that owner `owner` of `owners` has: one range for any number of owners.
pub fn places_of(owner: usize, owners: usize) -> ByteRange {
    let (first, end) = hashes_of_owner(owner, owners);
    let bytes = |hash: u64| hash.to_be_bytes().to_vec();
    ByteRange { start: bytes(first), end: end.map(bytes) }
}

/// A piece of an accumulation that a barrier writes.
#[derive(Clone, Copy, Debug)]
pub enum AccumulationPiece<'a> {
    /// A block of entries in no order, and their number.
    Block(&'a [u8], u64),
    /// The entry after the one before, in the order of places.
    Entry {
        /// The hash of the key, big-endian, and the key.
        place: &'a [u8],
        /// The partial of the place.
        partial: StoredPartial<'a>,
    },
    /// The change of the entry after the one before, in the order of places: for files that
    /// continue earlier ones.
    Change {
        /// The hash of the key, big-endian, and the key.
        place: &'a [u8],
        /// The partial of the place; none where there is no entry any more.
        partial: Option<StoredPartial<'a>>,
        /// The entry of the place in the files that are continued.
        before: EntryBefore,
    },
}

/// The entry of a place in the files of a batch view, as far as it is known without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryBefore {
    /// The files have to be read.
    Unknown,
    /// There is none.
    Absent,
    /// There is one, which adds this to the [digest](StoredAccumulation::digest_of) of all.
    There(Digest),
}

/// A partial as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPartial<'a> {
    /// The bytes of the partial.
    pub bytes: &'a [u8],
    /// Is the partial out of the range of its type, and so in a form of its own?
    pub wide: bool,
}

/// An accumulation at the boundary of a batch view, outside of memory.
pub trait StoredAccumulation: Send + Sync {
    /// Calls `visit` with the partial of a place, if the place has an entry.
    ///
    /// # Errors
    /// Damage, by file and offset, in the bytes that have to be read, and errors of `visit`.
    fn get(
        &self,
        place: &[u8],
        visit: &mut dyn FnMut(StoredPartial<'_>) -> Result<()>,
    ) -> Result<()>;

    /// Calls `visit` with place and partial of each entry whose place is in `range`, in order.
    ///
    /// # Errors
    /// As [`StoredAccumulation::get`].
    fn for_each(
        &self,
        range: &ByteRange,
        visit: &mut dyn FnMut(&[u8], StoredPartial<'_>) -> Result<()>,
    ) -> Result<()>;

    /// The digest of an entry: those of all entries add up to that of the accumulation.
    fn digest_of(&self, place: &[u8], partial: StoredPartial<'_>) -> Digest;

    /// The number of entries according to the files.
    fn entries(&self) -> u64;
}
