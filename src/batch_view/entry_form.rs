//! The form of an accumulation's entry as a row: the place is the key, the partial is the value,
//! and the multiplicity tells what they are.

use diptych_row::{Digest, StoredPartial};

/// The bytes of a place before its key: the hash of the key.
pub(super) const HASH: usize = 8;
/// The partial is in the range of its type.
const IN_RANGE: isize = 1;
/// The partial is wide, and so in a form of its own.
const WIDE: isize = 2;
/// In a run of changes: there is no entry any more.
pub(super) const GONE: isize = 3;

/// An entry as it is in a file: none where there is no entry any more.
pub(super) type FoundEntry<'b> = Option<StoredPartial<'b>>;

/// The multiplicity of the row that holds a partial.
pub(super) fn form_of(partial: StoredPartial<'_>) -> isize {
    if partial.wide { WIDE } else { IN_RANGE }
}

/// The digest of the row that holds a partial.
pub(super) fn digest_of(place: &[u8], partial: StoredPartial<'_>) -> Digest {
    let mut digest = Digest::default();
    digest.add(place, partial.bytes, form_of(partial));
    digest
}

/// The entry that a row is; none for a row that is none.
pub(super) fn entry_of<'b>(place: &[u8], bytes: &'b [u8], form: isize) -> Option<FoundEntry<'b>> {
    match form {
        _ if place.len() < HASH => None,
        IN_RANGE | WIDE => Some(Some(StoredPartial { bytes, wide: form == WIDE })),
        GONE => Some(None),
        _ => None,
    }
}
