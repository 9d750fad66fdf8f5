//! Exact sums of numbers of up to 128 bits.

use std::fmt;

use arrow_buffer::i256;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple as _, Serializer};

use crate::Wide;

/// A sum that has more than 128 bits only in extreme cases. It is stored as an `i128` where it
/// fits, as in older files; else after the least `i128`, which has no other meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExactSum(Wide);

const LONGER: i128 = i128::MIN;

impl ExactSum {
    pub(super) fn of(number: i128) -> ExactSum {
        ExactSum(number.into())
    }

    pub(super) fn wide(self) -> Wide {
        self.0
    }

    pub(super) fn get(self) -> i256 {
        self.0.get()
    }

    pub(super) fn narrow(self) -> Option<i128> {
        self.0.narrow()
    }

    pub(super) fn add(&mut self, other: ExactSum, times: i128) {
        self.0.add(other.0, times);
    }

    /// The square, or the greatest representable number.
    pub(super) fn square(self) -> ExactSum {
        let square = self.get().checked_mul(self.get());
        ExactSum(Wide::of(square.unwrap_or(i256::MAX)))
    }

    /// Adds a number that is not negative, saturating at the greatest: the same in any order.
    pub(super) fn grow(&mut self, other: ExactSum) {
        let sum = self.get().checked_add(other.get());
        self.0 = Wide::of(sum.unwrap_or(i256::MAX));
    }

    /// The nearest float, or a neighbour of it.
    pub(super) fn to_f64(self) -> f64 {
        if let Some(number) = self.narrow() {
            return number as f64;
        }
        let (low, high) = self.get().to_parts();
        high as f64 * 2_f64.powi(128) + low as f64
    }
}

impl From<Wide> for ExactSum {
    fn from(wide: Wide) -> ExactSum {
        ExactSum(wide)
    }
}

impl Serialize for ExactSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.narrow() {
            Some(number) if number != LONGER => serializer.serialize_i128(number),
            _ => {
                let mut parts = serializer.serialize_tuple(2)?;
                parts.serialize_element(&LONGER)?;
                parts.serialize_element(&self.0)?;
                parts.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ExactSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = ExactSum;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sum")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ExactSum, A::Error> {
                let missing = || de::Error::custom("a sum ends early");
                match parts.next_element()?.ok_or_else(missing)? {
                    LONGER => Ok(ExactSum(parts.next_element()?.ok_or_else(missing)?)),
                    number => Ok(ExactSum::of(number)),
                }
            }
        }

        deserializer.deserialize_tuple(2, Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_written_as_ever_and_all_is_read() {
        let most = ExactSum::of(i128::MAX);
        let mut sums =
            vec![ExactSum::of(0), ExactSum::of(-7), most, ExactSum::of(i128::MIN), most.square()];
        let mut more = most;
        more.add(most, 1 << 64);
        sums.push(more);
        for sum in sums {
            let bytes = bincode::serialize(&sum).expect("written");
            if let Some(number) = sum.narrow().filter(|number| *number != i128::MIN) {
                assert_eq!(bytes, bincode::serialize(&number).expect("written"));
            }
            assert_eq!(bincode::deserialize::<ExactSum>(&bytes).expect("read"), sum);
        }
    }

    #[test]
    fn what_only_grows_ends_at_the_same_number_in_any_order() {
        let numbers =
            [ExactSum::of(3), ExactSum::of(i128::MIN).square(), ExactSum::of(i128::MAX).square()];
        let sum = |order: [usize; 6]| {
            let mut sum = ExactSum::default();
            order.iter().for_each(|at| sum.grow(numbers[*at / 2]));
            sum
        };
        assert_eq!(sum([0, 1, 2, 3, 4, 5]), sum([5, 3, 1, 4, 0, 2]));
    }
}
