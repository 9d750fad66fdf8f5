//! The average of intervals: their sum, divided by their number.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::calendar::CalendarSpan;
use super::failure::{Outcome, beyond_calendar};
use super::time_arithmetic::{of_span, span, spans};

/// The types of the state: months, days, microseconds, and the number of intervals.
pub(super) const STATE: [(&str, DataType); 4] = [
    ("months", DataType::Int64),
    ("days", DataType::Int64),
    ("micros", DataType::Int64),
    ("count", DataType::Int64),
];

/// The sums of the parts, and the number of intervals.
#[derive(Debug, Default)]
pub(super) struct IntervalAverage([i64; 4]);

impl IntervalAverage {
    fn add(&mut self, parts: [i64; 4], sign: i64) -> Outcome<()> {
        for (sum, part) in self.0.iter_mut().zip(parts) {
            let added = part.checked_mul(sign).and_then(|part| sum.checked_add(part));
            *sum = added.ok_or_else(|| beyond_calendar("interval"))?;
        }
        Ok(())
    }

    fn add_all(&mut self, values: &[ArrayRef], sign: i64) -> Outcome<()> {
        let values: IntervalMonthDayNanoArray = spans(&values[0])?;
        values.iter().flatten().map(span).try_for_each(|span| {
            self.add([span.months.into(), span.days.into(), span.micros, 1], sign)
        })
    }
}

impl Accumulator for IntervalAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.add_all(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.add_all(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        let [months, days, micros, count] = self.0;
        if count == 0 {
            return Ok(ScalarValue::IntervalMonthDayNano(None));
        }
        let small = |part| i32::try_from(part).map_err(|_| beyond_calendar("interval"));
        let sum = CalendarSpan { months: small(months)?, days: small(days)?, micros };
        let average = of_span(sum.scaled(|part| part / count as f64)?)?;
        Ok(ScalarValue::IntervalMonthDayNano(Some(average)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        Ok(self.0.map(|part| ScalarValue::Int64(Some(part))).to_vec())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        (0..states.first().map_or(0, Array::len)).try_for_each(|row| {
            let mut parts = [0; 4];
            for (part, state) in parts.iter_mut().zip(states) {
                *part = state.as_primitive::<Int64Type>().value(row);
            }
            self.add(parts, 1)
        })
    }
}
