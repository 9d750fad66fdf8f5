//! A sorted multiset of rows, each with its multiplicity.
//!
//! The rows are in sorted vectors of at most [`CHUNK`] rows, in a vector: a change moves the rows
//! of one of them, a search is two binary searches, and neighbouring rows are read in sequence. A
//! key with a few rows has one short vector and nothing else, unlike a tree, whose nodes are made
//! for many rows.

use super::per_epoch_operator::OfKey;

/// The number of rows at which a chunk is split in two.
const CHUNK: usize = 128;

/// The number of rows up to which two neighbouring chunks are merged.
const SCANT: usize = CHUNK / 2;

/// A row and its multiplicity: never zero, but it may be negative.
type Counted<R> = (R, isize);

/// A sorted multiset; `P` is the result derived from the rows of a chunk, if any.
#[derive(Clone, Debug)]
pub(super) struct Ordered<R, P = ()> {
    /// The least rows; empty only when there are none at all.
    first: Chunk<R, P>,
    /// The others; none of these is empty.
    rest: Vec<Chunk<R, P>>,
}

/// A chunk of neighbouring rows.
#[derive(Clone, Debug)]
struct Chunk<R, P> {
    rows: Vec<Counted<R>>,
    /// The result derived from the rows; none when they have changed since.
    part: Option<P>,
}

/// The position of a row, or the one it would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowPlace {
    chunk: usize,
    index: usize,
}

/// The copies of a row before and after a change; a negative multiplicity counts as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copies {
    pub(super) before: isize,
    pub(super) after: isize,
}

impl<R, P> Default for Ordered<R, P> {
    fn default() -> Self {
        Ordered { first: Chunk { rows: Vec::new(), part: None }, rest: Vec::new() }
    }
}

impl<R: Ord, P> Ordered<R, P> {
    /// Adds `diff` to the copies of `row`.
    pub(super) fn change(&mut self, row: R, diff: isize) -> Copies {
        let place = self.find(|known| *known < row);
        let RowPlace { chunk, index } = place;
        let there = |copies: isize| copies.max(0);
        if let Some((known, copies)) = self.chunk_mut(chunk).get_mut(index)
            && *known == row
        {
            let before = *copies;
            *copies += diff;
            let after = *copies;
            if after == 0 {
                self.remove(place);
            }
            return Copies { before: there(before), after: there(after) };
        }
        if diff != 0 {
            let rows = self.chunk_mut(chunk);
            rows.insert(index, (row, diff));
            if rows.len() > CHUNK {
                // Rows added in order leave full chunks behind.
                let at = if index + 1 == rows.len() { index } else { CHUNK / 2 };
                let upper = rows.split_off(at);
                rows.shrink_to(at);
                self.rest.insert(chunk, Chunk { rows: upper, part: None });
            }
        }
        Copies { before: 0, after: there(diff) }
    }

    fn remove(&mut self, RowPlace { chunk, index }: RowPlace) {
        let left = {
            let rows = self.chunk_mut(chunk);
            rows.remove(index);
            rows.len()
        };
        // Merge with the next chunk, or with the previous one where there is no next.
        let one = chunk.min(self.rest.len().saturating_sub(1));
        if self.rest.is_empty() {
            return;
        }
        if left == 0 || self.chunk(one).len() + self.chunk(one + 1).len() <= SCANT {
            let mut other = self.rest.remove(one).rows;
            let rows = self.chunk_mut(one);
            if rows.is_empty() { *rows = other } else { rows.append(&mut other) }
        }
    }
}

impl<R, P> OfKey for Ordered<R, P> {
    fn held(&self) -> usize {
        self.len()
    }
}

impl<R, P> Ordered<R, P> {
    fn chunk(&self, chunk: usize) -> &[Counted<R>] {
        if chunk == 0 { &self.first.rows } else { &self.rest[chunk - 1].rows }
    }

    /// The rows of a chunk for a change; drops the result derived from them.
    fn chunk_mut(&mut self, chunk: usize) -> &mut Vec<Counted<R>> {
        let chunk = if chunk == 0 { &mut self.first } else { &mut self.rest[chunk - 1] };
        chunk.part = None;
        &mut chunk.rows
    }

    /// The place of the first row that is not `before` some point in the order.
    pub(super) fn find(&self, before: impl Fn(&R) -> bool) -> RowPlace {
        let ends = |rows: &[Counted<R>]| rows.last().is_some_and(|(row, _)| before(row));
        let chunk = if ends(&self.first.rows) {
            // A place after all rows is the end of the last chunk.
            (1 + self.rest.partition_point(|chunk| ends(&chunk.rows))).min(self.rest.len())
        } else {
            0
        };
        let index = self.chunk(chunk).partition_point(|(row, _)| before(row));
        RowPlace { chunk, index }
    }

    /// The rows from `place` on.
    pub(super) fn from(&self, place: RowPlace) -> impl Iterator<Item = &Counted<R>> {
        let here = self.chunk(place.chunk)[place.index..].iter();
        here.chain(self.rest[place.chunk..].iter().flat_map(|chunk| &chunk.rows))
    }

    /// The rows before `place`, the nearest first.
    pub(super) fn back_from(&self, place: RowPlace) -> impl Iterator<Item = &Counted<R>> {
        let here = self.chunk(place.chunk)[..place.index].iter().rev();
        let chunks = (0..place.chunk).rev();
        here.chain(chunks.flat_map(|chunk| self.chunk(chunk).iter().rev()))
    }

    /// All rows, the least first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Counted<R>> {
        self.chunks().flatten()
    }

    /// The rows of positive multiplicity, the least first, with their copies.
    pub(super) fn there(&self) -> impl Iterator<Item = &Counted<R>> {
        self.iter().filter(|(_, copies)| *copies > 0)
    }

    /// As [`Ordered::there`], the greatest first.
    pub(super) fn there_back(&self) -> impl Iterator<Item = &Counted<R>> {
        self.back_from(self.find(|_| true)).filter(|(_, copies)| *copies > 0)
    }

    /// The number of distinct rows, those of negative multiplicity included.
    pub(super) fn len(&self) -> usize {
        self.chunks().map(<[_]>::len).sum()
    }

    /// The result of `make` for each chunk, in order; `make` is called only for chunks whose rows
    /// have changed since.
    pub(super) fn parts(&mut self, make: impl Fn(&[Counted<R>]) -> P) -> impl Iterator<Item = &P> {
        let chunks = std::iter::once(&mut self.first).chain(&mut self.rest);
        chunks.map(move |Chunk { rows, part }| &*part.get_or_insert_with(|| make(rows)))
    }

    /// Gives the results of the chunks before `place`, and the result of `make` for the rows before
    /// it in its own chunk.
    pub(super) fn each_part_before(
        &mut self,
        place: RowPlace,
        make: impl Fn(&[Counted<R>]) -> P,
        mut each: impl FnMut(&P),
    ) {
        self.parts(&make).take(place.chunk).for_each(&mut each);
        each(&make(&self.chunk(place.chunk)[..place.index]));
    }

    fn chunks(&self) -> impl Iterator<Item = &[Counted<R>]> {
        let rest = self.rest.iter().map(|chunk| chunk.rows.as_slice());
        std::iter::once(self.first.rows.as_slice()).chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Checks all invariants, and that the rows equal those of a map.
    fn check(ordered: &Ordered<i64, isize>, twin: &BTreeMap<i64, isize>) {
        let rows: Vec<_> = ordered.iter().copied().collect();
        let expected: Vec<_> = twin.iter().map(|(row, copies)| (*row, *copies)).collect();
        assert_eq!(rows, expected);
        assert_eq!(ordered.len(), twin.len());
        assert!(ordered.chunks().skip(1).all(|rows| !rows.is_empty() && rows.len() <= CHUNK));
        assert!(ordered.rest.is_empty() || !ordered.first.rows.is_empty());
        let total: isize = twin.iter().map(|(row, copies)| *row as isize * copies).sum();
        let sum = |rows: &[(i64, isize)]| rows.iter().map(|(row, n)| *row as isize * n).sum();
        assert_eq!(ordered.clone().parts(sum).sum::<isize>(), total);
    }

    proptest! {
        #[test]
        fn rows_are_those_of_a_map(
            changes in prop::collection::vec((0_i64..600, -2_isize..4), 0..3000),
            least in -5_i64..605,
            take in any::<bool>(),
        ) {
            let mut ordered = Ordered::<i64, isize>::default();
            let mut twin = BTreeMap::<i64, isize>::new();
            let mut apply = |row, diff, ordered: &mut Ordered<i64, isize>| {
                let before = twin.get(&row).copied().unwrap_or(0);
                let found = ordered.change(row, diff);
                let after = before + diff;
                assert_eq!(found, Copies { before: before.max(0), after: after.max(0) });
                if after == 0 { twin.remove(&row); } else { twin.insert(row, after); }
                twin.clone()
            };
            let mut known = BTreeMap::new();
            for (row, diff) in &changes {
                known = apply(*row, *diff, &mut ordered);
            }
            check(&ordered, &known);
            let place = ordered.find(|row| *row < least);
            let from: Vec<_> = ordered.from(place).map(|(row, _)| *row).collect();
            prop_assert_eq!(from, known.range(least..).map(|(row, _)| *row).collect::<Vec<_>>());
            let mut before = 0;
            let sum = |rows: &[(i64, isize)]| rows.iter().map(|(row, n)| *row as isize * n).sum();
            ordered.each_part_before(place, sum, |part| before += part);
            let twins = known.range(..least).map(|(row, n)| *row as isize * n);
            prop_assert_eq!(before, twins.sum::<isize>());
            let back: Vec<_> = ordered.back_from(place).map(|(row, _)| *row).collect();
            prop_assert_eq!(back, known.range(..least).rev().map(|(r, _)| *r).collect::<Vec<_>>());
            // All rows are removed again, from either end.
            let mut rows: Vec<_> = known.clone().into_iter().collect();
            if take { rows.reverse(); }
            for (row, copies) in rows {
                let left = apply(row, -copies, &mut ordered);
                if left.len() % 64 == 0 { check(&ordered, &left); }
            }
            prop_assert_eq!(ordered.len(), 0);
        }
    }

    #[test]
    fn a_change_makes_one_part_again() {
        use std::cell::Cell;
        let mut ordered = Ordered::<i64, i64>::default();
        for row in 0..10_000 {
            ordered.change(row * 7919 % 10_007, 1);
        }
        let read = Cell::new(0);
        let sum = |rows: &[(i64, isize)]| {
            read.set(read.get() + rows.len());
            rows.iter().map(|(row, _)| row).sum::<i64>()
        };
        let total: i64 = ordered.parts(sum).sum();
        assert_eq!(read.replace(0), 10_000);
        ordered.change(10_008, 1);
        assert_eq!(ordered.parts(sum).sum::<i64>(), total + 10_008);
        assert!(read.get() <= 2 * CHUNK, "{} rows were read again", read.get());
    }

    #[test]
    fn rows_that_come_in_order_fill_their_chunks() {
        let mut ordered = Ordered::<i64>::default();
        for row in 0..10_000 {
            ordered.change(row, 1);
        }
        assert!(ordered.chunks().count() <= 10_000_usize.div_ceil(CHUNK) + 1);
    }
}
