//! The sum of floating-point numbers, exactly.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

use crate::{Summand, Wide};
use diptych_event::Float;

/// The least power of two in a float: every float is a whole number of 2^-1074.
const LEAST: i32 = -1074;
/// Bits that a float holds exactly.
const DIGITS: u64 = 53;
/// The most bytes of digits that are read: 2,100 bits of floats, 63 of weights, and as many of
/// counts.
const STORED_MAX: usize = 512;
/// The greatest power that is read: with odd digits no float has a greater one, and no weights
/// reach it.
const POWER_MAX: i32 = 2_000;

/// A sum of `f64`, exact and therefore the same in any order; rounded once, when it is read.
///
/// The sum is a whole number of some power of two, of any length (Kulisch's long accumulator, with
/// only the digits in use). Infinities and NaNs are counted beside it, so that a deletion takes
/// back these, too. Sums are ordered as the numbers they round to, and then by the exact sums.
///
/// State: about 40 bytes and the digits between the greatest and the least number summed: 2 words
/// for numbers of similar size, 34 at most. A sum of [`Decimal`](diptych_event::Decimal) is many
/// times faster: use it for values in fixed steps, such as money.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::FloatSum;
/// # use diptych::prelude::*;
///
/// #[derive(Event, Clone, Debug)]
/// struct Reading {
///     sensor: i64,
///     value: f64,
/// }
///
/// fn totals(df: &mut Dataflow) {
///     let readings = df.events::<Reading>("readings");
///     let sums = readings.map(|r| (r.sensor, FloatSum::of(r.value))).sum("sums");
///     df.view("totals", sums.map(|(sensor, sum)| (sensor, sum.get())));
/// }
/// # diptych::dataflow::Definition::new("totals", totals).describe().unwrap();
/// # use diptych::prelude::*;
/// let mut sum = FloatSum::of(1e300);
/// sum.add(&FloatSum::of(1.0), 1);
/// sum.add(&FloatSum::of(1e300), -1);
/// assert_eq!(sum.get(), Float::new(1.0));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct FloatSum {
    /// The digits of the sum `digits * 2^power`; `digits` is odd, or both are zero, so that the
    /// form is unique.
    digits: BigInt,
    power: i32,
    /// The numbers of plus infinities, minus infinities, and NaNs.
    beyond: [i64; 3],
}

/// The stored form: the digits as two's complement, the least byte first.
#[derive(Serialize, Deserialize)]
struct Stored(Vec<u8>, i32, [i64; 3]);

impl FloatSum {
    /// The sum of one number.
    pub fn of(number: f64) -> FloatSum {
        if !number.is_finite() {
            let which = if number.is_nan() { 2 } else { usize::from(number < 0.0) };
            let mut sum = FloatSum::default();
            sum.beyond[which] = 1;
            return sum;
        }
        let bits = number.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as i32;
        let fraction = (bits & ((1 << 52) - 1)) as i64;
        // The first bit of normal numbers is implicit.
        let digits = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let digits = if number < 0.0 { -digits } else { digits };
        FloatSum::reduced(digits.into(), LEAST + (exponent.max(1) - 1), [0; 3])
    }

    /// The float nearest to the sum; of two, the even one. NaN when the sum contains infinities of
    /// both signs, or a NaN.
    pub fn get(&self) -> Float {
        // A subtracted infinity is an added one of the other sign.
        let [plus, minus, none] = self.beyond;
        let up = plus > 0 || minus < 0;
        let down = plus < 0 || minus > 0;
        Float::new(match (up, down, none) {
            (false, false, 0) => self.rounded(),
            (true, false, 0) => f64::INFINITY,
            (false, true, 0) => f64::NEG_INFINITY,
            _ => f64::NAN,
        })
    }

    fn rounded(&self) -> f64 {
        let negative = self.digits.sign() == num_bigint::Sign::Minus;
        let digits = self.digits.magnitude();
        // The bits that do not fit; 0 when all do.
        let over = digits.bits().saturating_sub(DIGITS);
        let kept = digits >> over;
        let mut kept = kept.iter_u64_digits().next().unwrap_or(0);
        if over > 0 {
            // Digits are odd: the cut part is exactly half when it is one bit.
            let half = digits.bit(over - 1);
            if half && (over > 1 || kept & 1 == 1) {
                kept += 1;
            }
        }
        let power = self.power.saturating_add(i32::try_from(over).unwrap_or(i32::MAX));
        // In two steps, because the powers of two at both ends are not normal floats.
        let number = match power {
            1024.. => f64::INFINITY,
            _ => kept as f64 * two_to(power / 2) * two_to(power - power / 2),
        };
        if negative { -number } else { number }
    }

    /// The digits with another power, which is not greater.
    fn shifted(&self, power: i32) -> BigInt {
        &self.digits << (self.power - power).unsigned_abs()
    }

    fn reduced(digits: BigInt, power: i32, beyond: [i64; 3]) -> FloatSum {
        match digits.trailing_zeros() {
            None => FloatSum { digits, power: 0, beyond },
            // A sum has a few thousand bits at most.
            Some(zeros) => {
                FloatSum { digits: digits >> zeros, power: power + zeros as i32, beyond }
            }
        }
    }
}

/// A power of two that is a normal float.
fn two_to(power: i32) -> f64 {
    debug_assert!((-1022..1024).contains(&power), "2^{power} is no normal float");
    f64::from_bits(((1023 + power) as u64) << 52)
}

impl Ord for FloatSum {
    fn cmp(&self, other: &Self) -> Ordering {
        let power = self.power.min(other.power);
        let exact = || self.shifted(power).cmp(&other.shifted(power));
        let rounded = self.get().cmp(&other.get());
        rounded.then_with(exact).then_with(|| self.beyond.cmp(&other.beyond))
    }
}

impl PartialOrd for FloatSum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FloatSum {
    fn times(&self, weight: i128) -> FloatSum {
        FloatSum::reduced(&self.digits * weight, self.power, [0; 3])
    }

    /// The sum of the digits of both, without infinities and NaNs.
    fn with(&self, other: &FloatSum, weight: i128) -> FloatSum {
        let power = self.power.min(other.power);
        let digits = self.shifted(power) + other.shifted(power) * weight;
        FloatSum::reduced(digits, power, [0; 3])
    }
}

/// The exact sum: the digits are unbounded, and infinities and NaNs are counted.
impl Summand for FloatSum {
    type Exact = (FloatSum, [Wide; 3]);

    fn zero() -> FloatSum {
        FloatSum::default()
    }

    fn try_add(&mut self, value: &FloatSum, weight: i64) -> bool {
        let mut beyond = self.beyond;
        for (count, more) in beyond.iter_mut().zip(value.beyond) {
            let next = more.checked_mul(weight).and_then(|more| count.checked_add(more));
            let Some(next) = next else { return false };
            *count = next;
        }
        *self = FloatSum { beyond, ..self.with(value, weight.into()) };
        true
    }

    fn exact(&self, weight: i128) -> Self::Exact {
        let beyond = self.beyond.map(|count| count.exact(weight));
        (self.times(weight), beyond)
    }

    fn combine((sum, beyond): &mut Self::Exact, (more, others): &Self::Exact, times: i128) {
        *sum = sum.with(more, times);
        for (count, more) in beyond.iter_mut().zip(others) {
            count.add(*more, times);
        }
    }

    fn in_range((sum, beyond): &Self::Exact) -> Option<FloatSum> {
        let [plus, minus, none] = beyond.map(|count| i64::in_range(&count));
        Some(FloatSum { beyond: [plus?, minus?, none?], ..sum.clone() })
    }
}

impl From<FloatSum> for Stored {
    fn from(sum: FloatSum) -> Stored {
        Stored(sum.digits.to_signed_bytes_le(), sum.power, sum.beyond)
    }
}

impl TryFrom<Stored> for FloatSum {
    type Error = String;

    fn try_from(Stored(digits, power, beyond): Stored) -> Result<FloatSum, String> {
        if digits.len() > STORED_MAX || !(LEAST..=POWER_MAX).contains(&power) {
            let bytes = digits.len();
            return Err(format!("{bytes} bytes of digits times 2^{power} are no sum of floats"));
        }
        Ok(FloatSum::reduced(BigInt::from_signed_bytes_le(&digits), power, beyond))
    }
}

impl fmt::Debug for FloatSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: impl IntoIterator<Item = (f64, i64)>) -> FloatSum {
        let mut sum = FloatSum::zero();
        for (number, weight) in numbers {
            sum.add(&FloatSum::of(number), weight);
        }
        sum
    }

    /// Numbers of every size and sign, those at the edges often.
    fn number() -> impl Strategy<Value = f64> {
        let edges =
            vec![0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -5e-324, 1.0, 1e16];
        prop_oneof![
            prop::num::f64::ANY.prop_filter("finite", |number| number.is_finite()),
            prop::sample::select(edges),
            -1e3..1e3
        ]
    }

    /// The nearest float, by comparing with all candidates as whole numbers of 2^-1074.
    fn nearest(sum: &FloatSum) -> f64 {
        let units = |number: f64| {
            let one = FloatSum::of(number);
            one.digits << (one.power - LEAST).max(0)
        };
        let wanted = &sum.digits << (sum.power - LEAST).max(0);
        // The greatest float that is not above the sum, by bisection over their order.
        let float =
            |order: u64| f64::from_bits(if order >> 63 == 1 { order & !(1 << 63) } else { !order });
        let order = |number: f64| {
            let bits = number.to_bits();
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        };
        let mut low = order(f64::MIN);
        let mut high = order(f64::MAX);
        if units(f64::MAX) < wanted || wanted < units(f64::MIN) {
            // Beyond the last float; from half a step on it is infinite.
            let (last, end) = if wanted > BigInt::ZERO {
                (f64::MAX, f64::INFINITY)
            } else {
                (f64::MIN, f64::NEG_INFINITY)
            };
            let half = BigInt::from(1) << (970 - LEAST);
            let far = (wanted - units(last)).magnitude() >= half.magnitude();
            return if far { end } else { last };
        }
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if units(float(middle)) <= wanted { low = middle } else { high = middle - 1 }
        }
        let below = float(low);
        let above = float((low + 1).min(order(f64::MAX)));
        let down = &wanted - units(below);
        let up = units(above) - &wanted;
        match down.cmp(&up) {
            Ordering::Less => below,
            Ordering::Greater => above,
            Ordering::Equal if below.to_bits() & 1 == 0 => below,
            Ordering::Equal => above,
        }
    }

    proptest! {
        #[test]
        fn one_number_is_itself(number in number()) {
            prop_assert_eq!(FloatSum::of(number).get(), Float::new(number));
        }

        #[test]
        fn sums_are_those_of_any_order_and_nearest(
            numbers in vec((number(), -3_i64..4), 0..8), cut in 0_usize..8,
        ) {
            let total = sum(numbers.clone());
            prop_assert_eq!(&total, &sum(numbers.iter().rev().copied()));
            let cut = cut.min(numbers.len());
            let mut parts = sum(numbers[cut..].iter().copied());
            parts.add(&sum(numbers[..cut].iter().copied()), 1);
            prop_assert_eq!(&total, &parts);
            prop_assert_eq!(total.get(), Float::new(nearest(&total)));
            let bytes = bincode::serialize(&total).expect("written");
            let read: FloatSum = bincode::deserialize(&bytes).expect("read");
            prop_assert_eq!(&read, &total);
            let mut nothing = total.clone();
            nothing.add(&total, -1);
            prop_assert_eq!(nothing, FloatSum::zero());
        }
    }

    #[test]
    fn the_order_is_that_of_the_numbers() {
        let numbers = [f64::NEG_INFINITY, -1e300, -1.0, 0.0, 5e-324, 0.75, 1.0, 1.5, 1e300];
        for pair in numbers.windows(2) {
            assert!(FloatSum::of(pair[0]) < FloatSum::of(pair[1]), "{pair:?}");
        }
        // Both round to 1e16.
        assert!(sum([(1e16, 1)]) < sum([(1e16, 1), (0.5, 1)]));
    }

    #[test]
    fn bytes_that_are_no_sum_are_refused() {
        let read = |stored: Stored| {
            let bytes = bincode::serialize(&stored).expect("written");
            bincode::deserialize::<FloatSum>(&bytes).map_err(|error| error.to_string())
        };
        assert_eq!(read(Stored(vec![4], 1, [0; 3])).map(|sum| sum.get()), Ok(Float::new(8.0)));
        for bad in [Stored(vec![1], i32::MIN, [0; 3]), Stored(vec![1; 600], 0, [0; 3])] {
            assert!(read(bad).is_err_and(|error| error.contains("are no sum of floats")));
        }
    }

    #[test]
    fn an_infinity_may_be_taken_away_before_it_comes() {
        let infinity = f64::INFINITY;
        assert_eq!(sum([(infinity, -1), (1.0, 1)]).get(), Float::new(-infinity));
        assert_eq!(sum([(infinity, 1), (-infinity, -1)]).get(), Float::new(infinity));
        assert_eq!(sum([(infinity, -1), (1.0, 1), (infinity, 1)]).get(), Float::new(1.0));
    }

    #[test]
    fn what_is_no_number_can_be_taken_back() {
        let mut sum = sum([(1.5, 1), (f64::INFINITY, 1)]);
        assert_eq!(sum.get(), Float::new(f64::INFINITY));
        sum.add(&FloatSum::of(f64::NEG_INFINITY), 1);
        assert!(sum.get().get().is_nan());
        sum.add(&FloatSum::of(f64::INFINITY), -1);
        assert_eq!(sum.get(), Float::new(f64::NEG_INFINITY));
        sum.add(&FloatSum::of(f64::NEG_INFINITY), -1);
        assert_eq!(sum.get(), Float::new(1.5));
    }
}
