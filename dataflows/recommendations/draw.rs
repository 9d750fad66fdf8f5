//! Generator of made-up purchases.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::START_US;
use super::Purchase;

const MINUTE_US: i64 = 60_000_000;
/// The number of tastes, which share no more than a quarter of their purchases.
const TASTES: u64 = 4;

/// Makes up `events` lines of orders, in order of arrival.
///
/// Some users buy much more than others, mostly items of their taste, and of these the same few.
/// One line in ten is returned, now and then before the purchase arrives; one in twenty is late, by
/// up to two days; one in thirty is sent twice.
pub fn draw(seed: u64, events: usize) -> Vec<Purchase> {
    let random = SimRandom::new(seed);
    let users = 8 + events as u64 / 30;
    let items_of_taste = 6 + events as u64 / 400;
    let mut lines: Vec<Purchase> = Vec::with_capacity(events + 1);
    let mut now = START_US;
    while lines.len() < events {
        now += random.below(20) as i64 * MINUTE_US;
        let line = lines.len() as i64;
        let earlier = random.below(1 + lines.len() as u64) as usize;
        match (random.below(60), lines.get(earlier)) {
            (0..2, Some(again)) => lines.push(again.clone()),
            (2..7, Some(bought)) if bought.quantity > 0 => {
                let quantity = -1 - random.below(bought.quantity as u64) as i64;
                let at = Timestamp::from_micros(now);
                lines.push(Purchase { line, quantity, at, ..bought.clone() });
            }
            (kind, _) => {
                let user = random.below(1 + random.below(users));
                let mine = random.below(4) > 0;
                let taste = if mine { user % TASTES } else { random.below(TASTES) };
                let item = taste + TASTES * random.below(1 + random.below(items_of_taste));
                let late = if kind < 10 { random.below(2 * 24 * 60) as i64 } else { 0 };
                let (user, item) = (user as i64, item as i64);
                let at = Timestamp::from_micros(now - late * MINUTE_US);
                let quantity = 1 + random.below(1 + random.below(3)) as i64;
                lines.push(Purchase { line, user, item, quantity, at });
                if random.below(60) == 0 && lines.len() < events {
                    let (line, quantity) = (line + 1, -quantity);
                    lines.push(Purchase { line, user, item, quantity, at });
                    // The return overtakes the purchase.
                    let last = lines.len() - 1;
                    lines.swap(last - 1, last);
                }
            }
        }
    }
    lines
}
