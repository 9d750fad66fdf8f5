//! A cache of views in columns: each immutable batch of the index is decoded once, column by
//! column, when a scan first wants it.
//!
//! An entry belongs to one batch and refers to it weakly, so it goes when the batch does. It does
//! not depend on an epoch: it has the columns of all rows of the batch, the multiplicities once all
//! updates count, and the rows that the batch shares with another one. A reader at any epoch
//! combines these (`columnar_snapshot`) at a cost that follows the updates since the oldest batch.
//!
//! The cache is bounded by `SQL_COLUMNS_BYTES`; the entry unused for longest is dropped first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arrow_array::{Array, ArrayRef};

use super::columnar_snapshot::Multiplicities;
use diptych_base::error::Result;
use diptych_base::limits::{SQL_BLOCK_ROWS, SQL_COLUMNS_BYTES};
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;
use diptych_row::{RowArrays, RowSchema};
use diptych_serving::{ViewBatch, WeakBatch};

/// The decoded columns of the batches of all views.
#[derive(Default)]
pub(super) struct ColumnCache {
    held: Mutex<HashMap<usize, Arc<BatchColumns>>>,
    clock: AtomicU64,
}

/// The decoded columns of one batch.
pub(super) struct BatchColumns {
    batch: WeakBatch,
    rows: usize,
    /// The first time beyond all updates: `counts` holds from there on.
    times_upper: Epoch,
    counts: Arc<Multiplicities>,
    /// The blocks of each column of the view.
    arrays: Vec<OnceLock<Vec<ArrayRef>>>,
    decoding: Mutex<()>,
    shared: Mutex<Vec<(WeakBatch, Arc<[(u32, u32)]>)>>,
    bytes: AtomicUsize,
    used: AtomicU64,
}
impl ColumnCache {
    /// The entry of `batch`, a batch of a view of `columns` columns.
    pub(super) fn of(&self, batch: &ViewBatch, columns: usize) -> Arc<BatchColumns> {
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut held = lock(&self.held);
        if let Some(found) = held.get(&batch.address()).filter(|held| held.batch.is(batch)) {
            found.used.store(used, Ordering::Relaxed);
            return Arc::clone(found);
        }
        drop(held);
        // This walks the batch, so not under the lock. Two readers may do it at once; one result
        // stays.
        let fresh = Arc::new(BatchColumns::new(batch, columns, used));
        held = lock(&self.held);
        held.insert(batch.address(), Arc::clone(&fresh));
        fresh
    }

    /// Drops the entries of dropped batches, and those unused for longest beyond the bound.
    pub(super) fn sweep(&self) {
        let mut held = lock(&self.held);
        held.retain(|_, columns| !columns.batch.is_gone());
        for columns in held.values() {
            lock(&columns.shared).retain(|(other, _)| !other.is_gone());
        }
        let bytes = |columns: &Arc<BatchColumns>| columns.bytes.load(Ordering::Relaxed);
        let mut total: usize = held.values().map(bytes).sum();
        if total <= SQL_COLUMNS_BYTES {
            return;
        }
        let mut ages: Vec<_> =
            held.iter().map(|(at, c)| (c.used.load(Ordering::Relaxed), *at, bytes(c))).collect();
        ages.sort_unstable();
        for (_, at, bytes) in ages {
            if total <= SQL_COLUMNS_BYTES {
                break;
            }
            held.remove(&at);
            total -= bytes;
        }
    }

    /// The bytes in the cache.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        lock(&self.held).values().map(|columns| columns.bytes.load(Ordering::Relaxed)).sum()
    }
}

impl BatchColumns {
    fn new(batch: &ViewBatch, columns: usize, used: u64) -> BatchColumns {
        let times_upper = batch.times_upper();
        let counts = Multiplicities::of(batch, times_upper);
        let bytes = AtomicUsize::new(counts.memory_bytes());
        BatchColumns {
            batch: batch.downgrade(),
            rows: batch.rows(),
            times_upper,
            counts: Arc::new(counts),
            arrays: (0..columns).map(|_| OnceLock::new()).collect(),
            decoding: Mutex::default(),
            shared: Mutex::default(),
            bytes,
            used: AtomicU64::new(used),
        }
    }

    /// The number of rows in the batch.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The multiplicity that `batch`, whose columns these are, gives each row at times below
    /// `upper`.
    pub(super) fn counts(&self, batch: &ViewBatch, upper: Epoch) -> Arc<Multiplicities> {
        if upper >= self.times_upper {
            Arc::clone(&self.counts)
        } else {
            Arc::new(Multiplicities::of(batch, upper))
        }
    }

    /// The rows that both batches hold: pairs of positions in `batch`, whose columns these are, and
    /// in `older`.
    pub(super) fn shared_with(&self, batch: &ViewBatch, older: &ViewBatch) -> Arc<[(u32, u32)]> {
        if let Some((_, rows)) = lock(&self.shared).iter().find(|(other, _)| other.is(older)) {
            return Arc::clone(rows);
        }
        let rows: Arc<[(u32, u32)]> = batch.rows_shared_with(older).into();
        self.bytes.fetch_add(rows.len() * size_of::<(u32, u32)>(), Ordering::Relaxed);
        lock(&self.shared).push((older.downgrade(), Arc::clone(&rows)));
        rows
    }

    /// Decodes the `wanted` columns that are not decoded yet.
    ///
    /// # Errors
    /// When the batch holds bytes that are not rows of `schema`.
    pub(super) fn decode(
        &self,
        batch: &ViewBatch,
        schema: &RowSchema,
        wanted: &[usize],
    ) -> Result<()> {
        let missing = |at: &usize| self.arrays[*at].get().is_none();
        if !wanted.iter().any(missing) {
            return Ok(());
        }
        let _one_at_a_time = lock(&self.decoding);
        let wanted: Vec<usize> = wanted.iter().copied().filter(missing).collect();
        let mut blocks: Vec<Vec<ArrayRef>> = vec![Vec::new(); wanted.len()];
        for start in (0..self.rows).step_by(SQL_BLOCK_ROWS) {
            let rows = start..(start + SQL_BLOCK_ROWS).min(self.rows);
            let mut arrays = RowArrays::new(schema, &wanted, rows.len());
            batch.visit_rows(rows, |key, value| arrays.push(key, value))?;
            for (blocks, array) in blocks.iter_mut().zip(arrays.finish()?) {
                self.bytes.fetch_add(array.get_array_memory_size(), Ordering::Relaxed);
                blocks.push(array);
            }
        }
        for (at, blocks) in wanted.into_iter().zip(blocks) {
            // It was missing under the lock, so it is not set.
            let _ = self.arrays[at].set(blocks);
        }
        Ok(())
    }

    /// A block of a decoded column.
    pub(super) fn block(&self, column: usize, block: usize) -> &ArrayRef {
        match self.arrays[column].get() {
            Some(blocks) => &blocks[block],
            None => unreachable!("column {column} is decoded before its blocks are read"),
        }
    }
}
