//! [`Total`] as a differential difference: operators add up sums as they add up counts.

use differential_dataflow::difference::{IsZero, Multiply, Semigroup};

use super::summand::{Summand, Total};

impl<V: Summand> IsZero for Total<V> {
    fn is_zero(&self) -> bool {
        self.is_nothing()
    }
}

impl<V: Summand> Semigroup for Total<V> {
    fn plus_equals(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl<V: Summand> Multiply<isize> for Total<V> {
    type Output = Self;
    fn multiply(self, copies: &isize) -> Self {
        match self {
            Total::In(value, 1) => Total::of(value, *copies as i128),
            other => {
                let mut product = Total::of(V::zero(), 0);
                product.combine(&other, *copies as i128);
                product
            }
        }
    }
}
