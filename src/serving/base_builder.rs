//! Builder of a base (the batch `[0, boundary)`) from rows in order: batches are built as the rows
//! are read, so no list of all rows is ever in memory.

use differential_dataflow::trace::Builder;

use super::shared_updates::{ViewBuilder, ViewUpdate};
use super::view_batch::ViewBatch;
use diptych_base::time::Epoch;

/// Rows handed to the builder at once: few enough to stay in the processor's cache.
const CHUNK_ROWS: usize = 512;

/// Builds the batch `[0, boundary)` of one shard of a view, all of it at the last epoch. Rows
/// should come in order, each once; for each place where they do not, another batch is built, and
/// in the end all of them are sorted.
pub struct BaseBuilder {
    boundary: Epoch,
    building: Option<ViewBuilder>,
    chunk: Vec<ViewUpdate>,
    last: (Vec<u8>, Vec<u8>),
    /// Finished batches of ordered rows; the present rows sort before the end of the last of these.
    runs: Vec<ViewBatch>,
}

impl BaseBuilder {
    /// A builder of the base that ends at `boundary`, which is not 0.
    pub fn new(boundary: Epoch) -> Self {
        assert!(boundary > 0, "there is no history before epoch 0");
        let chunk = Vec::with_capacity(CHUNK_ROWS);
        let last = (Vec::new(), Vec::new());
        BaseBuilder { boundary, building: None, chunk, last, runs: Vec::new() }
    }

    /// Adds a row with multiplicity `times`.
    pub fn push(&mut self, key: &[u8], value: &[u8], times: isize) {
        if times == 0 {
            return;
        }
        let (last_key, last_value) = &self.last;
        let begun = self.building.is_some() || !self.chunk.is_empty();
        if begun && (&last_key[..], &last_value[..]) >= (key, value) {
            self.end_run();
        }
        let (last_key, last_value) = &mut self.last;
        last_key.clear();
        last_key.extend_from_slice(key);
        last_value.clear();
        last_value.extend_from_slice(value);
        self.chunk.push(((key.to_vec(), value.to_vec()), self.boundary - 1, times));
        if self.chunk.len() == CHUNK_ROWS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let building = self.building.get_or_insert_default();
        building.push(&mut self.chunk);
        self.chunk.clear();
    }

    fn end_run(&mut self) {
        self.flush();
        if let Some(building) = self.building.take() {
            self.runs.push(ViewBatch::new(0, self.boundary, building.done()));
        }
    }

    /// Builds the batch from all rows added.
    pub fn done(mut self) -> ViewBatch {
        self.end_run();
        if let [run] = &self.runs[..] {
            return run.clone();
        }
        let mut updates = Vec::new();
        for run in &self.runs {
            run.for_each(|key, value, time, times| {
                updates.push(((key.to_vec(), value.to_vec()), time, times));
            });
        }
        ViewBatch::from_updates(0, self.boundary, updates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(batch: &ViewBatch) -> Vec<ViewUpdate> {
        let mut rows = Vec::new();
        batch.for_each(|key, value, time, times| {
            rows.push(((key.to_vec(), value.to_vec()), time, times));
        });
        rows
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_batch(
            rows in prop::collection::btree_map((0_u16..3_000, 0_u8..2), 1_isize..3, 0..2_000),
            turns in prop::collection::vec(0_usize..2_000, 0..3),
        ) {
            let bytes = |((key, value), times): (&(u16, u8), &isize)| {
                ((key.to_be_bytes().to_vec(), vec![*value]), 6, *times)
            };
            let sorted: Vec<ViewUpdate> = rows.iter().map(bytes).collect();
            let expected = ViewBatch::from_updates(0, 7, sorted.clone());
            let mut turned = sorted;
            for turn in turns {
                let at = turn.min(turned.len());
                turned.rotate_left(at);
            }
            let mut builder = BaseBuilder::new(7);
            for ((key, value), _, times) in &turned {
                builder.push(key, value, *times);
            }
            let built = builder.done();
            prop_assert_eq!((built.lower_epoch(), built.upper_epoch()), (0, 7));
            prop_assert_eq!(built.added_rows(), expected.added_rows());
            prop_assert_eq!(content(&built), content(&expected));
        }
    }
}
