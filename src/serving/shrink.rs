//! Releases memory that a merge has reserved and does not use.
//!
//! A merge reserves room for all updates of both batches. Compaction may have removed most of them,
//! and a value's single update may share its place with an equal neighbour.

use differential_dataflow::trace::implementations::OffsetList;

use super::batch_layout::Inner;

/// Shrinks the vectors of a batch that have more than a quarter unused: less is not worth a copy.
pub(super) fn shrink(batch: &mut Inner) {
    let storage = &mut batch.storage;
    storage.keys.shrink();
    storage.vals.vals.shrink();
    shrink_offsets(&mut storage.vals.offs);
    shrink_offsets(&mut storage.upds.offs);
    shrink_list(&mut storage.upds.times);
    shrink_list(&mut storage.upds.diffs);
}

/// Shrinks both lists of offsets as [`shrink`] does.
pub(super) fn shrink_offsets(offsets: &mut OffsetList) {
    shrink_list(&mut offsets.smol);
    shrink_list(&mut offsets.chonk);
}

/// Shrinks a list if more than a quarter of its capacity is unused.
pub(super) fn shrink_list<T>(list: &mut Vec<T>) {
    if list.len() < list.capacity() / 4 * 3 {
        list.shrink_to_fit();
    }
}
