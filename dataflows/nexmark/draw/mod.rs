//! Generator of made-up auctions, after that of the suite.

mod chance;
mod rows;

use super::{Auction, Bid, Person, SideInput};
use chance::Draw;

/// One event in so many is a person and three are auctions; the rest are bids.
const GROUP: i64 = 50;
const AUCTIONS: i64 = 3;
/// The time between two events in microseconds: 100 a second.
const STEP_US: i64 = 10_000;
/// The time of the first event: 2026-01-01T23:59:45Z.
const START_US: i64 = 1_767_311_985_000_000;
const FIRST_ID: i64 = 1000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: i64 = 5;
/// The first of every so many auctions, and people, is hot until the next such.
const HOT: i64 = 100;
/// The number of auctions that are open at a time.
const IN_FLIGHT: i64 = 100;
/// The number of active people.
const ACTIVE: i64 = 1000;
/// Ids are used up to so many before the event of their person or auction.
const LEAD: i64 = 10;
/// The number of keys that q13 looks up: an auction's number modulo this.
const SIDE_INPUTS: i64 = 10_000;

/// The made-up streams, each in order of arrival.
///
/// Event number `i` is person `i / 50` when `i % 50` is 0, auction `i / 50 * 3 + i % 50 - 1` when
/// that is 1 to 3, else bid `i / 50 * 46 + i % 50 - 4`. So each stream may be cut in parts of its
/// own: event `k` of `n` belongs to epoch `k * epochs / n`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nexmark {
    /// Stream `people`.
    pub people: Vec<Person>,
    /// Stream `auctions`.
    pub auctions: Vec<Auction>,
    /// Stream `bids`.
    pub bids: Vec<Bid>,
    /// Stream `side_inputs`: a value for two of three keys.
    pub side_inputs: Vec<SideInput>,
}

/// Makes up `events` people, auctions and bids: the same for the same seed, 100 a second.
///
/// Half of the bids are on a hot auction, three of four by a hot bidder; these change every 100
/// auctions and people. Some ids are used before their event comes; one in ten events is up to two
/// seconds late, some up to a minute, a few up to eight hours.
pub fn draw(seed: u64, events: usize) -> Nexmark {
    let draw = Draw::new(seed);
    let mut all = Nexmark::default();
    for number in 0..events as i64 {
        match number % GROUP {
            0 => all.people.push(draw.person(number)),
            1..=AUCTIONS => all.auctions.push(draw.auction(number)),
            _ => all.bids.push(draw.bid(number)),
        }
    }
    let known = (0..SIDE_INPUTS).filter(|key| key % 3 > 0);
    all.side_inputs = known.map(|key| SideInput { key, value: format!("value {key}") }).collect();
    all
}
