//! The weights of a front's items, and the barriers that their signs allow.

use super::accumulation_monoids::Tally;
use super::summand::Total;

/// The weight of an item. Wider than the weight that a user gives, so that the greatest can be
/// taken back.
pub type Weight = i128;

/// The product of two weights.
///
/// # Panics
/// When it has more than 65 bits: only where weights are weighted again.
#[inline]
pub(super) fn times(weight: Weight, more: i64) -> Weight {
    const MOST: Weight = 1 << 64;
    match weight.checked_mul(more.into()) {
        Some(product) if product.abs() <= MOST => product,
        _ => panic!("the weight {weight} times the weight {more} is too much: weigh less"),
    }
}

/// The sign of a recipe's weights: whether they are known to be positive.
pub trait Sign: 'static {
    /// The type in which the weights are summed.
    #[doc(hidden)]
    type Tally: Tally;
}

/// The sign of events that count once each: every accumulation is allowed.
#[derive(Debug)]
pub struct Plain;

/// The sign of weights that may be negative (deletions, corrections): only accumulations with an
/// inverse are allowed.
#[derive(Debug)]
pub struct Signed;

impl Sign for Plain {
    type Tally = i64;
}
impl Sign for Signed {
    type Tally = Total<()>;
}

/// The signs of weights that only add, which accumulations without an inverse need.
#[diagnostic::on_unimplemented(
    message = "events with a weight may be deletions, which this accumulation cannot undo",
    label = "has no inverse",
    note = "use `count`, `sum`, `distinct`, `collect` or `keyed` behind `weighted`, or drop \
            `weighted` and filter"
)]
pub trait OnlyAdds: Sign {}
impl OnlyAdds for Plain {}

/// The sign of a union: plain only when both sides are.
pub trait Or<Other>: Sign {
    /// The combined sign.
    type Sign: Sign;
}

impl Or<Plain> for Plain {
    type Sign = Plain;
}
impl Or<Signed> for Plain {
    type Sign = Signed;
}
impl<S: Sign> Or<S> for Signed {
    type Sign = Signed;
}
