//! Exact sums, in any order of addition and for any intermediate result.
//!
//! A sum may leave the range of its type and come back: `MAX + 1 - 1`. The intermediate sums depend
//! on the order, the epochs and the workers, so none of them may decide anything. The sum is
//! therefore kept as the value itself while it is in range, and else in a wide form that no sum
//! leaves; the range is checked only when a row is made of the sum.

use differential_dataflow::ExchangeData;
use serde::{Deserialize, Serialize};

use super::wide_integer::Wide;
use diptych_event::Decimal;

/// A value that [`Events::sum`](super::Events::sum) can add up exactly, in any order.
///
/// Floating-point numbers are not summands: their sums depend on the order of addition, which would
/// make answers differ between worker counts. Use integers, [`Decimal`](diptych_event::Decimal), or
/// [`FloatSum`](crate::folds::FloatSum).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be summed exactly",
    label = "no sum that is the same in any order",
    note = "use i32, i64, i128 or Decimal<SCALE>; floats with `FloatSum::of(number)`"
)]
pub trait Summand: ExchangeData {
    /// The exact sum of any number of values, also where it is out of the type's range.
    type Exact: ExchangeData;

    /// The sum of no values.
    fn zero() -> Self;
    /// Adds `weight` times `value` if the sum is in range; else changes nothing, and gives false.
    fn try_add(&mut self, value: &Self, weight: i64) -> bool;
    /// The exact sum of `weight` times this value.
    fn exact(&self, weight: i128) -> Self::Exact;
    /// Adds `times` times `other`.
    fn combine(into: &mut Self::Exact, other: &Self::Exact, times: i128);
    /// The sum as a value; none when it is out of range.
    fn in_range(sum: &Self::Exact) -> Option<Self>;

    /// The text of a sum in an error row.
    fn shown(sum: &Self::Exact) -> String {
        format!("{sum:?}")
    }

    /// Adds `weight` times `value`, for sums computed by hand.
    ///
    /// # Panics
    /// When the sum leaves the type's range.
    fn add(&mut self, value: &Self, weight: i64) {
        let fits = self.try_add(value, weight);
        assert!(fits, "sum overflows: {self:?} + {weight} * {value:?}; sum a wider type");
    }
}

macro_rules! integer_summands {
    ($($int:ty),*) => {$(
        impl Summand for $int {
            type Exact = Wide;

            fn zero() -> Self {
                0
            }
            #[inline]
            fn try_add(&mut self, value: &Self, weight: i64) -> bool {
                let scaled = match weight {
                    1 => Some(*value),
                    _ => <$int>::try_from(weight).ok().and_then(|times| value.checked_mul(times)),
                };
                let sum = scaled.and_then(|scaled| self.checked_add(scaled));
                sum.is_some_and(|sum| {
                    *self = sum;
                    true
                })
            }
            fn exact(&self, weight: i128) -> Wide {
                let mut sum = Wide::default();
                sum.add(Wide::from(i128::from(*self)), weight);
                sum
            }
            fn combine(into: &mut Wide, other: &Wide, times: i128) {
                into.add(*other, times);
            }
            fn in_range(sum: &Wide) -> Option<Self> {
                sum.narrow().and_then(|sum| <$int>::try_from(sum).ok())
            }
        }
    )*};
}
integer_summands!(i32, i64, i128);

impl<const SCALE: u8> Summand for Decimal<SCALE> {
    type Exact = Wide;

    fn zero() -> Self {
        Decimal::ZERO
    }
    fn try_add(&mut self, value: &Self, weight: i64) -> bool {
        let scaled = value.units().checked_mul(i128::from(weight)).and_then(Decimal::new);
        let sum = scaled.and_then(|scaled| self.checked_add(scaled));
        sum.is_some_and(|sum| {
            *self = sum;
            true
        })
    }
    fn exact(&self, weight: i128) -> Wide {
        self.units().exact(weight)
    }
    fn combine(into: &mut Wide, other: &Wide, times: i128) {
        into.add(*other, times);
    }
    fn in_range(sum: &Wide) -> Option<Self> {
        sum.narrow().and_then(Decimal::new)
    }
    fn shown(sum: &Wide) -> String {
        match SCALE {
            0 => sum.to_string(),
            _ => format!("{sum}e-{SCALE}"),
        }
    }
}

impl Summand for () {
    type Exact = ();

    fn zero() -> Self {}
    #[inline]
    fn try_add(&mut self, (): &Self, _weight: i64) -> bool {
        true
    }
    fn exact(&self, _weight: i128) {}
    fn combine((): &mut (), (): &(), _times: i128) {}
    fn in_range((): &()) -> Option<()> {
        Some(())
    }
}

macro_rules! tuple_summands {
    ($($name:ident . $at:tt),+) => {
        impl<$($name: Summand),+> Summand for ($($name,)+) {
            type Exact = ($($name::Exact,)+);

            fn zero() -> Self {
                ($($name::zero(),)+)
            }
            fn try_add(&mut self, value: &Self, weight: i64) -> bool {
                let mut sum = self.clone();
                let all = $(sum.$at.try_add(&value.$at, weight))&&+;
                if all {
                    *self = sum;
                }
                all
            }
            fn exact(&self, weight: i128) -> Self::Exact {
                ($(self.$at.exact(weight),)+)
            }
            fn combine(into: &mut Self::Exact, other: &Self::Exact, times: i128) {
                $($name::combine(&mut into.$at, &other.$at, times);)+
            }
            fn in_range(sum: &Self::Exact) -> Option<Self> {
                Some(($($name::in_range(&sum.$at)?,)+))
            }
            fn shown(sum: &Self::Exact) -> String {
                let shown = [$($name::shown(&sum.$at)),+];
                format!("({})", shown.join(", "))
            }
        }
    };
}
tuple_summands!(A.0);
tuple_summands!(A.0, B.1);
tuple_summands!(A.0, B.1, C.2);
tuple_summands!(A.0, B.1, C.2, D.3);

/// A running sum, with the number of events in it: a key without events has no row.
///
/// Each sum has one representation: a sum in range is `In`, and equal sums are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Total<V: Summand> {
    /// The sum, and the number.
    In(V, i64),
    /// The exact sum and number, when one of both is out of range.
    Beyond(Box<(V::Exact, Wide)>),
}

impl<V: Summand> Total<V> {
    /// The sum of `weight` times a value.
    #[inline]
    pub fn of(value: V, weight: i128) -> Self {
        if weight == 1 {
            return Total::In(value, 1);
        }
        if let Ok(narrow) = i64::try_from(weight) {
            let mut scaled = V::zero();
            if scaled.try_add(&value, narrow) {
                return Total::In(scaled, narrow);
            }
        }
        Self::tidy(value.exact(weight), Wide::from(weight))
    }

    /// Adds another sum.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        if let (Total::In(value, events), Total::In(more, number)) = (&mut *self, other)
            && let Some(number) = events.checked_add(*number)
            && value.try_add(more, 1)
        {
            *events = number;
            return;
        }
        self.combine(other, 1);
    }

    /// Adds `times` times another sum.
    #[cold]
    pub fn combine(&mut self, other: &Self, times: i128) {
        let (mut sum, mut events) = self.exact();
        let (more, number) = other.exact();
        V::combine(&mut sum, &more, times);
        events.add(number, times);
        *self = Self::tidy(sum, events);
    }

    fn exact(&self) -> (V::Exact, Wide) {
        match self {
            Total::In(value, events) => (value.exact(1), Wide::from(i128::from(*events))),
            Total::Beyond(both) => (**both).clone(),
        }
    }

    fn tidy(sum: V::Exact, events: Wide) -> Self {
        let narrow = events.narrow().and_then(|events| i64::try_from(events).ok());
        match (V::in_range(&sum), narrow) {
            (Some(value), Some(events)) => Total::In(value, events),
            _ => Total::Beyond(Box::new((sum, events))),
        }
    }

    /// Are the sum and the number of events both zero?
    pub fn is_nothing(&self) -> bool {
        matches!(self, Total::In(value, 0) if *value == V::zero())
    }

    /// The sum as a value, or, where it is out of range, the reason for an error row.
    pub fn value(&self) -> Result<V, String> {
        match self {
            Total::In(value, _) => Ok(value.clone()),
            Total::Beyond(both) => match V::in_range(&both.0) {
                Some(value) => Ok(value),
                None => Err(beyond::<V>("sum", &V::shown(&both.0))),
            },
        }
    }
}

/// The text of an error row for a sum or a count that has left the range of its type.
pub(crate) fn beyond<V>(what: &str, found: &str) -> String {
    let name = std::any::type_name::<V>();
    // `diptych::event::decimal::Decimal<2>` is `Decimal<2>`; tuples stay as they are.
    let name = if name.starts_with('(') { name } else { name.rsplit("::").next().unwrap_or(name) };
    format!("the {what} {found} is out of the range of {name}: use a wider type")
}

/// Counts: sums of `()`, of which only the number of events matters.
impl Total<()> {
    /// The count, or, where it is out of the range of an `i64`, the reason for an error row.
    pub fn count(&self) -> Result<i64, String> {
        match self {
            Total::In((), events) => Ok(*events),
            Total::Beyond(both) => Err(beyond::<i64>("count", &both.1.to_string())),
        }
    }

    /// Is the count more than zero?
    pub fn is_positive(&self) -> bool {
        match self {
            Total::In((), events) => *events > 0,
            Total::Beyond(both) => both.1.is_positive(),
        }
    }
}
