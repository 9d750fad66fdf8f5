//! Accounting of the past: the bytes that a batch keeps for readers of earlier epochs.
//!
//! Compaction to an epoch removes the updates that no reader can tell apart from then on: rows that
//! came and went before it, and all but one of the updates of a row. A [`BatchPast`] gives the
//! number of these bytes for each epoch that the batch could be compacted to. The index compacts a
//! batch when this is worth the work, and raises `since` when all batches together keep too many
//! bytes.
//!
//! A retraction whose row is in an older batch is removed only when the two batches are merged,
//! together with the row: it is counted separately, and counts twice.
//!
//! Sizes are those of the layout: an update is an epoch and a difference, a value is its bytes and
//! two offsets, a key its bytes, two offsets and its place in the hash table. Capacity that vectors
//! reserve beyond their length is not counted.

use super::batch_layout::Inner;
use diptych_base::time::Epoch;

/// Epochs that a batch tells apart in its [`BatchPast`].
const STEPS_MAX: usize = 16;

/// Bytes of an update: an epoch and a difference.
const UPDATE_BYTES: usize = 16;

/// Bytes of a value beside its own: two offsets.
const VALUE_BYTES: usize = 8;

/// Bytes of a key beside its own: two offsets and its place in the hash table.
const KEY_BYTES: usize = 15;

/// The past of one batch.
#[derive(Default)]
pub(super) struct BatchPast {
    /// The steps by epoch, ascending.
    steps: Vec<Step>,
}

/// The bytes that are freed when the batch is compacted to `epoch` or beyond.
#[derive(Clone, Copy, Default)]
struct Step {
    epoch: Epoch,
    /// Bytes freed when the batch is compacted alone.
    alone: usize,
    /// Bytes freed when the batch is merged with those before it.
    merged: usize,
}

impl BatchPast {
    /// The past of `batch`. Looks at every update.
    pub(super) fn of(batch: &Inner) -> BatchPast {
        let storage = &batch.storage;
        let times = &storage.upds.times;
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
            return BatchPast::default();
        };
        let mut steps = Steps::new(*first, *last);
        for key in 0..storage.keys.count() {
            let (start, end) = storage.vals.bounds(key);
            // A key is freed with its last value.
            let mut key_last = *first;
            let mut gone = true;
            let mut retracted = false;
            for value in start..end {
                let (from, to) = storage.upds.bounds(value);
                let sum: isize = storage.upds.diffs[from..to].iter().sum();
                if sum > 0 && to - from == 1 {
                    gone = false;
                    continue;
                }
                let value_last = *times[from..to].iter().max().unwrap_or(first);
                key_last = key_last.max(value_last);
                for time in &times[from + 1..to] {
                    steps.at(*time).alone += UPDATE_BYTES;
                }
                let row = UPDATE_BYTES + VALUE_BYTES + storage.vals.vals.row(value).len();
                match sum.signum() {
                    0 => steps.at(value_last).alone += row,
                    -1 => {
                        steps.at(value_last).merged += 2 * row;
                        retracted = true;
                    }
                    _ => gone = false,
                }
            }
            if gone && end > start {
                let bytes = KEY_BYTES + storage.keys.row(key).len();
                let step = steps.at(key_last);
                if retracted { step.merged += 2 * bytes } else { step.alone += bytes }
            }
        }
        steps.finish()
    }

    /// Bytes freed when the batch is compacted alone to `since`.
    pub(super) fn alone(&self, since: Epoch) -> usize {
        self.until(since).map(|step| step.alone).sum()
    }

    /// Bytes freed when the batch is merged with those before it and compacted to `since`.
    pub(super) fn merged(&self, since: Epoch) -> usize {
        self.until(since).map(|step| step.alone + step.merged).sum()
    }

    fn until(&self, since: Epoch) -> impl Iterator<Item = &Step> {
        self.steps.iter().take_while(move |step| step.epoch <= since)
    }

    /// All bytes that compaction to the frontier would free.
    pub(super) fn bytes(&self) -> usize {
        self.merged(Epoch::MAX)
    }

    /// Adds to `all` the epochs beyond `since`, and the bytes freed at each.
    fn beyond(&self, since: Epoch, all: &mut Vec<(Epoch, usize)>) {
        let beyond = self.steps.iter().filter(|step| step.epoch > since);
        all.extend(beyond.map(|step| (step.epoch, step.alone + step.merged)));
    }

    /// Heap memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.steps.capacity() * size_of::<Step>()
    }
}

/// The first epoch, not before `since`, such that the batches keep at most `most` bytes for the
/// epochs after it.
pub(super) fn since_within<'a>(
    pasts: impl Iterator<Item = &'a BatchPast>,
    since: Epoch,
    most: usize,
) -> Epoch {
    let mut beyond = Vec::new();
    for past in pasts {
        past.beyond(since, &mut beyond);
    }
    let mut bytes: usize = beyond.iter().map(|(_, bytes)| bytes).sum();
    if bytes <= most {
        return since;
    }
    beyond.sort_unstable();
    let mut moved = since;
    for (epoch, some) in beyond {
        // The bytes of one epoch are freed together.
        if bytes <= most && epoch > moved {
            break;
        }
        moved = epoch;
        bytes -= some;
    }
    moved
}

/// Steps of equal width over the times of a batch.
struct Steps {
    first: Epoch,
    last: Epoch,
    width: Epoch,
    steps: Vec<Step>,
}

impl Steps {
    fn new(first: Epoch, last: Epoch) -> Steps {
        let width = (last - first) / STEPS_MAX as Epoch + 1;
        Steps { first, last, width, steps: Vec::new() }
    }

    /// The step of a time.
    fn at(&mut self, time: Epoch) -> &mut Step {
        let place = ((time - self.first) / self.width) as usize;
        if self.steps.len() <= place {
            self.steps.resize(place + 1, Step::default());
        }
        &mut self.steps[place]
    }

    /// The steps at which bytes are freed, each at its last epoch.
    fn finish(self) -> BatchPast {
        let Steps { first, last, width, steps } = self;
        let ends = (1..).map(|step| first.saturating_add(step * width - 1).min(last));
        let ends = steps.iter().zip(ends).map(|(step, epoch)| Step { epoch, ..*step });
        let mut steps: Vec<Step> = ends.filter(|step| step.alone + step.merged > 0).collect();
        steps.shrink_to_fit();
        BatchPast { steps }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared_updates::ViewUpdate;
    use super::super::view_batch::{BatchMerge, ViewBatch};
    use super::*;
    use proptest::prelude::*;

    fn update(key: u8, value: u8, time: Epoch, diff: isize) -> ViewUpdate {
        ((vec![key; 4], vec![value; 8]), time, diff)
    }

    fn compacted(batch: &ViewBatch, since: Epoch) -> ViewBatch {
        let upper = batch.upper_epoch();
        let none = ViewBatch::new(upper, upper + 1, None);
        let mut merge = BatchMerge::new(batch, &none, since);
        merge.work(&mut isize::MAX.clone());
        merge.done()
    }

    /// Bytes of the layout, as this module counts them.
    fn size(batch: &ViewBatch) -> usize {
        let mut bytes = 0;
        for key in 0..batch.keys() {
            bytes += KEY_BYTES + batch.key_at(key).len();
            for value in batch.values_of(key) {
                bytes += VALUE_BYTES + batch.value_at(value).len();
                bytes += UPDATE_BYTES * batch.updates_of(value).count();
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn compaction_gives_back_what_was_stated(
            updates in prop::collection::vec((0u8..4, 0u8..3, 0u64..300, 0usize..2), 0..60),
            since in 0u64..300,
        ) {
            let updates = updates
                .into_iter()
                .map(|(key, value, time, sign)| update(key, value, time, [1, -1][sign]));
            let batch = ViewBatch::from_updates(0, 300, updates.collect());
            // At the last epoch of all, the count is exact.
            let all = compacted(&batch, 299);
            prop_assert_eq!(size(&batch) - size(&all), batch.past().alone(299));
            prop_assert_eq!(all.past().alone(Epoch::MAX), 0);
            // Before it, at least the counted bytes are freed.
            let some = compacted(&batch, since);
            prop_assert!(size(&batch) - size(&some) >= batch.past().alone(since));
        }
    }

    #[test]
    fn rows_that_stay_are_no_past() {
        let rows = (0..200).map(|key| update(key, 0, Epoch::from(key), 1));
        let batch = ViewBatch::from_updates(0, 300, rows.collect());
        assert_eq!(batch.past().bytes(), 0);
    }

    #[test]
    fn a_retraction_counts_for_its_row_too() {
        let batch = ViewBatch::from_updates(5, 6, vec![update(1, 1, 5, -1)]);
        let row = UPDATE_BYTES + VALUE_BYTES + 8 + KEY_BYTES + 4;
        assert_eq!((batch.past().alone(5), batch.past().merged(5)), (0, 2 * row));
        assert_eq!(batch.past().merged(4), 0);
    }

    #[test]
    fn the_past_is_cut_where_it_fits() {
        let batches: Vec<_> = (0..10)
            .map(|epoch| ViewBatch::from_updates(epoch, epoch + 1, vec![update(1, 1, epoch, -1)]))
            .collect();
        let one = batches[0].past().bytes();
        let pasts = || batches.iter().map(ViewBatch::past);
        assert_eq!(since_within(pasts(), 0, 9 * one), 0);
        assert_eq!(since_within(pasts(), 0, 8 * one), 1);
        assert_eq!(since_within(pasts(), 0, one), 8);
        assert_eq!(since_within(pasts(), 0, 0), 9);
        assert_eq!(since_within(pasts(), 6, 9 * one), 6);
    }
}
