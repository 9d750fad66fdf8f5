//! Generator of made-up ties: circles of friends, with ties across circles, some of which end.

use diptych::io::{Random, SimRandom};

use super::Tie;

/// The number of members of a circle.
const CIRCLE: u64 = 40;
/// One tie in so many crosses circles.
const ACROSS: u64 = 10;
/// One event in so many ends a tie, and one in so many of these comes before the tie begins.
const ENDS: u64 = 6;
const EARLY: u64 = 10;

/// Makes up `events` events of the stream `ties`, in order of arrival.
pub fn draw(seed: u64, events: usize) -> Vec<Tie> {
    let random = SimRandom::new(seed);
    let circles = 1 + events as u64 / 400;
    // Low numbers have more ties.
    let member = |circle| (circle * CIRCLE + random.below(1 + random.below(CIRCLE))) as i64;
    let mut ties: Vec<Tie> = Vec::with_capacity(events);
    while ties.len() < events {
        let known = ties.len() as u64;
        if known > 0 && random.below(ENDS) == 0 {
            let at = random.below(known) as usize;
            let Tie { a, b, diff } = ties[at];
            ties.push(Tie { a: b, b: a, diff: -diff });
            if random.below(EARLY) == 0 {
                ties.swap(at, known as usize);
            }
            continue;
        }
        let circle = random.below(circles);
        let other = if random.below(ACROSS) == 0 { random.below(circles) } else { circle };
        ties.push(Tie { a: member(circle), b: member(other), diff: 1 });
    }
    ties
}
