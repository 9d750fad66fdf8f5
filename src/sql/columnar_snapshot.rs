//! A view at an epoch, in columns: the rows of each batch that count, with their multiplicities.
//!
//! A row that several batches of a shard hold is counted at the oldest of them and removed from the
//! others. The result is a bit mask over each batch's columns, and a few rows with a multiplicity
//! of more than 1 or less than 0.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::ArrowError;
use arrow_select::filter::FilterBuilder;
use arrow_select::take::take;

use super::column_cache::{BatchColumns, ColumnCache};
use diptych_base::error::Result;
use diptych_base::limits::SQL_BLOCK_ROWS;
use diptych_base::time::Epoch;
use diptych_row::{ByteRange, RowSchema};
use diptych_serving::ViewBatch;

const WORDS: usize = SQL_BLOCK_ROWS / 64;

/// The multiplicity of each row of a batch.
#[derive(Clone, Default)]
pub(super) struct Multiplicities {
    /// A bit for each row with multiplicity 1.
    once: Vec<u64>,
    /// The rows with a multiplicity other than 0 and 1.
    odd: BTreeMap<u32, isize>,
}

impl Multiplicities {
    /// The multiplicities that `batch` gives at times below `upper`.
    pub(super) fn of(batch: &ViewBatch, upper: Epoch) -> Multiplicities {
        let mut counts =
            Multiplicities { once: vec![0; batch.rows().div_ceil(64)], odd: BTreeMap::default() };
        for row in 0..batch.rows() {
            match batch.row_multiplicity(row, upper) {
                0 => {}
                1 => counts.once[row / 64] |= 1 << (row % 64),
                more => {
                    counts.odd.insert(row as u32, more);
                }
            }
        }
        counts
    }

    /// Sets the multiplicity of a row to 0 and gives the former one.
    fn take(&mut self, row: u32) -> isize {
        let word = row as usize / 64;
        let bit = 1 << (row % 64);
        if self.once[word] & bit != 0 {
            self.once[word] &= !bit;
            1
        } else {
            self.odd.remove(&row).unwrap_or(0)
        }
    }

    /// Adds to the multiplicity of a row.
    fn add(&mut self, row: u32, more: isize) {
        match self.take(row) + more {
            0 => {}
            1 => self.once[row as usize / 64] |= 1 << (row % 64),
            count => {
                self.odd.insert(row, count);
            }
        }
    }

    /// Keeps only the rows in `within`.
    fn restrict(&mut self, within: &[std::ops::Range<usize>]) {
        let mut kept = vec![0_u64; self.once.len()];
        for rows in within {
            let first = rows.start / 64;
            let last = rows.end.div_ceil(64);
            for (word, kept) in kept.iter_mut().enumerate().take(last).skip(first) {
                let mut mask = u64::MAX;
                if word * 64 < rows.start {
                    mask &= u64::MAX << (rows.start % 64);
                }
                if (word + 1) * 64 > rows.end {
                    mask &= u64::MAX >> ((word + 1) * 64 - rows.end);
                }
                *kept |= self.once[word] & mask;
            }
        }
        self.once = kept;
        self.odd.retain(|row, _| within.iter().any(|rows| rows.contains(&(*row as usize))));
    }

    /// The number of rows, each as often as it is there.
    fn total(&self) -> usize {
        let once: u32 = self.once.iter().map(|word| word.count_ones()).sum();
        let odd = self.odd.values().filter_map(|count| usize::try_from(*count).ok());
        once as usize + odd.sum::<usize>()
    }

    /// Heap memory in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.once.capacity() * 8 + self.odd.len() * 24
    }
}

/// A batch's columns, and the multiplicities of its rows.
struct Part {
    columns: Arc<BatchColumns>,
    counts: Arc<Multiplicities>,
    once: Buffer,
}

/// A view, or ranges of its keys, at an epoch.
pub(super) struct Image {
    parts: Vec<Part>,
    rows: usize,
    negative: usize,
}

/// Rows of an image that become one record batch.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// The rows of a block with multiplicity 1.
    Once { part: usize, block: usize },
    /// A row that is there more often, with the number of repetitions left.
    Repeated { part: usize, row: u32, times: usize },
}

impl Image {
    /// Builds the image of the rows of each shard's batches at times below `upper`, restricted to
    /// keys in `ranges`; the `wanted` columns are decoded.
    ///
    /// # Errors
    /// When a batch holds bytes that are not rows of `schema`.
    pub(super) fn of(
        cache: &ColumnCache,
        shards: &[Vec<ViewBatch>],
        upper: Epoch,
        ranges: Option<&[ByteRange]>,
        schema: &RowSchema,
        wanted: &[usize],
    ) -> Result<Image> {
        let width = schema.columns().count();
        let mut parts = Vec::new();
        for batches in shards {
            let columns: Vec<_> = batches.iter().map(|batch| cache.of(batch, width)).collect();
            let mut counts: Vec<_> =
                batches.iter().zip(&columns).map(|(b, c)| c.counts(b, upper)).collect();
            resolve(batches, &columns, &mut counts);
            for ((batch, columns), mut counts) in batches.iter().zip(columns).zip(counts) {
                if let Some(ranges) = ranges {
                    let within: Vec<_> = ranges.iter().map(|range| batch.rows_in(range)).collect();
                    Arc::make_mut(&mut counts).restrict(&within);
                }
                if counts.total() > 0 {
                    columns.decode(batch, schema, wanted)?;
                }
                let once = Buffer::from_slice_ref(&counts.once);
                parts.push(Part { columns, counts, once });
            }
        }
        let rows = parts.iter().map(|part| part.counts.total()).sum();
        let negative = |part: &Part| part.counts.odd.values().filter(|count| **count < 0).count();
        let negative = parts.iter().map(negative).sum();
        Ok(Image { parts, rows, negative })
    }

    /// The number of rows, each as often as it is there.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The number of rows with a negative multiplicity, which are left out.
    pub(super) fn negative(&self) -> usize {
        self.negative
    }

    /// The pieces of the image, block by block.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (part, content) in self.parts.iter().enumerate() {
            for block in 0..content.columns.rows().div_ceil(SQL_BLOCK_ROWS) {
                if content.words(block).iter().any(|word| *word != 0) {
                    pieces.push(Piece::Once { part, block });
                }
            }
            let odd = content.counts.odd.iter();
            pieces.extend(odd.filter_map(|(row, count)| {
                let times = usize::try_from(*count).ok()?;
                Some(Piece::Repeated { part, row: *row, times })
            }));
        }
        pieces
    }

    /// The arrays of the `wanted` columns of a piece's next rows, and the number of these rows; the
    /// piece keeps the rest.
    ///
    /// # Errors
    /// Errors of Arrow.
    pub(super) fn arrays(
        &self,
        piece: &mut Option<Piece>,
        wanted: &[usize],
    ) -> Result<(Vec<ArrayRef>, usize), ArrowError> {
        match piece.take() {
            None => Ok((Vec::new(), 0)),
            Some(Piece::Once { part, block }) => self.parts[part].once(block, wanted),
            Some(Piece::Repeated { part, row, times }) => {
                let some = times.min(SQL_BLOCK_ROWS);
                if times > some {
                    *piece = Some(Piece::Repeated { part, row, times: times - some });
                }
                let columns = &self.parts[part].columns;
                let block = row as usize / SQL_BLOCK_ROWS;
                let at = row as usize % SQL_BLOCK_ROWS;
                let indices = UInt32Array::from_value(at as u32, some);
                let array = |column: &usize| take(columns.block(*column, block), &indices, None);
                Ok((wanted.iter().map(array).collect::<Result<_, _>>()?, some))
            }
        }
    }
}

impl Part {
    fn words(&self, block: usize) -> &[u64] {
        let words = &self.counts.once;
        &words[block * WORDS..((block + 1) * WORDS).min(words.len())]
    }

    fn once(&self, block: usize, wanted: &[usize]) -> Result<(Vec<ArrayRef>, usize), ArrowError> {
        let rows = (self.columns.rows() - block * SQL_BLOCK_ROWS).min(SQL_BLOCK_ROWS);
        let count = self.words(block).iter().map(|word| word.count_ones()).sum::<u32>() as usize;
        let whole = wanted.iter().map(|column| Arc::clone(self.columns.block(*column, block)));
        if count == rows {
            return Ok((whole.collect(), rows));
        }
        let mask = BooleanBuffer::new(self.once.clone(), block * SQL_BLOCK_ROWS, rows);
        let mask = BooleanArray::new(mask, None);
        let filter = FilterBuilder::new(&mask).optimize().build();
        Ok((whole.map(|array| filter.filter(&array)).collect::<Result<_, _>>()?, count))
    }
}

/// Moves the multiplicity of each row that several batches hold to the oldest of them.
fn resolve(
    batches: &[ViewBatch],
    columns: &[Arc<BatchColumns>],
    counts: &mut [Arc<Multiplicities>],
) {
    for young in 1..batches.len() {
        for old in 0..young {
            let shared = columns[young].shared_with(&batches[young], &batches[old]);
            let (before, from) = counts.split_at_mut(young);
            if shared.is_empty() {
                continue;
            }
            // A row that an older batch has taken already has multiplicity 0 here.
            let to = Arc::make_mut(&mut before[old]);
            let from = Arc::make_mut(&mut from[0]);
            for (here, there) in shared.iter() {
                match from.take(*here) {
                    0 => {}
                    count => to.add(*there, count),
                }
            }
        }
    }
}
