//! Exact decimal numbers of a fixed scale.

use arrow_buffer::i256;
use arrow_schema::DataType;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use diptych_base::error::{Error, Kind};

/// The most digits of a decimal, as in Arrow's `Decimal128`.
const DIGITS: u8 = 38;
/// The greatest absolute value, in units of the last digit.
const MOST: i128 = 10_i128.pow(DIGITS as u32) - 1;

/// A number of at most 38 digits with `SCALE` of them behind the point: `Decimal<2>` is cents.
///
/// Sums are exact, so they are the same in any order, unlike those of floats. Shown with all its
/// digits (`12.30`); parsed with at most `SCALE` digits behind the point, because rounding would
/// lose some. Serialised as text in human-readable formats, as an `i128` of units otherwise.
///
/// ```
/// # use diptych::event::Decimal;
/// let price: Decimal<2> = "2.55".parse()?;
/// assert_eq!((price * 6).to_string(), "15.30");
/// assert!("2.555".parse::<Decimal<2>>().is_err());
/// # Ok::<(), diptych::Error>(())
/// ```
///
/// # Panics
/// The operators panic when a result has more than 38 digits: 10^36 units of the currency at two
/// digits behind the point. `checked_add` does not.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const SCALE: u8>(i128);

/// The Arrow type of a decimal column.
pub(crate) fn data_type(scale: u8) -> DataType {
    DataType::Decimal128(DIGITS, scale.cast_signed())
}

/// Divides units of one scale by a non-zero whole number, giving units of another scale; halves
/// round away from zero. None where the result has more digits than an `i128`, or an intermediate
/// value more than 76.
pub fn divided(units: i256, from: u8, to: u8, divisor: i128) -> Option<i128> {
    let power = 10_i128.checked_pow(to.abs_diff(from).into())?;
    let narrow = || {
        let units = units.to_i128()?;
        let (units, divisor) = if to < from {
            (units, divisor.checked_mul(power)?)
        } else {
            (units.checked_mul(power)?, divisor)
        };
        // An odd divisor has no half; its integer half rounds correctly.
        Some(units.checked_add(divisor.abs() / 2 * units.signum())? / divisor)
    };
    let wide = || {
        let divisor = i256::from_i128(divisor);
        let power = i256::from_i128(power);
        let (units, divisor) = if to < from {
            (units, divisor.checked_mul(power)?)
        } else {
            (units.checked_mul(power)?, divisor)
        };
        let half = divisor.checked_abs()?.checked_div(i256::from_i128(2))?;
        let rounding = half.checked_mul(units.signum())?;
        units.checked_add(rounding)?.checked_div(divisor)?.to_i128()
    };
    narrow().or_else(wide)
}

/// The refusal of a value of more than 38 digits.
pub(crate) fn too_wide(units: i128, scale: u8) -> Error {
    Error::new(Kind::Input, format!("{units}e-{scale} has more than {DIGITS} digits"))
        .remedy("a decimal has at most 38 digits, with those behind the point")
}

impl<const SCALE: u8> Decimal<SCALE> {
    /// Checked when the type is first used: a scale is at most the number of digits.
    const FITS: () = assert!(SCALE <= DIGITS, "a Decimal has at most 38 digits behind the point");

    /// Zero.
    pub const ZERO: Self = Decimal(0);

    /// The number of `units` of the last digit (`Decimal::<2>::new(255)` is 2.55), unless it has
    /// more than 38 digits.
    pub const fn new(units: i128) -> Option<Self> {
        let () = Self::FITS;
        if units.unsigned_abs() <= MOST.unsigned_abs() { Some(Decimal(units)) } else { None }
    }

    /// The number of units of the last digit: 255 for 2.55.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The sum, unless it has more than 38 digits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        // Two values of 38 digits cannot overflow 127 bits.
        match self.0.checked_add(other.0) {
            Some(units) => Self::new(units),
            None => None,
        }
    }

    /// Divides by a whole number and rounds to `TO` digits behind the point; halves round away from
    /// zero.
    ///
    /// ```
    /// # use diptych::event::Decimal;
    /// let paid: Decimal<2> = "100.00".parse()?;
    /// assert_eq!(paid.over::<4>(3).to_string(), "33.3333");
    /// assert_eq!(paid.over::<0>(-8).to_string(), "-13");
    /// # Ok::<(), diptych::Error>(())
    /// ```
    ///
    /// # Panics
    /// When `divisor` is zero, and when the result, or this number with `TO` digits, has more than
    /// 38 digits.
    #[must_use]
    pub fn over<const TO: u8>(self, divisor: i64) -> Decimal<TO> {
        assert!(divisor != 0, "{self} divided by zero");
        let units = divided(i256::from_i128(self.0), SCALE, TO, divisor.into());
        Decimal::<TO>::expect(units, || format!("{self} / {divisor}"))
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 10_f64.powi(i32::from(SCALE))
    }

    /// Wraps a value that [`Decimal::new`] accepted when its column was opened.
    #[inline]
    pub const fn checked_at_the_door(units: i128) -> Self {
        Decimal(units)
    }

    fn expect(result: Option<i128>, what: impl FnOnce() -> String) -> Self {
        match result.and_then(Self::new) {
            Some(number) => number,
            None => panic!("{} has more than {DIGITS} digits", what()),
        }
    }
}

impl<const SCALE: u8> Add for Decimal<SCALE> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::expect(self.0.checked_add(other.0), || format!("{self} + {other}"))
    }
}

impl<const SCALE: u8> Sub for Decimal<SCALE> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::expect(self.0.checked_sub(other.0), || format!("{self} - {other}"))
    }
}

impl<const SCALE: u8> Mul<i64> for Decimal<SCALE> {
    type Output = Self;

    fn mul(self, times: i64) -> Self {
        Self::expect(self.0.checked_mul(i128::from(times)), || format!("{self} * {times}"))
    }
}

impl<const SCALE: u8> Neg for Decimal<SCALE> {
    type Output = Self;

    fn neg(self) -> Self {
        Decimal(-self.0)
    }
}

impl<const SCALE: u8> AddAssign for Decimal<SCALE> {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<const SCALE: u8> SubAssign for Decimal<SCALE> {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl<const SCALE: u8> Sum for Decimal<SCALE> {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Add::add)
    }
}

impl<const SCALE: u8> fmt::Display for Decimal<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u128.pow(u32::from(SCALE));
        let whole = self.0.unsigned_abs() / one;
        let part = self.0.unsigned_abs() % one;
        let text = match SCALE {
            0 => whole.to_string(),
            _ => format!("{whole}.{part:0width$}", width = usize::from(SCALE)),
        };
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

impl<const SCALE: u8> fmt::Debug for Decimal<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const SCALE: u8> FromStr for Decimal<SCALE> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text, SCALE).and_then(Self::new).ok_or_else(|| {
            let message = format!("`{text}` is not a decimal of scale {SCALE}");
            let remedy = format!("write digits, at most {SCALE} of them behind the point");
            Error::new(Kind::Input, message).remedy(remedy)
        })
    }
}

/// The units of a decimal of `scale`; `None` for text that is not a number, would lose digits, or
/// overflows.
pub fn parse(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.as_bytes() {
        [sign @ (b'-' | b'+'), rest @ ..] => (*sign == b'-', rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let whole = &digits[..point];
    let part = digits.get(point + 1..).unwrap_or_default();
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let (kept, lost) = part.split_at(part.len().min(usize::from(scale)));
    if lost.iter().any(|&byte| byte != b'0') {
        return None;
    }
    let zeros = std::iter::repeat_n(&b'0', usize::from(scale) - kept.len());
    let units = whole.iter().chain(kept).chain(zeros).try_fold(0_i128, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    (units <= MOST).then_some(if negative { -units } else { units })
}

impl<const SCALE: u8> Serialize for Decimal<SCALE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i128(self.0)
        }
    }
}

impl<'de, const SCALE: u8> Deserialize<'de> for Decimal<SCALE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        let units = i128::deserialize(deserializer)?;
        Self::new(units).ok_or_else(|| de::Error::custom(too_wide(units, SCALE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_never_lost() {
        let parse = |text: &str| text.parse::<Decimal<2>>().ok().map(Decimal::units);
        assert_eq!(parse("2.55"), Some(255));
        assert_eq!(parse("-.5"), Some(-50));
        assert_eq!(parse("+7."), Some(700));
        assert_eq!(parse("2.5500"), Some(255));
        for text in ["", "-", ".", "2.555", "1e3", "2,5", "0x1", " 1", "1.2.3", &"9".repeat(37)] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"9".repeat(36)).map(|units| units / 100 % 10), Some(9));
    }

    #[test]
    #[should_panic(expected = "has more than 38 digits")]
    fn a_sum_of_too_many_digits_panics_with_both_values() {
        let most = Decimal::<0>::new(MOST).expect("38 digits");
        let _ = most + Decimal::new(1).expect("one digit");
    }

    #[test]
    #[should_panic(expected = "1.00 divided by zero")]
    fn nothing_is_divided_by_zero() {
        let _ = Decimal::<2>::new(100).expect("three digits").over::<2>(0);
    }

    proptest! {
        #[test]
        fn a_quotient_is_rounded_to_the_nearest(units in -10_000_i128..10_000, by in -99_i64..99) {
            prop_assume!(by != 0);
            let halves = |found: i128, scale: i128| {
                // |units / by - found / scale| is at most a half of 1 / scale.
                let by = i128::from(by);
                (2 * (units * scale - found * by * 100)).abs() <= by.abs() * 100
            };
            let number = Decimal::<2>::new(units).expect("few digits");
            let fine = number.over::<4>(by).units();
            let coarse = number.over::<1>(by).units();
            prop_assert!(halves(fine, 10_000) && halves(coarse, 10));
            prop_assert_eq!((-number).over::<1>(by).units(), -coarse, "not away from zero");
        }

        #[test]
        fn shown_and_parsed_is_the_same(units in -MOST..=MOST) {
            let cents = Decimal::<2>::new(units).expect("38 digits");
            prop_assert_eq!(cents.to_string().parse::<Decimal<2>>().ok(), Some(cents));
            let parts = Decimal::<38>::new(units).expect("38 digits");
            prop_assert_eq!(parts.to_string().parse::<Decimal<38>>().ok(), Some(parts));
            let whole = Decimal::<0>::new(units).expect("38 digits");
            prop_assert_eq!(whole.to_string().parse::<Decimal<0>>().ok(), Some(whole));
        }
    }
}
