//! Finds columns whose times all lie in January 1970: a sign of a wrong unit.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_schema::{DataType, TimeUnit};
use std::ops::Range;

/// January 1970, in days since it began.
const DAYS: Range<i32> = 0..31;
/// January 1970 in microseconds.
const MICROS: Range<i64> = 0..31 * 24 * 60 * 60 * 1_000_000;

/// Tells for each column whether all its values so far are times in January 1970; none before the
/// first value.
#[derive(Default)]
pub(super) struct WrongTimeUnit(Vec<Option<bool>>);

impl WrongTimeUnit {
    /// Checks more rows of the same columns.
    pub(super) fn look(&mut self, rows: &RecordBatch) {
        self.0.resize(rows.num_columns(), None);
        for (all, column) in self.0.iter_mut().zip(rows.columns()) {
            if *all == Some(false) {
                continue;
            }
            let mut inside = match column.data_type() {
                DataType::Date32 => {
                    let days = column.as_primitive::<Date32Type>();
                    days.iter().flatten().map(|day| DAYS.contains(&day)).min()
                }
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    let times = column.as_primitive::<TimestampMicrosecondType>();
                    times.iter().flatten().map(|at| MICROS.contains(&at)).min()
                }
                _ => None,
            };
            if all.is_some() && inside.is_none() {
                inside = *all;
            }
            *all = inside;
        }
    }

    /// The numbers of the columns with only such times.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, all)| **all == Some(true)).map(|(index, _)| index)
    }
}
