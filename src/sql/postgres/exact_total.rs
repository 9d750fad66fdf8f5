//! Exact totals of integers and decimals: the state of `sum` and `avg`.
//!
//! 64-bit integers are added up in 128 bits, which no number of rows exceeds; decimals are checked.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Int64Array, PrimitiveArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Int64Type, UInt64Type, i256,
};

use super::failure::{Outcome, out_of_range};
use super::numeric::{Numeric, scale_of};
use super::own_scale::{self, OWN_SCALES};

/// A total of 128 or 256 bits.
pub(super) trait ExactTotal:
    Copy + Default + Debug + Eq + std::hash::Hash + Send + Sync + 'static
{
    /// The decimal whose columns hold totals between steps.
    type Column: ArrowPrimitiveType<Native = Self>;

    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
    /// What equal values have in common.
    fn key(self) -> Self;
    /// The number that the total is, in a column of `scale`.
    fn number(self, scale: i32) -> Numeric;
    /// Calls `each` for each row that has a value.
    fn rows(array: &ArrayRef, each: impl FnMut(usize, Self)) -> Outcome<()>;
    /// The total of all rows that have a value.
    fn total(array: &ArrayRef) -> Outcome<Self>;
    fn state_type(input: &DataType) -> DataType;
}

fn overflow() -> datafusion::error::DataFusionError {
    out_of_range("numeric")
}

/// Calls `each` for each row that has a value.
fn valid<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    mut each: impl FnMut(usize, T::Native),
) {
    if values.null_count() == 0 {
        for (row, value) in values.values().iter().enumerate() {
            each(row, *value);
        }
        return;
    }
    for (row, value) in values.iter().enumerate() {
        if let Some(value) = value {
            each(row, value);
        }
    }
}

/// The total of 64-bit integers. Halves are added up apart, which processors do many at a time.
fn total_of_ints(values: &[i64]) -> i128 {
    let block = |block: &[i64]| {
        let mut high = 0_i64;
        let mut low = 0_u64;
        for value in block {
            high += value >> 32;
            low += u64::from(*value as u32);
        }
        (i128::from(high) << 32) + i128::from(low)
    };
    values.chunks(1 << 20).map(block).sum()
}

impl ExactTotal for i128 {
    type Column = Decimal128Type;

    fn plus(self, other: i128) -> Option<i128> {
        self.checked_add(other)
    }

    fn minus(self, other: i128) -> Option<i128> {
        self.checked_sub(other)
    }

    fn key(self) -> i128 {
        self
    }

    fn number(self, scale: i32) -> Numeric {
        Numeric { units: i256::from_i128(self), scale }
    }

    fn rows(array: &ArrayRef, mut each: impl FnMut(usize, i128)) -> Outcome<()> {
        match array.data_type() {
            DataType::Decimal128(..) => valid(array.as_primitive::<Decimal128Type>(), each),
            DataType::UInt64 => {
                valid(array.as_primitive::<UInt64Type>(), |row, value| each(row, value.into()));
            }
            DataType::Int64 => {
                valid(array.as_primitive::<Int64Type>(), |row, value| each(row, value.into()));
            }
            _ => {
                let wide = cast(array, &DataType::Int64)?;
                valid(wide.as_primitive::<Int64Type>(), |row, value| each(row, value.into()));
            }
        }
        Ok(())
    }

    fn total(array: &ArrayRef) -> Outcome<i128> {
        let is_integer = array.data_type().is_integer() && *array.data_type() != DataType::UInt64;
        if is_integer && array.null_count() == 0 {
            let wide = cast(array, &DataType::Int64)?;
            return Ok(total_of_ints(wide.as_primitive::<Int64Type>().values()));
        }
        let mut total = Some(0_i128);
        i128::rows(array, |_, value| total = total.and_then(|total| total.checked_add(value)))?;
        total.ok_or_else(overflow)
    }

    fn state_type(input: &DataType) -> DataType {
        DataType::Decimal128(38, scale_of(input) as i8)
    }
}

impl ExactTotal for i256 {
    type Column = Decimal256Type;

    fn plus(self, other: i256) -> Option<i256> {
        own_scale::sum(self, other)
    }

    fn minus(self, other: i256) -> Option<i256> {
        own_scale::difference(self, other)
    }

    fn key(self) -> i256 {
        own_scale::key(self)
    }

    fn number(self, _: i32) -> Numeric {
        own_scale::decoded(self)
    }

    fn rows(array: &ArrayRef, each: impl FnMut(usize, i256)) -> Outcome<()> {
        valid(array.as_primitive::<Decimal256Type>(), each);
        Ok(())
    }

    fn total(array: &ArrayRef) -> Outcome<i256> {
        let mut total = Some(i256::ZERO);
        i256::rows(array, |_, value| total = total.and_then(|total| total.plus(value)))?;
        total.ok_or_else(overflow)
    }

    fn state_type(_: &DataType) -> DataType {
        OWN_SCALES
    }
}

/// What a total becomes at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Goal {
    Sum,
    Average,
}

/// The value of `goal` for totals and counts; none where no row had a value.
pub(super) fn finished<T: ExactTotal>(
    goal: Goal,
    scale: i32,
    rows: impl Iterator<Item = Option<(T, i64)>>,
    to: &DataType,
) -> Outcome<ArrayRef> {
    let number = |total: T| total.number(scale);
    if *to == DataType::Int64 {
        let int = |(total, _): (T, i64)| {
            let whole = number(total).to_i128().and_then(|total| i64::try_from(total).ok());
            whole.ok_or_else(|| out_of_range("bigint"))
        };
        let ints = rows.map(|row| row.map(int).transpose());
        return Ok(Arc::new(ints.collect::<Outcome<Int64Array>>()?));
    }
    let one = |(total, count): (T, i64)| match goal {
        Goal::Sum => Ok(number(total)),
        Goal::Average => number(total).over(Numeric::of_i128(count.into())),
    };
    super::numeric::column(rows.map(|row| row.map(one).transpose()), to)
}

/// The totals of groups.
#[derive(Debug, Default)]
pub(super) struct GroupTotals<T> {
    pub(super) totals: Vec<T>,
    /// How many values each group has; empty while only `sum` asks, and every group has one.
    pub(super) counts: Vec<i64>,
    pub(super) is_counted: bool,
}

impl<T: ExactTotal> GroupTotals<T> {
    /// Adds the rows of `array` to the groups that `groups` names.
    pub(super) fn add(
        &mut self,
        array: &ArrayRef,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Outcome<()> {
        if !self.is_counted && (array.null_count() > 0 || filter.is_some()) {
            self.counts = vec![1; self.totals.len()];
            self.is_counted = true;
        }
        self.totals.resize(count, T::default());
        if self.is_counted {
            self.counts.resize(count, 0);
        }
        let is_in = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        let (totals, counts, is_counted) = (&mut self.totals, &mut self.counts, self.is_counted);
        let mut has_overflow = false;
        T::rows(array, |row, value| {
            if !is_in(row) {
                return;
            }
            let total = &mut totals[groups[row]];
            match total.plus(value) {
                Some(sum) => *total = sum,
                None => has_overflow = true,
            }
            if is_counted {
                counts[groups[row]] += 1;
            }
        })?;
        if has_overflow { Err(overflow()) } else { Ok(()) }
    }

    /// The count of a group, which is at least 1 where nothing is counted.
    pub(super) fn row(&self, at: usize) -> Option<(T, i64)> {
        let count = if self.is_counted { self.counts[at] } else { 1 };
        (count > 0).then(|| (self.totals[at], count))
    }
}

/// One total, from which rows can be taken out again.
#[derive(Debug, Default)]
pub(super) struct OneTotal<T> {
    pub(super) total: T,
    pub(super) count: i64,
}

impl<T: ExactTotal> OneTotal<T> {
    pub(super) fn add(&mut self, array: &ArrayRef) -> Outcome<()> {
        let sum = self.total.plus(T::total(array)?).ok_or_else(overflow)?;
        self.total = sum;
        self.count += (array.len() - array.null_count()) as i64;
        Ok(())
    }

    pub(super) fn take(&mut self, array: &ArrayRef) -> Outcome<()> {
        let rest = self.total.minus(T::total(array)?).ok_or_else(overflow)?;
        self.total = rest;
        self.count -= (array.len() - array.null_count()) as i64;
        Ok(())
    }

    pub(super) fn row(&self) -> Option<(T, i64)> {
        (self.count > 0).then_some((self.total, self.count))
    }
}

/// Different values by their keys, each once.
#[derive(Debug, Default)]
pub(super) struct DistinctValues<T>(pub(super) HashMap<T, T>);

impl<T: ExactTotal> DistinctValues<T> {
    pub(super) fn add(&mut self, array: &ArrayRef) -> Outcome<()> {
        T::rows(array, |_, value| {
            self.0.entry(value.key()).or_insert(value);
        })
    }

    pub(super) fn row(&self) -> Outcome<Option<(T, i64)>> {
        let mut total = T::default();
        for value in self.0.values() {
            total = total.plus(*value).ok_or_else(overflow)?;
        }
        Ok((!self.0.is_empty()).then_some((total, self.0.len() as i64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_exact() {
        let values = [i64::MAX, i64::MAX, -1, i64::MIN, 7, -(1 << 40)];
        let exact: i128 = values.iter().map(|value| i128::from(*value)).sum();
        assert_eq!(total_of_ints(&values), exact);
        assert_eq!(total_of_ints(&[i64::MIN; 3]), 3 * i128::from(i64::MIN));
        let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(1)]));
        assert_eq!(i128::total(&array).expect("it fits"), 1_i128 << 63);
    }
}
