//! Counts, sums, means and variances, from exact sums.
//!
//! The names of these types, with their module, are part of accumulation files.

use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use differential_dataflow::ExchangeData;
use serde::de::Deserializer;
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};

use super::exact_sum::ExactSum;
use crate::{Monoid, Summand, Total, Wide, in_stored_form};
use diptych_event::{Decimal, divided};

/// The number of events; one gives `()`.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Count;
/// let mut events = Count::of(());
/// events.merge(Count::of(()));
/// assert_eq!(events.get(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Count(i64);

impl Count {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl Monoid for Count {
    type Item = ();

    fn of((): ()) -> Self {
        Count(1)
    }

    fn merge(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

/// The sum: for tuples of monoids; alone, [`Events::sum`](crate::Events::sum) does the same, and
/// takes deletions. A key whose sum is out of range has no row, but one in the view `errors`.
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Sum;
/// let mut sum = Sum::of(3_i64);
/// sum.merge(Sum::of(2));
/// assert_eq!(sum.get(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum<V: Summand>(Total<V>);

impl<V: Summand> Sum<V> {
    /// The sum.
    ///
    /// # Panics
    /// When it is out of range, which it never is in a row.
    pub fn get(self) -> V {
        self.0.value().unwrap_or_else(|reason| panic!("{reason}"))
    }
}

impl<V: Summand> Monoid for Sum<V> {
    const BOUNDED: bool = true;

    type Item = V;

    fn of(item: V) -> Self {
        // The number of events is not kept: so equal sums are equal.
        Sum(Total::In(item, 0))
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(&other.0);
    }

    fn refused(&self) -> Option<String> {
        self.0.value().err()
    }
}

impl<V: Summand> Hash for Sum<V>
where
    Total<V>: Hash,
{
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Files hold the value; a sum that is out of range has a form of its own, see [`Total`].
impl<V: Summand> Serialize for Sum<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            total if !in_stored_form() => total.serialize(serializer),
            Total::In(value, _) => value.serialize(serializer),
            Total::Beyond(_) => Err(S::Error::custom("the sum is out of range")),
        }
    }
}

impl<'de, V: Summand> Deserialize<'de> for Sum<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if in_stored_form() {
            return V::deserialize(deserializer).map(Sum::of);
        }
        Total::deserialize(deserializer).map(Sum)
    }
}

/// A number that is a whole number of units, so that its sums are exact.
pub trait Exact: ExchangeData {
    /// The scale: a unit is ten to the power of minus this.
    const SCALE: u8;

    /// The number of units.
    fn units(&self) -> i128;
}

macro_rules! exact {
    ($($int:ty),*) => {$(
        impl Exact for $int {
            const SCALE: u8 = 0;

            fn units(&self) -> i128 {
                i128::from(*self)
            }
        }
    )*};
}
exact!(i8, i16, i32, i64, u8, u16, u32, u64);

impl<const S: u8> Exact for Decimal<S> {
    const SCALE: u8 = S;

    fn units(&self) -> i128 {
        Decimal::units(*self)
    }
}

/// The arithmetic mean, from the exact sum and the number of events.
///
/// Means may also be summed: for a mean of rows that are added and removed, behind a barrier or of
/// signed events, `map` them to `Mean::of(number)`, then
/// [`sum_values`](crate::PairsExt::sum_values) or [`Events::sum`](crate::Events::sum).
///
/// ```
/// use dataflows::{Customer, Order};
/// use diptych::folds::Mean;
/// use diptych::prelude::*;
///
/// /// What an order of each country is worth on average; customers may move.
/// fn worth(df: &mut Dataflow) {
///     let orders = df.events::<Order>("orders").map(|o| (o.customer, (o.id, o.amount)));
///     let customers = df.events::<Customer>("customers");
///     let customers = customers.map(|c| (c.id, (c.at, c.country.to_owned())));
///     let country = customers.latest("country", |(at, _)| *at);
///     let worth = orders
///         .keyed("orders")
///         .join_collection(country)
///         .map(|(_, ((_, amount), (_, country)))| (country, Mean::of(amount)))
///         .sum_values();
///     df.view("worth", worth.map(|(country, mean)| (country, mean.decimal::<2>())));
/// }
/// # diptych::dataflow::Definition::new("worth", worth).describe().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mean<T> {
    sum: ExactSum,
    /// The number of events; below zero while a deletion is ahead of the event it deletes.
    count: i64,
    of: PhantomData<T>,
}

impl<T: Exact> Mean<T> {
    /// The number of events; 0 while more have been deleted than added.
    pub fn count(&self) -> u64 {
        u64::try_from(self.count).unwrap_or(0)
    }

    /// The mean, rounded to `SCALE` digits; halves are rounded away from zero. The mean of no
    /// events is zero (as many have been deleted as were added, but other ones).
    ///
    /// # Panics
    /// When it has more digits than a decimal can hold.
    pub fn decimal<const SCALE: u8>(&self) -> Decimal<SCALE> {
        let (sum, count) = match self.count {
            0 => (ExactSum::default(), 1),
            count => (self.sum, count.into()),
        };
        match divided(sum.get(), T::SCALE, SCALE, count).and_then(Decimal::new) {
            Some(mean) => mean,
            None => {
                panic!("the mean {} / {count} has too many digits for {SCALE} of them", sum.wide())
            }
        }
    }
}

impl<T: Exact> Monoid for Mean<T> {
    type Item = T;

    fn of(item: T) -> Self {
        Mean { sum: ExactSum::of(item.units()), count: 1, of: PhantomData }
    }

    fn merge(&mut self, other: Self) {
        self.sum.add(other.sum, 1);
        self.count = self.count.saturating_add(other.count);
    }
}

impl<T: Exact> Summand for Mean<T> {
    type Exact = (Wide, Wide);

    fn zero() -> Self {
        Mean { sum: ExactSum::default(), count: 0, of: PhantomData }
    }

    fn try_add(&mut self, value: &Self, weight: i64) -> bool {
        let count = value.count.checked_mul(weight).and_then(|more| self.count.checked_add(more));
        let Some(count) = count else { return false };
        self.sum.add(value.sum, weight.into());
        self.count = count;
        true
    }

    fn exact(&self, weight: i128) -> Self::Exact {
        let mut sum = Wide::default();
        sum.add(self.sum.wide(), weight);
        (sum, self.count.exact(weight))
    }

    fn combine((sum, count): &mut Self::Exact, (more, others): &Self::Exact, times: i128) {
        sum.add(*more, times);
        count.add(*others, times);
    }

    fn in_range((sum, count): &Self::Exact) -> Option<Self> {
        Some(Mean { sum: (*sum).into(), count: i64::in_range(count)?, of: PhantomData })
    }
}

/// The variance and the standard deviation, from exact sums of the numbers and of their squares
/// (which end at 76 digits: five squares of the greatest decimals).
///
/// ```
/// use diptych::prelude::*;
/// use diptych::folds::Variance;
/// let mut variance = Variance::of(3_i64);
/// variance.merge(Variance::of(1));
/// assert_eq!(variance.decimal::<2>().to_string(), "1.00");
/// assert_eq!(variance.deviation::<2>().to_string(), "1.00");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Variance<T> {
    sum: ExactSum,
    squares: ExactSum,
    count: u64,
    of: PhantomData<T>,
}

impl<T: Exact> Variance<T> {
    /// The number of events.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The variance of all events (divided by their number), rounded to `SCALE` digits. Computed
    /// with floats from the exact sums: the same on every machine, to about 15 digits.
    ///
    /// # Panics
    /// When it has more digits than a decimal can hold.
    pub fn decimal<const SCALE: u8>(&self) -> Decimal<SCALE> {
        rounded(self.float())
    }

    /// The square root of the variance, rounded to `SCALE` digits.
    ///
    /// # Panics
    /// When it has more digits than a decimal can hold.
    pub fn deviation<const SCALE: u8>(&self) -> Decimal<SCALE> {
        rounded(self.float().sqrt())
    }

    fn float(&self) -> f64 {
        let count = i128::from(self.count);
        let unit = 10_f64.powi(-i32::from(T::SCALE));
        // Exact where it fits: the difference of two large floats loses the significant digits.
        let exact = || {
            let sum = self.sum.narrow()?;
            let squares = self.squares.narrow()?;
            squares.checked_mul(count)?.checked_sub(sum.checked_mul(sum)?)
        };
        let n = count as f64;
        let mean = self.sum.to_f64() / count as f64;
        let units = exact().map_or_else(
            || (self.squares.to_f64() / n - mean * mean).max(0.0),
            |difference| difference as f64 / n / n,
        );
        units * unit * unit
    }
}

impl<T: Exact> Monoid for Variance<T> {
    type Item = T;

    fn of(item: T) -> Self {
        let sum = ExactSum::of(item.units());
        Variance { sum, squares: sum.square(), count: 1, of: PhantomData }
    }

    fn merge(&mut self, other: Self) {
        self.sum.add(other.sum, 1);
        self.squares.grow(other.squares);
        self.count = self.count.saturating_add(other.count);
    }
}

fn rounded<const SCALE: u8>(number: f64) -> Decimal<SCALE> {
    let units = (number * 10_f64.powi(i32::from(SCALE))).round();
    match Decimal::new(units as i128) {
        Some(decimal) => decimal,
        None => panic!("{number} has too many digits for {SCALE} of them"),
    }
}
