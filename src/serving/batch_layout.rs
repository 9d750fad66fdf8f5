//! The layout of a batch in memory: differential's batch over rows of bytes.

use differential_dataflow::trace::implementations::ord_neu::OrdValBatch;

use super::byte_rows::ByteRows;
use diptych_base::time::Epoch;

/// The layout of a batch: containers of keys, values, epochs, diffs and offsets.
pub(super) type Layout = (
    ByteRows,
    ByteRows,
    Vec<Epoch>,
    Vec<isize>,
    differential_dataflow::trace::implementations::OffsetList,
);

pub(super) type Inner = OrdValBatch<Layout>;
