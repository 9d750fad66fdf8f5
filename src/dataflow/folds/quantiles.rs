//! Quantiles of integers, to a chosen relative error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Monoid;

/// Quantiles of integers to a relative error of 2^-`BITS`: 1.6 % for 6, 0.8 % for 7. Numbers below
/// 2^`BITS` (either sign) are exact.
///
/// The sketch has a counter for each bucket that is not empty; a bucket holds the numbers that
/// agree in their sign, their magnitude and the `BITS` bits after the first, as in Tene's
/// `HdrHistogram`. Unlike the buckets of `DDSketch` (Masson, Rim and Lee, 2019) these need no
/// logarithm, whose last digit differs between machines. State: at most `64 * 2^BITS` counters per
/// sign.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Quantiles;
/// let mut millis = Quantiles::<6>::of(12);
/// [7, 30, 8, 9].into_iter().for_each(|n| millis.merge(Quantiles::of(n)));
/// assert_eq!(millis.quantile(500), 9);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Quantiles<const BITS: u32>(BTreeMap<i32, u64>);

impl<const BITS: u32> Quantiles<BITS> {
    const CHECKED: () = assert!(
        BITS >= 1 && BITS <= 16,
        "Quantiles<BITS> has an error of 2^-BITS, BITS from 1 to 16: write 7 for 0.8 %"
    );

    /// The number of values.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The number that `permille` thousandths of all do not exceed (500 for the median), to the
    /// relative error: the middle of its bucket. The least number for 0.
    ///
    /// # Panics
    /// When `permille` is over 1000.
    pub fn quantile(&self, permille: u64) -> i64 {
        assert!(permille <= 1000, "a quantile of {permille} thousandths");
        let rank = (u128::from(self.count()) * u128::from(permille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, times) in &self.0 {
            seen += u128::from(*times);
            if seen >= rank {
                return middle::<BITS>(*bucket);
            }
        }
        unreachable!("{seen} of {rank} numbers")
    }
}

/// The bucket of a number; buckets are ordered as the numbers are.
fn bucket<const BITS: u32>(number: i64) -> i32 {
    let size = number.unsigned_abs();
    let shift = (64 - size.leading_zeros()).saturating_sub(BITS + 1);
    // Below 2^(BITS+1) the shift is 0, and each number has its own bucket.
    let place = ((size >> shift) + (u64::from(shift) << BITS)) as i32;
    if number < 0 { -place } else { place }
}

fn middle<const BITS: u32>(bucket: i32) -> i64 {
    let place = u64::from(bucket.unsigned_abs());
    let shift = (place >> BITS).saturating_sub(1);
    let least = (place - (shift << BITS)) << shift;
    let middle = least + ((1_u64 << shift) - 1) / 2;
    if bucket < 0 { 0_i64.wrapping_sub_unsigned(middle) } else { middle as i64 }
}

impl<const BITS: u32> Monoid for Quantiles<BITS> {
    type Item = i64;

    fn of(number: i64) -> Self {
        let () = Self::CHECKED;
        Quantiles(BTreeMap::from([(bucket::<BITS>(number), 1)]))
    }

    fn merge(&mut self, other: Self) {
        for (bucket, times) in other.0 {
            *self.0.entry(bucket).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{bucket, middle};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_is_narrow(number: i64, shift in 0..64_u32) {
            let number = number >> shift;
            let found = middle::<7>(bucket::<7>(number));
            let error = (i128::from(found) - i128::from(number)).unsigned_abs();
            prop_assert!(error * 128 <= u128::from(number.unsigned_abs()), "{number}: {found}");
        }

        #[test]
        fn buckets_are_ordered(one: i64, other: i64, shift in 0..64_u32) {
            let one = one >> shift;
            let other = other >> shift;
            prop_assert_eq!(bucket::<5>(one.min(other)).min(bucket::<5>(one.max(other))),
                bucket::<5>(one.min(other)));
        }
    }
}
