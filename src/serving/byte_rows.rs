//! A container of byte strings: the keys and the values of a batch.
//!
//! Differential's `SliceContainer` keeps eight bytes of offset per string and copies byte by byte.
//! Keys of views are mostly integers, so here strings of one common length need no offsets at all;
//! the first string of another length switches to a list of offsets.

use differential_dataflow::trace::implementations::{BatchContainer, OffsetList};
use timely::container::PushInto;

use super::shrink::{shrink_list, shrink_offsets};

/// A list of byte strings in one allocation.
#[derive(Default)]
pub struct ByteRows {
    bytes: Vec<u8>,
    count: usize,
    /// The common length of all strings, as long as `ends` is absent.
    width: usize,
    /// The end of each string, once their lengths differ.
    ends: Option<OffsetList>,
}

impl ByteRows {
    /// The string at `index`. Panics when there is none.
    #[inline]
    pub(super) fn row(&self, index: usize) -> &[u8] {
        match &self.ends {
            None => {
                assert!(index < self.count, "row {index} of {}", self.count);
                &self.bytes[index * self.width..(index + 1) * self.width]
            }
            Some(ends) => {
                let start = if index == 0 { 0 } else { ends.index(index - 1) };
                &self.bytes[start..ends.index(index)]
            }
        }
    }

    /// The number of strings.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Heap memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let ends = self.ends.as_ref();
        self.bytes.capacity()
            + ends.map_or(0, |ends| ends.smol.capacity() * 4 + ends.chonk.capacity() * 8)
    }

    /// Releases reserved memory that is not used.
    pub(super) fn shrink(&mut self) {
        shrink_list(&mut self.bytes);
        if let Some(ends) = &mut self.ends {
            shrink_offsets(ends);
        }
    }

    fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        match &mut self.ends {
            Some(ends) => ends.push(self.bytes.len()),
            None if self.count == 0 => self.width = row.len(),
            None if self.width == row.len() => (),
            None => {
                let mut ends = OffsetList::with_capacity(self.count + 1);
                for index in 1..=self.count {
                    ends.push(index * self.width);
                }
                ends.push(self.bytes.len());
                self.ends = Some(ends);
            }
        }
        self.count += 1;
    }
}

impl PushInto<&[u8]> for ByteRows {
    fn push_into(&mut self, row: &[u8]) {
        self.push(row);
    }
}

impl PushInto<Vec<u8>> for ByteRows {
    fn push_into(&mut self, row: Vec<u8>) {
        self.push(&row);
    }
}

impl BatchContainer for ByteRows {
    type Owned = Vec<u8>;
    type ReadItem<'a> = &'a [u8];

    fn into_owned(row: &[u8]) -> Vec<u8> {
        row.to_vec()
    }
    fn clone_onto(row: &[u8], other: &mut Vec<u8>) {
        other.clear();
        other.extend_from_slice(row);
    }
    fn push_ref(&mut self, row: &[u8]) {
        self.push(row);
    }
    fn push_own(&mut self, row: &Vec<u8>) {
        self.push(row);
    }
    fn clear(&mut self) {
        *self = ByteRows::default();
    }
    fn with_capacity(_size: usize) -> Self {
        // The count says nothing about the bytes; the allocation grows by doubling.
        ByteRows::default()
    }
    fn merge_capacity(one: &Self, other: &Self) -> Self {
        let bytes = Vec::with_capacity(one.bytes.len() + other.bytes.len());
        ByteRows { bytes, ..ByteRows::default() }
    }
    fn reborrow<'b, 'a: 'b>(row: &'a [u8]) -> &'b [u8] {
        row
    }
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.row(index)
    }
    fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_what_a_vector_holds(
            rows in prop_oneof![
                prop::collection::vec(prop::collection::vec(any::<u8>(), 8), 0..20),
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..20),
            ]
        ) {
            let mut held = ByteRows::default();
            for row in &rows {
                held.push(row);
            }
            prop_assert_eq!(held.count(), rows.len());
            for (index, row) in rows.iter().enumerate() {
                prop_assert_eq!(held.row(index), &row[..]);
            }
        }
    }
}
