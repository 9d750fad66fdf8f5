//! Deviations and variances of integers and decimals, from exact sums.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type, i256};
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::failure::{Outcome, out_of_range};
use super::numeric::{Numeric, Numerics, power};
use super::own_scale::{OWN_SCALES, SCALE_MAX};
use super::sums_of_squares::Statistic;
use super::text_input;

/// The types of the state: how many numbers there are, their sum, and the sum of their squares,
/// both as texts, because their scales are known only while they are added up.
pub(super) const STATE: [(&str, DataType); 3] =
    [("count", DataType::Int64), ("sum", DataType::Utf8), ("squares", DataType::Utf8)];

/// The sums of the numbers so far.
#[derive(Debug)]
pub(super) struct ExactStatistic {
    statistic: Statistic,
    count: i64,
    sum: Numeric,
    squares: Numeric,
}

impl ExactStatistic {
    pub(super) fn new(statistic: Statistic) -> ExactStatistic {
        let zero = Numeric::of_i128(0);
        ExactStatistic { statistic, count: 0, sum: zero, squares: zero }
    }

    fn add(&mut self, count: i64, sum: Numeric, squares: Numeric) -> Outcome<()> {
        self.count += count;
        self.sum = self.sum.plus(sum)?;
        self.squares = self.squares.plus(squares)?;
        Ok(())
    }

    fn value(&self) -> Outcome<Option<Numeric>> {
        let (is_of_all, is_root) = match self.statistic {
            Statistic::Deviation => (false, true),
            Statistic::DeviationOfAll => (true, true),
            Statistic::Variance => (false, false),
            _ => (true, false),
        };
        if self.count < if is_of_all { 1 } else { 2 } {
            return Ok(None);
        }
        let count = Numeric::of_i128(self.count.into());
        let others = Numeric::of_i128(if is_of_all { self.count } else { self.count - 1 }.into());
        // N * sum of squares - square of sum, over N * N or N * (N - 1).
        let scale = (2 * self.sum.scale).min(SCALE_MAX);
        let above = count.times(self.squares)?.minus(self.sum.times(self.sum)?)?;
        if above.is_zero() || above.units.is_negative() {
            return Ok(Some(Numeric::of_i128(0)));
        }
        let above = above.rescaled(scale)?;
        let variance = above.over(count.times(others)?)?;
        if is_root { root(variance).map(Some) } else { Ok(Some(variance)) }
    }
}

/// The square root, with the scale of the number.
fn root(number: Numeric) -> Outcome<Numeric> {
    if number.is_zero() {
        return Ok(number);
    }
    let wide = power(number.scale).and_then(|power| number.units.checked_mul(power));
    let wide = wide.ok_or_else(|| out_of_range("numeric"))?;
    // Newton's method, from above: each step is nearer, until none is.
    let digits = wide.checked_ilog10().unwrap_or(0);
    let two = i256::from_i128(2);
    let start = power((digits / 2 + 1) as i32).ok_or_else(|| out_of_range("numeric"))?;
    let mut found = start;
    loop {
        let next = found.wrapping_add(wide.wrapping_div(found)).wrapping_div(two);
        if next >= found {
            break;
        }
        found = next;
    }
    // What is left decides whether the next is nearer.
    let rest = wide.wrapping_sub(found.wrapping_mul(found));
    let units = if rest > found { found.wrapping_add(i256::ONE) } else { found };
    Ok(Numeric { units, scale: number.scale })
}

impl Accumulator for ExactStatistic {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        let numbers = Numerics::of(&values[0])?;
        (0..values[0].len())
            .filter_map(|row| numbers.get(row))
            .try_for_each(|number| self.add(1, number, number.times(number)?))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        let numbers = Numerics::of(&values[0])?;
        (0..values[0].len()).filter_map(|row| numbers.get(row)).try_for_each(|number| {
            self.add(-1, number.negated()?, number.times(number)?.negated()?)
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        match self.value()? {
            Some(value) => text_input::decimal(value, &OWN_SCALES),
            None => ScalarValue::try_from(&OWN_SCALES),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        let text = |number: Numeric| ScalarValue::Utf8(Some(number.text()));
        Ok(vec![ScalarValue::Int64(Some(self.count)), text(self.sum), text(self.squares)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        let [counts, sums, squares] = states else { return Ok(()) };
        let counts = counts.as_primitive::<Int64Type>();
        let (sums, squares) = (sums.as_string::<i32>(), squares.as_string::<i32>());
        (0..counts.len()).try_for_each(|row| {
            let (sum, square) = (sums.value(row), squares.value(row));
            self.add(counts.value(row), Numeric::parse(sum)?, Numeric::parse(square)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_rounded() {
        let of = |text| root(Numeric::parse(text).expect("a number")).expect("in range").text();
        assert_eq!(of("4"), "2");
        assert_eq!(of("2.0000"), "1.4142");
        assert_eq!(of("0.2500"), "0.5000");
        assert_eq!(of("24.500000"), "4.949747");
        assert_eq!(of("0.0001"), "0.0100");
    }
}
