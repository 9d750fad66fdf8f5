//! Net values of keys that changed often: the values left when all updates of a batch are added up.
//!
//! A key whose value changes at every epoch has two updates for each epoch of history: one retracts
//! the old value, one inserts the new value. All but one or two cancel out, and a reader after all
//! of them need not look at the rest. So each batch stores the net values of its keys with many
//! values: reading such a key costs the same however long history is.
//!
//! A reader at an epoch inside the batch still looks at every value of the key.

use super::batch_layout::Inner;
use diptych_base::limits::SETTLED_VALUES_MIN;
use diptych_base::time::Epoch;

/// The net values of a batch: sums over all its updates.
pub(super) struct Settled {
    /// The sum of all differences.
    rows: isize,
    /// The first time behind all updates.
    times_upper: Epoch,
    /// The positions of keys with many values, ascending, and where the net values of each begin.
    keys: Vec<(usize, usize)>,
    /// Positions of values, and the multiplicity of each.
    left: Vec<(usize, isize)>,
}

impl Settled {
    /// The net values of `batch`. Looks at every update.
    pub(super) fn of(batch: &Inner) -> Settled {
        let storage = &batch.storage;
        let times_upper = storage.upds.times.iter().max().map_or(0, |last| last + 1);
        let keys = Vec::new();
        let left = Vec::new();
        let mut settled = Settled { rows: 0, times_upper, keys, left };
        // A value's single update may be stored in an equal neighbour: so read updates by value.
        let sum = |value| {
            let (start, end) = storage.upds.bounds(value);
            storage.upds.diffs[start..end].iter().sum::<isize>()
        };
        for key in 0..storage.keys.count() {
            let (start, end) = storage.vals.bounds(key);
            let often = end - start >= SETTLED_VALUES_MIN;
            if often {
                settled.keys.push((key, settled.left.len()));
            }
            for value in start..end {
                let times = sum(value);
                // A row's multiplicity may be as large as the number allows.
                settled.rows = settled.rows.saturating_add(times);
                if often && times != 0 {
                    settled.left.push((value, times));
                }
            }
        }
        settled.keys.shrink_to_fit();
        settled.left.shrink_to_fit();
        settled
    }

    /// The sum of all differences.
    pub(super) fn rows(&self) -> isize {
        self.rows
    }

    /// The first time behind all updates.
    pub(super) fn times_upper(&self) -> Epoch {
        self.times_upper
    }

    /// The positions and multiplicities of the net values of a key, for readers at times below
    /// `upper`; none when the key has few values, or the batch has updates at `upper` or later.
    pub(super) fn left(&self, key: usize, upper: Epoch) -> Option<&[(usize, isize)]> {
        if self.keys.is_empty() || self.times_upper > upper {
            return None;
        }
        let place = self.keys.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let end = self.keys.get(place + 1).map_or(self.left.len(), |(_, start)| *start);
        Some(&self.left[self.keys[place].1..end])
    }

    /// Heap memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<(usize, usize)>()
            + self.left.capacity() * size_of::<(usize, isize)>()
    }
}
