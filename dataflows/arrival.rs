//! How made-up events arrive: not in the order in which they happened.

use diptych::io::Random;

/// Lets one event in so many come late: it changes places with one of the next `behind`.
pub(super) fn late<T>(random: &dyn Random, events: &mut [T], one_in: u64, behind: u64) {
    for at in 0..events.len() {
        if random.below(one_in) == 0 {
            let later = at + random.below(behind) as usize;
            events.swap(at, later.min(events.len() - 1));
        }
    }
}
