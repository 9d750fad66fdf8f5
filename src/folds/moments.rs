//! Counts, sums, means and variances, from exact sums.

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use crate::dataflow::{Monoid, Summand, added};
use crate::event::{Decimal, divided};

/// How many events; one gives `()`.
///
/// ```
/// use diptych::{Monoid, folds::Count};
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
        self.0 += other.0;
    }
}

/// The sum: for tuples of monoids; alone, [`Events::sum`](crate::Events::sum) does the same, and
/// takes deletions.
///
/// ```
/// use diptych::{Monoid, folds::Sum};
/// let mut sum = Sum::of(3_i64);
/// sum.merge(Sum::of(2));
/// assert_eq!(sum.get(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sum<V>(V);

impl<V> Sum<V> {
    /// The sum.
    pub fn get(self) -> V {
        self.0
    }
}

impl<V: Summand> Monoid for Sum<V> {
    type Item = V;

    fn of(item: V) -> Self {
        Sum(item)
    }

    fn merge(&mut self, other: Self) {
        self.0.add(&other.0, 1);
    }
}

/// A number that is a whole number of units, and whose sums are therefore exact.
pub trait Exact: ExchangeData {
    /// A unit is ten to the power of minus this.
    const SCALE: u8;

    /// How many units.
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
/// It may also be summed: for a mean of rows that come and go, behind a barrier or of signed
/// events, `map` them to `Mean::of(number)`, then [`sum_values`](crate::PairsExt::sum_values) or
/// [`Events::sum`](crate::Events::sum).
///
/// ```
/// use diptych::dataflows::{Customer, Order};
/// use diptych::folds::Mean;
/// use diptych::{Dataflow, Monoid, PairsExt};
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
/// # diptych::Definition::new("worth", worth).describe().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mean<T> {
    sum: i128,
    /// Below zero on the way, when a deletion comes before what it deletes.
    count: i64,
    of: std::marker::PhantomData<T>,
}

impl<T: Exact> Mean<T> {
    /// How many events; 0 while more have been taken away than came.
    pub fn count(&self) -> u64 {
        u64::try_from(self.count).unwrap_or(0)
    }

    /// The mean, rounded to `SCALE` digits; halves go away from zero. Of no events it is zero (as
    /// many have been deleted as were there, but other ones).
    ///
    /// # Panics
    /// When it has more digits than a decimal can hold.
    pub fn decimal<const SCALE: u8>(&self) -> Decimal<SCALE> {
        let (sum, count) = if self.count == 0 { (0, 1) } else { (self.sum, self.count.into()) };
        match divided(sum, (T::SCALE, SCALE), count).and_then(Decimal::new) {
            Some(mean) => mean,
            None => panic!("the mean {sum} / {count} has too many digits for {SCALE} of them"),
        }
    }
}

impl<T: Exact> Monoid for Mean<T> {
    type Item = T;

    fn of(item: T) -> Self {
        Mean { sum: item.units(), count: 1, of: std::marker::PhantomData }
    }

    fn merge(&mut self, other: Self) {
        self.sum = total(self.sum, other.sum);
        self.count += other.count;
    }
}

impl<T: Exact> Summand for Mean<T> {
    fn zero() -> Self {
        Mean { sum: 0, count: 0, of: std::marker::PhantomData }
    }

    fn add(&mut self, value: &Self, weight: i64) {
        let (Some(sum), Some(count)) =
            (value.sum.checked_mul(i128::from(weight)), value.count.checked_mul(weight))
        else {
            panic!("{weight} times the sum {} has more than 38 digits", value.sum);
        };
        self.sum = total(self.sum, sum);
        self.count = added(self.count, count);
    }
}

/// The variance and the standard deviation, from exact sums of the numbers and of their squares.
///
/// ```
/// use diptych::{Monoid, folds::Variance};
/// let mut variance = Variance::of(3_i64);
/// variance.merge(Variance::of(1));
/// assert_eq!(variance.decimal::<2>().to_string(), "1.00");
/// assert_eq!(variance.deviation::<2>().to_string(), "1.00");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Variance<T> {
    sum: i128,
    squares: i128,
    count: u64,
    of: std::marker::PhantomData<T>,
}

impl<T: Exact> Variance<T> {
    /// How many events.
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
        // Exactly, where that fits: the difference of two large numbers loses what matters.
        let exact = || {
            let squares = self.squares.checked_mul(count)?;
            squares.checked_sub(self.sum.checked_mul(self.sum)?)
        };
        let (n, mean) = (count as f64, self.sum as f64 / count as f64);
        let units = exact().map_or_else(
            || (self.squares as f64 / n - mean * mean).max(0.0),
            |difference| difference as f64 / n / n,
        );
        units * unit * unit
    }
}

impl<T: Exact> Monoid for Variance<T> {
    type Item = T;

    fn of(item: T) -> Self {
        let sum = item.units();
        let Some(squares) = sum.checked_mul(sum) else {
            panic!("the square of {sum} has more than 38 digits: fold smaller numbers");
        };
        Variance { sum, squares, count: 1, of: std::marker::PhantomData }
    }

    fn merge(&mut self, other: Self) {
        self.sum = total(self.sum, other.sum);
        self.squares = total(self.squares, other.squares);
        self.count += other.count;
    }
}

fn total(one: i128, other: i128) -> i128 {
    match one.checked_add(other) {
        Some(sum) => sum,
        None => {
            panic!("the sum of {one} and {other} has more than 38 digits: fold smaller numbers")
        }
    }
}

fn rounded<const SCALE: u8>(number: f64) -> Decimal<SCALE> {
    let units = (number * 10_f64.powi(i32::from(SCALE))).round();
    match Decimal::new(units as i128) {
        Some(decimal) => decimal,
        None => panic!("{number} has too many digits for {SCALE} of them"),
    }
}
