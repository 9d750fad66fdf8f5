//! Integers of 256 bits, which no sum of events overflows.

use std::fmt;

use arrow_buffer::i256;
use serde::{Deserialize, Serialize};

/// An integer of 256 bits. A value has at most 128, a weight 65 (with its sign), and there are
/// fewer than 2^63 events: their sum needs no more.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u128, i128)", into = "(u128, i128)")]
pub struct Wide(i256);

impl Wide {
    /// Adds `times` times `other`.
    pub fn add(&mut self, other: Wide, times: i128) {
        let scaled = other.0.checked_mul(i256::from_i128(times));
        let sum = scaled.and_then(|scaled| self.0.checked_add(scaled));
        match sum {
            Some(sum) => self.0 = sum,
            None => panic!("{self} + {times} * {other} has more than 256 bits"),
        }
    }

    /// The number; none when it has more than 128 bits.
    pub fn narrow(self) -> Option<i128> {
        self.0.to_i128()
    }

    /// The number as 256 bits.
    pub fn get(self) -> i256 {
        self.0
    }

    /// 256 bits as a number.
    pub fn of(number: i256) -> Wide {
        Wide(number)
    }

    /// Is the number more than zero?
    pub fn is_positive(self) -> bool {
        self.0.is_positive()
    }
}

impl From<i128> for Wide {
    fn from(number: i128) -> Wide {
        Wide(i256::from_i128(number))
    }
}

impl From<(u128, i128)> for Wide {
    fn from((low, high): (u128, i128)) -> Wide {
        Wide(i256::from_parts(low, high))
    }
}

impl From<Wide> for (u128, i128) {
    fn from(wide: Wide) -> (u128, i128) {
        wide.0.to_parts()
    }
}

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_and_products_are_those_of_whole_numbers(
            one: i128, other: i128, times in -1_i128 << 64..=1 << 64, more: i64,
        ) {
            let mut sum = Wide::from(one);
            sum.add(Wide::from(other), times);
            sum.add(sum, more.into());
            let expected = BigInt::from(one) + BigInt::from(other) * times;
            let expected = expected * (1 + i128::from(more));
            prop_assert_eq!(sum.to_string(), expected.to_string());
            let bytes = bincode::serialize(&sum).expect("written");
            prop_assert_eq!(bincode::deserialize::<Wide>(&bytes).expect("read"), sum);
            let zero = Wide::default();
            prop_assert_eq!(sum < zero, expected < BigInt::ZERO);
            prop_assert_eq!(sum.is_positive(), expected > BigInt::ZERO);
        }
    }
}
