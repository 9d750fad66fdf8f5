//! A totally ordered `f64`, for keys and values of collections.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// An `f64` with a total order, so that it can be ranked, be a key, and be retracted by value.
///
/// Rows of a collection must have an order and be equal only where their bytes are; an `f64` has
/// neither. So there is one zero here and one NaN, which is greater than every number: otherwise
/// the order is that of [`f64::total_cmp`]. In a view it is a column of type `f64`.
///
/// Sums of floats depend on the order of addition: use `FloatSum`, which does not.
///
/// ```
/// use diptych::prelude::*;
/// assert_eq!(Float::new(-0.0), Float::new(0.0));
/// assert!(Float::new(f64::NAN) > Float::new(f64::INFINITY));
/// assert_eq!(Float::new(1.5).get(), 1.5);
/// ```
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Float(f64);

impl Float {
    /// Wraps a number; both zeros become one, and all NaNs become one.
    pub fn new(number: f64) -> Float {
        if number.is_nan() {
            return Float(f64::NAN);
        }
        // Adding zero makes zero of minus zero, and leaves every other number unchanged.
        Float(number + 0.0)
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Float {
    fn from(number: f64) -> Float {
        Float::new(number)
    }
}

impl From<Float> for f64 {
    fn from(float: Float) -> f64 {
        float.0
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
