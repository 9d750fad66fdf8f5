//! Arrival of made-up events: not in the order in which they happened.

use diptych::io::Random;
use diptych::prelude::*;

/// The start of made-up histories: 2016-01-01T00:00:00Z. Long ago, because a retention limits
/// events that are ahead of the clock.
pub(super) const START_S: i64 = 1_451_606_400;
/// The start of made-up histories, in microseconds.
pub(super) const START_US: i64 = START_S * 1_000_000;

/// An amount of `units` cents.
pub(super) fn cents(units: i64) -> Decimal<2> {
    Decimal::new(units.into()).unwrap_or_default()
}

/// Lets one event in `one_in` come late: it changes places with one of the next `behind`.
pub(super) fn late<T>(random: &dyn Random, events: &mut [T], one_in: u64, behind: u64) {
    for at in 0..events.len() {
        if random.below(one_in) == 0 {
            let later = at + random.below(behind) as usize;
            events.swap(at, later.min(events.len() - 1));
        }
    }
}
