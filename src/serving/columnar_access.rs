//! Access for columnar readers (SQL): the batches of a snapshot, and their rows by position.
//!
//! A *row* of a batch is a distinct (key, value) with any updates; positions count them in order.
//! Two batches of one shard may hold the same row, and its multiplicity is the sum over both.

use std::sync::Weak;

use super::sharding::hash_key;
use super::shared_updates::BatchBody;
use super::snapshot::Snapshot;
use super::view_batch::ViewBatch;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_row::ByteRange;

/// A weak reference to the updates of a batch: identifies them without keeping them in memory.
#[derive(Clone)]
pub struct WeakBatch(Weak<BatchBody>);

impl WeakBatch {
    /// Are these the updates of `batch`?
    pub fn is(&self, batch: &ViewBatch) -> bool {
        self.0.as_ptr() == batch.address() as *const BatchBody
    }

    /// Have the updates been freed?
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Snapshot {
    /// The batches of a view that hold times below the snapshot's upper, oldest first, by shard;
    /// none of a view that is [stored](Snapshot::is_stored).
    ///
    /// # Errors
    /// When the lease has expired.
    pub fn batches(&self, view: usize) -> Result<Vec<Vec<ViewBatch>>> {
        Ok(self.lease.state()?.batches_by_shard(view, self.upper()))
    }
}

impl ViewBatch {
    /// The address of the updates: unique as long as a batch or a [`WeakBatch`] of them lives.
    pub fn address(&self) -> usize {
        self.body_address() as usize
    }

    /// A weak reference to the updates.
    pub fn downgrade(&self) -> WeakBatch {
        WeakBatch(self.body_weak())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.inner().storage.vals.vals.count()
    }

    /// The first time after all updates.
    pub fn times_upper(&self) -> Epoch {
        self.settled_before()
    }

    /// The multiplicity that this batch gives the row at a position, at times below `upper`.
    pub fn row_multiplicity(&self, row: usize, upper: Epoch) -> isize {
        self.multiplicity(row, upper)
    }

    /// The positions of the rows whose keys are in `range`.
    pub fn rows_in(&self, range: &ByteRange) -> std::ops::Range<usize> {
        let row_of =
            |key: usize| if key < self.keys() { self.values_of(key).start } else { self.rows() };
        let first = self.seek(0, &range.start);
        let last = range.end.as_ref().map_or(self.keys(), |end| self.seek(first, end));
        row_of(first)..row_of(last).max(row_of(first))
    }

    /// Calls `visit` with key and value of the rows at `positions`, until it gives an error.
    pub fn visit_rows(
        &self,
        positions: std::ops::Range<usize>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut key = self.key_of(positions.start);
        for row in positions {
            while row >= self.values_of(key).end {
                key += 1;
            }
            visit(self.key_at(key), self.value_at(row))?;
        }
        Ok(())
    }

    /// The position of the key that the row at a position belongs to; 0 after the last row.
    fn key_of(&self, row: usize) -> usize {
        let mut low = 0;
        let mut high = self.keys();
        while low < high {
            let middle = low + (high - low) / 2;
            if self.values_of(middle).end <= row { low = middle + 1 } else { high = middle }
        }
        if low < self.keys() { low } else { 0 }
    }

    /// The rows that both batches hold: their positions here and there, in order.
    pub fn rows_shared_with(&self, other: &ViewBatch) -> Vec<(u32, u32)> {
        if self.keys() > other.keys() {
            let mut shared = other.rows_shared_with(self);
            for pair in &mut shared {
                *pair = (pair.1, pair.0);
            }
            return shared;
        }
        let mut shared = Vec::new();
        for key in 0..self.keys() {
            let bytes = self.key_at(key);
            let Some(there) = other.find(bytes, hash_key(bytes)) else { continue };
            let mut mine = self.values_of(key);
            let mut theirs = other.values_of(there);
            while let (Some(a), Some(b)) = (mine.clone().next(), theirs.clone().next()) {
                match self.value_at(a).cmp(other.value_at(b)) {
                    std::cmp::Ordering::Less => mine.start += 1,
                    std::cmp::Ordering::Greater => theirs.start += 1,
                    std::cmp::Ordering::Equal => {
                        shared.push((a as u32, b as u32));
                        mine.start += 1;
                        theirs.start += 1;
                    }
                }
            }
        }
        shared
    }
}
