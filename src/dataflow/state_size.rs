//! The size of accumulations: what of them is in memory, and what in files.

use std::iter::Sum;
use std::mem::needs_drop;

use serde::Serialize;

/// Entries whose bytes on the heap are measured, to tell those of all.
const MEASURED: usize = 64;

/// What an allocation costs beside its bytes.
const ALLOCATION_BYTES: u64 = 16;

/// The size of an accumulation, or of all of a dataflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Entries in memory.
    pub resident: u64,
    /// Bytes of these, estimated: those of the table, and what keys and partials have on the heap,
    /// as far as 64 of them are like the others.
    pub resident_bytes: u64,
    /// Entries in files. Some of them are in memory, too, with a later partial.
    pub stored: u64,
}

impl StateSize {
    /// The size of a table with `slots` slots of `slot_bytes` bytes, in which `count` are taken.
    pub(super) fn of_table<'e, K: Serialize + 'e, P: Serialize + 'e>(
        entries: impl Iterator<Item = (&'e K, &'e P)>,
        count: usize,
        slots: usize,
        slot_bytes: usize,
    ) -> StateSize {
        let measured = entries.take(MEASURED).map(|(key, partial)| on_heap(key) + on_heap(partial));
        let (sum, some) = measured.fold((0, 0), |(sum, some), bytes| (sum + bytes, some + 1_u64));
        let heap = count as u64 * (sum / some.max(1));
        // One byte of a slot tells whether it is taken.
        let table = slots as u64 * (slot_bytes as u64 + 1);
        StateSize { resident: count as u64, resident_bytes: table + heap, stored: 0 }
    }
}

/// The bytes that a value has on the heap, as far as its encoding tells.
fn on_heap<T: Serialize>(value: &T) -> u64 {
    if !needs_drop::<T>() {
        return 0;
    }
    // What cannot be encoded is reported when the accumulation is written.
    ALLOCATION_BYTES + bincode::serialized_size(value).unwrap_or(0)
}

impl Sum for StateSize {
    fn sum<I: Iterator<Item = StateSize>>(sizes: I) -> StateSize {
        sizes.fold(StateSize::default(), |sum, one| StateSize {
            resident: sum.resident + one.resident,
            resident_bytes: sum.resident_bytes + one.resident_bytes,
            stored: sum.stored + one.stored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_large_as_its_slots_and_what_they_hold() {
        let numbers = [(1_u64, 2_i64), (3, 4)];
        let size = StateSize::of_table(numbers.iter().map(|(k, p)| (k, p)), 2, 8, 16);
        assert_eq!(size, StateSize { resident: 2, resident_bytes: 8 * 17, stored: 0 });
        let texts = vec![("x".repeat(100), 1_i64); 1_000];
        let size = StateSize::of_table(texts.iter().map(|(k, p)| (k, p)), 1_000, 1_024, 32);
        let least = 1_024 * 33 + 1_000 * 100;
        assert!((least..least + 32_000).contains(&size.resident_bytes), "{size:?}");
    }
}
