//! Numbers whose scale differs by row: columns that keep for each value how many digits of it are
//! shown.
//!
//! `PostgreSQL` shows `1.50` and `1.5` as they came, and gives a quotient as many digits as its
//! size asks for. A value is kept in units of 10^-36, and behind them are two digits for its scale,
//! which are far below any digit of the value. The order of such columns is that of their numbers;
//! whether two are equal is asked of [`PLAIN`] ones.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal256Array};
use datafusion::arrow::datatypes::{DataType, Decimal256Type, i256};

use super::failure::{Outcome, out_of_range};
use super::numeric::{Numeric, power};

/// The most digits after the point.
pub(super) const SCALE_MAX: i32 = 36;
const OWN: i8 = 38;
/// The type of a column whose values have scales of their own.
pub(super) const OWN_SCALES: DataType = DataType::Decimal256(76, OWN);
/// The type of the same numbers, without scales.
pub(super) const PLAIN: DataType = DataType::Decimal256(76, 37);

const ROOM: i256 = i256::from_i128(100);

/// The number behind `raw`, which is a value of such a column.
pub(super) fn decoded(raw: i256) -> Numeric {
    let (units, scale) = split(raw);
    let whole = Numeric { units, scale: SCALE_MAX };
    let step = power(SCALE_MAX - scale).unwrap_or(i256::ONE);
    match units.wrapping_rem(step) == i256::ZERO {
        true => Numeric { units: units.wrapping_div(step), scale },
        // The engine made a decimal of another scale one of this type.
        false => whole.trimmed(scale),
    }
}

/// `number` as a value of such a column.
pub(super) fn encoded(number: Numeric) -> Outcome<i256> {
    let scale = number.scale.clamp(0, SCALE_MAX);
    joined(number.rescaled(SCALE_MAX)?.units, scale).ok_or_else(|| out_of_range("numeric"))
}

/// Units and scale of a value.
fn split(raw: i256) -> (i256, i32) {
    let rest = raw.wrapping_rem(ROOM);
    let scale = if rest.is_negative() { rest.wrapping_add(ROOM) } else { rest };
    let units = raw.wrapping_sub(scale).wrapping_div(ROOM);
    (units, scale.to_i128().map_or(0, |scale| (scale as i32).min(SCALE_MAX)))
}

fn joined(units: i256, scale: i32) -> Option<i256> {
    units.checked_mul(ROOM)?.checked_add(i256::from_i128(scale.into()))
}

/// What values of the same number have in common.
pub(super) fn key(raw: i256) -> i256 {
    split(raw).0
}

/// The sum of two values; its scale is the larger one.
pub(super) fn sum(left: i256, right: i256) -> Option<i256> {
    let (units, scale) = split(left);
    let (more, other) = split(right);
    joined(units.checked_add(more)?, scale.max(other))
}

/// `left` without `right`.
pub(super) fn difference(left: i256, right: i256) -> Option<i256> {
    let (units, scale) = split(left);
    let (less, other) = split(right);
    joined(units.checked_sub(less)?, scale.max(other))
}

/// A column of such values without their scales.
pub(super) fn plain(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let ten = i256::from_i128(10);
    let column = args[0].as_primitive::<Decimal256Type>();
    let plain = |raw: i256| split(raw).0.wrapping_mul(ten);
    let plain: Decimal256Array = column.unary(plain);
    Ok(Arc::new(plain.with_data_type(PLAIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_with_their_digits() {
        for text in ["0", "0.00000000000000000000", "1.50", "-1.50", "-0.01", "12", "-7", "0.10"] {
            let number = Numeric::parse(text).expect("a number");
            let raw = encoded(number).expect("it fits");
            assert_eq!(decoded(raw).text(), text);
        }
        let raw = |text| encoded(Numeric::parse(text).expect("a number")).expect("it fits");
        assert!(raw("-1.50") < raw("-1.4") && raw("-0.1") < raw("0") && raw("0.00") < raw("0.1"));
        let added = sum(raw("-1.5"), raw("1.50")).expect("it fits");
        assert_eq!(decoded(added).text(), "0.00");
        assert_eq!(decoded(difference(raw("1"), raw("2.5")).expect("it fits")).text(), "-1.5");
    }

    #[test]
    fn decimals_of_another_scale_lose_nothing() {
        // 1.5 in units of 10^-38.
        let raw = i256::from_i128(15).wrapping_mul(power(37).expect("it fits"));
        assert_eq!(decoded(raw).text(), "1.5");
    }
}
