//! The buffer of a view's updates before they become a batch: sorted when an epoch closes.
//!
//! Epochs close in order and a batch is built at each close, so a merging batcher would win
//! nothing: one sort per epoch is enough. Keys are bytes, and comparing them through pointers
//! is most of the cost of a sort; so each update is sorted by the first 16 bytes of its key as one
//! number, and only ties look at the rest. (Profiles of `word_count` with epochs of 1,000 lines
//! spent half of the worker's time comparing.)

use super::shared_updates::ViewUpdate;
use diptych_base::limits;
use diptych_base::time::Epoch;

/// Updates that have not been published.
#[derive(Default)]
pub(super) struct UpdateBuffer {
    updates: Vec<ViewUpdate>,
    /// The number of updates at which to consolidate: updates of one long epoch may cancel out.
    crowded: usize,
    /// The latest time seen.
    pub(super) last: Epoch,
}

impl UpdateBuffer {
    /// Moves all of `updates` into the buffer.
    pub(super) fn push(&mut self, updates: &mut Vec<ViewUpdate>) {
        self.last = updates.iter().map(|(_, time, _)| *time).fold(self.last, Epoch::max);
        self.updates.append(updates);
        if self.updates.len() >= self.crowded.max(limits::GATHERED_UPDATES) {
            self.updates = consolidated(std::mem::take(&mut self.updates));
            self.crowded = 2 * self.updates.len();
        }
    }

    /// Removes and gives the updates at times below `upper`, consolidated, in the order of batches.
    pub(super) fn below(&mut self, upper: Epoch) -> Vec<ViewUpdate> {
        let later = self.updates.extract_if(.., |(_, time, _)| *time >= upper).collect();
        self.crowded = 0;
        consolidated(std::mem::replace(&mut self.updates, later))
    }
}

/// Consolidates updates: sorts them, adds up those of one row and time, and drops sums of zero.
fn consolidated(mut updates: Vec<ViewUpdate>) -> Vec<ViewUpdate> {
    let mut order: Vec<(u128, usize)> =
        updates.iter().enumerate().map(|(at, ((key, _), _, _))| (prefix(key), at)).collect();
    order.sort_unstable_by(|(one, a), (other, b)| {
        one.cmp(other).then_with(|| {
            let ((key_a, value_a), time_a, _) = &updates[*a];
            let ((key_b, value_b), time_b, _) = &updates[*b];
            (key_a, value_a, time_a).cmp(&(key_b, value_b, time_b))
        })
    });
    let mut sorted: Vec<ViewUpdate> = Vec::with_capacity(order.len());
    for (_, at) in order {
        let (row, time, diff) = &mut updates[at];
        match sorted.last_mut() {
            Some((last, last_time, sum)) if last == row && last_time == time => *sum += *diff,
            _ => {
                if sorted.last().is_some_and(|(_, _, sum)| *sum == 0) {
                    sorted.pop();
                }
                sorted.push((std::mem::take(row), *time, *diff));
            }
        }
    }
    if sorted.last().is_some_and(|(_, _, sum)| *sum == 0) {
        sorted.pop();
    }
    sorted
}

/// The first 16 bytes of a key as a number that sorts like them. Short keys are padded with zeros;
/// equal numbers do not mean equal keys.
fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let len = key.len().min(bytes.len());
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(kinds: u8, most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0..kinds, 0..most)
    }

    proptest! {
        #[test]
        fn updates_come_out_as_differential_consolidates_them(
            updates in proptest::collection::vec(
                ((bytes(3, 20), bytes(2, 3)), 0_u64..3, -2_isize..3), 0..200),
            upper in 0_u64..4,
        ) {
            let mut gathered = UpdateBuffer::default();
            for some in updates.chunks(7) {
                gathered.push(&mut some.to_vec());
            }
            let mut expected: Vec<_> =
                updates.iter().filter(|(_, time, _)| *time < upper).cloned().collect();
            differential_dataflow::consolidation::consolidate_updates(&mut expected);
            prop_assert_eq!(gathered.below(upper), expected);
            let mut rest: Vec<_> =
                updates.into_iter().filter(|(_, time, _)| *time >= upper).collect();
            differential_dataflow::consolidation::consolidate_updates(&mut rest);
            prop_assert_eq!(gathered.below(Epoch::MAX), rest);
        }
    }
}
