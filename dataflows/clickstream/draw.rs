//! Generator of made-up clicks.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::START_US;
use super::Click;

const MINUTE_US: i64 = 60_000_000;
/// The first click is at 20:00, so that midnight is near.
const EVENING_US: i64 = START_US + 20 * 60 * MINUTE_US;

/// Makes up `events` clicks in order of arrival, over a day for each 3,000.
///
/// A few users click much more than the rest, most leave before they buy. One click in twenty comes
/// late, minutes to hours; one in thirty comes twice.
pub fn draw(seed: u64, events: usize) -> Vec<Click> {
    let random = SimRandom::new(seed);
    let users = 8 + events as u64 / 40;
    let mut clicks: Vec<Click> = Vec::with_capacity(events);
    // The last page of each user.
    let mut places = vec![String::from("/"); users as usize];
    let mut now = EVENING_US;
    // A user who clicks now is likely to click again soon.
    let mut active = [0; 4];
    while clicks.len() < events {
        now += random.below(2 * 24 * 60 * MINUTE_US as u64 / 3_000) as i64;
        if random.below(30) == 0 && !clicks.is_empty() {
            let again = clicks.len() - 1 - random.below(20.min(clicks.len() as u64)) as usize;
            clicks.push(clicks[again].clone());
            continue;
        }
        let slot = random.below(active.len() as u64) as usize;
        if random.below(6) == 0 {
            active[slot] = random.below(1 + random.below(users));
        }
        let user = active[slot];
        let page = next(&places[user as usize], &random);
        places[user as usize].clone_from(&page);
        let late = if random.below(20) == 0 { random.below(180) as i64 * MINUTE_US } else { 0 };
        clicks.push(Click { user: user as i64, at: Timestamp::from_micros(now - late), page });
    }
    clicks
}

/// The page that a user goes to from a page.
fn next(page: &str, random: &SimRandom) -> String {
    let product = || format!("/product/{}", random.below(1 + random.below(30)));
    match (page.split('/').nth(1), random.below(10)) {
        (Some(""), 0..6) | (Some("product"), 0..4) | (Some("search"), _) => product(),
        (Some("product"), 4..7) => "/cart".into(),
        (Some("cart"), 0..5) => "/checkout".into(),
        (Some("cart"), 5..7) => product(),
        (_, 0..7) => "/".into(),
        (_, 7..9) => "/search".into(),
        _ => "/help".into(),
    }
}
