//! Gives back memory that a merge has reserved and does not use.
//!
//! A merge reserves room for all updates of both batches. Compaction may have taken most of them
//! away, and updates that stand alone share their place with equal neighbours.

use differential_dataflow::trace::implementations::OffsetList;

use super::batch::Inner;

/// Shrinks what a quarter of is not used: less is not worth a copy.
pub(super) fn shrink(batch: &mut Inner) {
    let storage = &mut batch.storage;
    storage.keys.shrink();
    storage.vals.vals.shrink();
    shrink_offsets(&mut storage.vals.offs);
    shrink_offsets(&mut storage.upds.offs);
    shrink_list(&mut storage.upds.times);
    shrink_list(&mut storage.upds.diffs);
}

/// See [`shrink`].
pub(super) fn shrink_offsets(offsets: &mut OffsetList) {
    shrink_list(&mut offsets.smol);
    shrink_list(&mut offsets.chonk);
}

/// See [`shrink`].
pub(super) fn shrink_list<T>(list: &mut Vec<T>) {
    if list.len() < list.capacity() / 4 * 3 {
        list.shrink_to_fit();
    }
}
