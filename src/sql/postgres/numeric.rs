//! Numbers of `PostgreSQL`'s type `numeric`: an integer of up to 76 digits and a scale.
//!
//! Columns of a fixed scale are `Decimal128`. Those whose scale differs by row are `Decimal256`,
//! and each value has its scale beside it ([`own_scale`]).

use std::cmp::Ordering;

use bytes::BytesMut;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type};
use datafusion::arrow::datatypes::{Int64Type, UInt64Type, i256};

use super::failure::{Outcome, division_by_zero, invalid_text, out_of_range};
use super::own_scale::{self, OWN_SCALES, SCALE_MAX};
use crate::value_text;

/// The digits that a quotient has at least.
const SIGNIFICANT_DIGITS: i32 = 16;
/// `PostgreSQL` calculates with groups of so many digits, and its scales follow from that.
const GROUP: i32 = 4;

/// A number: `units / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numeric {
    pub(super) units: i256,
    pub(super) scale: i32,
}

fn overflow() -> datafusion::error::DataFusionError {
    out_of_range("numeric")
}

/// Ten to the power of `digits`.
pub(super) fn power(digits: i32) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(digits).ok()?)
}

/// `numerator / denominator`, rounded half away from zero.
fn divided(numerator: i256, denominator: i256) -> Option<i256> {
    let quotient = numerator.checked_div(denominator)?;
    let rest = numerator.checked_rem(denominator)?.checked_abs()?;
    let is_up = rest >= denominator.checked_abs()?.checked_sub(rest)?;
    let is_negative = numerator.is_negative() != denominator.is_negative();
    match (is_up, is_negative) {
        (false, _) => Some(quotient),
        (true, false) => quotient.checked_add(i256::ONE),
        (true, true) => quotient.checked_sub(i256::ONE),
    }
}

impl Numeric {
    pub(super) fn of_i128(units: i128) -> Numeric {
        Numeric { units: i256::from_i128(units), scale: 0 }
    }

    pub(super) fn is_zero(self) -> bool {
        self.units == i256::ZERO
    }

    /// The same number, or the nearest, with another scale.
    pub(super) fn rescaled(self, scale: i32) -> Outcome<Numeric> {
        let units = match scale.cmp(&self.scale) {
            Ordering::Equal => Some(self.units),
            Ordering::Greater => {
                power(scale - self.scale).and_then(|power| self.units.checked_mul(power))
            }
            // Beyond the digits that there are, nothing is left.
            Ordering::Less => match power(self.scale - scale) {
                Some(power) => divided(self.units, power),
                None => Some(i256::ZERO),
            },
        };
        Ok(Numeric { units: units.ok_or_else(overflow)?, scale })
    }

    /// The same number with a smaller scale, rounded towards zero.
    pub(super) fn truncated(self, scale: i32) -> Outcome<Numeric> {
        if scale >= self.scale {
            return self.rescaled(scale);
        }
        let units = match power(self.scale - scale) {
            Some(power) => self.units.wrapping_div(power),
            None => i256::ZERO,
        };
        Ok(Numeric { units, scale })
    }

    pub(super) fn plus(self, other: Numeric) -> Outcome<Numeric> {
        let scale = self.scale.max(other.scale);
        let left = self.rescaled(scale)?;
        let right = other.rescaled(scale)?;
        let units = left.units.checked_add(right.units).ok_or_else(overflow)?;
        Ok(Numeric { units, scale })
    }

    pub(super) fn negated(self) -> Outcome<Numeric> {
        let units = self.units.checked_neg().ok_or_else(overflow)?;
        Ok(Numeric { units, ..self })
    }

    pub(super) fn minus(self, other: Numeric) -> Outcome<Numeric> {
        self.plus(other.negated()?)
    }

    pub(super) fn times(self, other: Numeric) -> Outcome<Numeric> {
        let left = self.trimmed(0);
        let right = other.trimmed(0);
        let units = left.units.checked_mul(right.units).ok_or_else(overflow)?;
        let product = Numeric { units, scale: left.scale + right.scale };
        let scale = (self.scale + other.scale).min(SCALE_MAX).max(product.scale);
        Ok(product.rescaled(scale).unwrap_or(product))
    }

    /// The quotient with `PostgreSQL`'s number of digits.
    pub(super) fn over(self, other: Numeric) -> Outcome<Numeric> {
        let scale = self.quotient_scale(other).min(SCALE_MAX);
        self.over_with_scale(other, scale)
    }

    pub(super) fn over_with_scale(self, other: Numeric, scale: i32) -> Outcome<Numeric> {
        if other.is_zero() {
            return Err(division_by_zero());
        }
        let this = self.trimmed(0);
        let other = other.trimmed(0);
        let shift = scale + other.scale - this.scale;
        let (left, right) = match shift >= 0 {
            true => (power(shift).and_then(|p| this.units.checked_mul(p)), Some(other.units)),
            false => (Some(this.units), power(-shift).and_then(|p| other.units.checked_mul(p))),
        };
        let units = left.zip(right).and_then(|(left, right)| divided(left, right));
        Ok(Numeric { units: units.ok_or_else(overflow)?, scale })
    }

    /// The rest of a division whose quotient is rounded towards zero.
    pub(super) fn modulo(self, other: Numeric) -> Outcome<Numeric> {
        if other.is_zero() {
            return Err(division_by_zero());
        }
        let scale = self.scale.max(other.scale);
        let left = self.rescaled(scale)?;
        let right = other.rescaled(scale)?;
        Ok(Numeric { units: left.units.wrapping_rem(right.units), scale })
    }

    /// The scale that `PostgreSQL` gives to the quotient.
    pub(super) fn quotient_scale(self, other: Numeric) -> i32 {
        let (weight, first) = self.first_group();
        let (other_weight, other_first) = other.first_group();
        let weight = weight - other_weight - i32::from(first <= other_first);
        (SIGNIFICANT_DIGITS - weight * GROUP).max(self.scale).max(other.scale).max(0)
    }

    /// The power of 10,000 of the first group of digits that is not zero, and that group.
    fn first_group(self) -> (i32, i32) {
        let Some(last) = self.units.checked_abs().and_then(i256::checked_ilog10) else {
            return (0, 0);
        };
        let weight = (last as i32 - self.scale).div_euclid(GROUP);
        let first =
            Numeric { units: self.units.wrapping_abs(), scale: self.scale + weight * GROUP };
        let first = first.truncated(0).ok().and_then(|first| first.units.to_i128());
        (weight, first.and_then(|first| i32::try_from(first).ok()).unwrap_or(i32::MAX))
    }

    /// Without superfluous zeros behind the first `least` digits after the point.
    pub(super) fn trimmed(mut self, least: i32) -> Numeric {
        let ten = i256::from_i128(10);
        while self.scale > least && self.units.wrapping_rem(ten) == i256::ZERO {
            self.units = self.units.wrapping_div(ten);
            self.scale -= 1;
        }
        self
    }

    /// The double that is nearest.
    pub(super) fn to_f64(self) -> f64 {
        self.text().parse().unwrap_or(f64::NAN)
    }

    /// All its digits.
    pub(super) fn text(self) -> String {
        let mut text = BytesMut::new();
        value_text::decimal_digits(&self.units.to_string(), self.scale, &mut text);
        // Digits are ASCII.
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The integer that is nearest.
    pub(super) fn to_i128(self) -> Option<i128> {
        self.rescaled(0).ok()?.units.to_i128()
    }

    /// A number as it is written: digits, a point, an exponent.
    pub(super) fn parse(text: &str) -> Outcome<Numeric> {
        let word = text.trim().trim_start_matches(['-', '+']);
        if ["nan", "infinity", "inf"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
            return Err(super::failure::refused("NaN and infinity as numeric", "use float8"));
        }
        parse(text.trim()).ok_or_else(|| invalid_text("numeric", text))?
    }

    /// The number that a double shows with 15 digits, which is what its cast to numeric gives.
    pub(super) fn of_f64(value: f64) -> Outcome<Numeric> {
        if !value.is_finite() {
            let what = "NaN and infinity as numeric";
            return Err(super::failure::refused(what, "leave them out with a condition"));
        }
        Ok(Numeric::parse(&format!("{value:.14e}"))?.trimmed(0))
    }
}

fn parse(text: &str) -> Option<Outcome<Numeric>> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unsigned = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let digits = format!("{unsigned}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let scale = i32::try_from(part.len()).ok()?.checked_sub(exponent)?;
    if significant.is_empty() {
        return Some(Ok(Numeric { units: i256::ZERO, scale: scale.clamp(0, 76) }));
    }
    if significant.len() > 76 {
        return Some(Err(overflow()));
    }
    let Some(units) = i256::from_string(&format!("{sign}{significant}")) else {
        return Some(Err(overflow()));
    };
    let number = Numeric { units, scale };
    Some(if scale < 0 { number.rescaled(0) } else { Ok(number) })
}

/// The scale of the numbers in a column of this type.
pub(super) fn scale_of(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => i32::from(*scale),
        _ => 0,
    }
}

/// A column of integers or decimals whose rows are read as [`Numeric`].
pub(super) enum Numerics {
    Int(datafusion::arrow::array::Int64Array),
    UInt(datafusion::arrow::array::UInt64Array),
    Decimal(datafusion::arrow::array::Decimal128Array),
    Wide(datafusion::arrow::array::Decimal256Array),
    OwnScales(datafusion::arrow::array::Decimal256Array),
}

impl Numerics {
    pub(super) fn of(array: &ArrayRef) -> Outcome<Numerics> {
        use datafusion::arrow::compute::cast;
        Ok(match array.data_type() {
            DataType::UInt64 => Numerics::UInt(array.as_primitive::<UInt64Type>().clone()),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                let wide = cast(array, &DataType::Decimal128(*precision, *scale))?;
                Numerics::Decimal(wide.as_primitive::<Decimal128Type>().clone())
            }
            DataType::Decimal128(..) => {
                Numerics::Decimal(array.as_primitive::<Decimal128Type>().clone())
            }
            data_type if *data_type == OWN_SCALES => {
                Numerics::OwnScales(array.as_primitive::<Decimal256Type>().clone())
            }
            DataType::Decimal256(..) => {
                Numerics::Wide(array.as_primitive::<Decimal256Type>().clone())
            }
            _ => Numerics::Int(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        })
    }

    pub(super) fn get(&self, row: usize) -> Option<Numeric> {
        let (units, scale) = match self {
            Numerics::Int(values) if values.is_valid(row) => {
                (i256::from_i128(values.value(row).into()), 0)
            }
            Numerics::UInt(values) if values.is_valid(row) => {
                (i256::from_i128(values.value(row).into()), 0)
            }
            Numerics::Decimal(values) if values.is_valid(row) => {
                (i256::from_i128(values.value(row)), values.scale())
            }
            Numerics::Wide(values) if values.is_valid(row) => {
                let number = Numeric { units: values.value(row), scale: values.scale().into() };
                return Some(number.trimmed(0));
            }
            Numerics::OwnScales(values) if values.is_valid(row) => {
                return Some(own_scale::decoded(values.value(row)));
            }
            _ => return None,
        };
        Some(Numeric { units, scale: scale.into() })
    }
}

/// A column of `data_type`, which is a decimal, of these numbers.
pub(super) fn column(
    rows: impl Iterator<Item = Outcome<Option<Numeric>>>,
    data_type: &DataType,
) -> Outcome<ArrayRef> {
    use datafusion::arrow::array::{Decimal128Array, Decimal256Array};
    let scale = scale_of(data_type);
    let precision = match data_type {
        DataType::Decimal128(precision, _) | DataType::Decimal256(precision, _) => *precision,
        _ => 76,
    };
    let most = power(precision.into());
    let exact = |number: Numeric| {
        if *data_type == OWN_SCALES {
            return own_scale::encoded(number);
        }
        let units = number.rescaled(scale)?.units;
        let fits = most.is_none_or(|most| units.checked_abs().is_some_and(|units| units < most));
        if fits { Ok(units) } else { Err(overflow()) }
    };
    let units = rows.map(|row| row?.map(exact).transpose());
    if let DataType::Decimal256(..) = data_type {
        let array = units.collect::<Outcome<Decimal256Array>>()?;
        return Ok(std::sync::Arc::new(array.with_data_type(data_type.clone())));
    }
    let narrow = |units: i256| units.to_i128().ok_or_else(overflow);
    let array =
        units.map(|units| units?.map(narrow).transpose()).collect::<Outcome<Decimal128Array>>()?;
    Ok(std::sync::Arc::new(array.with_data_type(data_type.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(text: &str) -> Numeric {
        Numeric::parse(text).expect("a number")
    }

    #[test]
    fn quotients_have_the_digits_of_postgres() {
        for (left, right, quotient) in [
            ("1", "3.0", "0.33333333333333333333"),
            ("7", "3", "2.3333333333333333"),
            ("7", "7.0", "1.00000000000000000000"),
            ("8", "7.0", "1.1428571428571429"),
            ("1000", "3", "333.3333333333333333"),
            ("100000", "3", "33333.333333333333"),
            ("-2", "3", "-0.66666666666666666667"),
            ("0", "3", "0.00000000000000000000"),
            ("1", "3000000.0", "0.000000333333333333333333"),
            ("123456789012345678", "7", "17636684144620811"),
        ] {
            let found = numeric(left).over(numeric(right)).expect("a quotient");
            assert_eq!(found.text(), quotient, "{left} / {right}");
        }
        assert!(numeric("1").over(numeric("0.0")).is_err());
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        assert_eq!(numeric("1.50").text(), "1.50");
        assert_eq!(numeric("-.5").text(), "-0.5");
        assert_eq!(numeric("1e3").text(), "1000");
        assert_eq!(numeric("1.25e1").text(), "12.5");
        assert!(Numeric::parse("1.2.3").is_err() && Numeric::parse("").is_err());
        assert_eq!(numeric("2.5").rescaled(0).expect("fits").text(), "3");
        assert_eq!(numeric("-2.5").rescaled(0).expect("fits").text(), "-3");
        assert_eq!(Numeric::of_f64(1.005).expect("finite").text(), "1.005");
        assert_eq!(numeric("7.5").modulo(numeric("-2")).expect("a rest").text(), "1.5");
    }
}
