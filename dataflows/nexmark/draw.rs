//! Made-up auctions, after the generator of the suite.

use diptych::Timestamp;
use diptych::io::{Random as _, SimRandom};

use super::{Auction, Bid, Person, SideInput};

/// Of so many events one is a person and three are auctions; the rest are bids.
const GROUP: i64 = 50;
const AUCTIONS: i64 = 3;
/// Between two events, that is 100 a second.
const STEP_US: i64 = 10_000;
/// 2026-01-01T23:59:45Z.
const START_US: i64 = 1_767_311_985_000_000;
const FIRST_ID: i64 = 1000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;
/// The first of so many auctions, and people, is hot until the next such.
const HOT: i64 = 100;
/// Auctions that are open at a time.
const IN_FLIGHT: i64 = 100;
/// People who do something.
const ACTIVE: i64 = 1000;
/// Ids are used up to so many before their person or auction is known.
const LEAD: i64 = 10;
/// q13 looks up what is left of an auction's number modulo this.
const SIDE_INPUTS: i64 = 10_000;

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// Streams in order of arrival.
///
/// Event number `i` is the person `i / 50` when `i % 50` is 0, the auction `i / 50 * 3 + i % 50 - 1`
/// when that is 1 to 3, else the bid `i / 50 * 46 + i % 50 - 4`. So each stream may be cut in parts
/// of its own: event `k` of `n` belongs to epoch `k * epochs / n`.
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

/// Makes up so many people, auctions and bids: the same for the same seed, 100 a second.
///
/// Half of the bids are on a hot auction, three of four by a hot bidder, who change every 100
/// auctions and people. Some ids are used before their event comes; one in ten events is up to two
/// seconds late, some up to a minute, a few up to eight hours.
pub fn draw(seed: u64, events: usize) -> Nexmark {
    let draw = Draw(SimRandom::new(seed));
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

struct Draw(SimRandom);

impl Draw {
    fn below(&self, bound: i64) -> i64 {
        self.0.below(bound as u64) as i64
    }

    fn one_in(&self, times: i64) -> bool {
        self.below(times) == 0
    }

    fn one_of(&self, texts: &[&str]) -> String {
        texts[self.below(texts.len() as i64) as usize].to_owned()
    }

    /// Three to `most` letters, and blanks between them.
    fn text(&self, most: i64, blank: char) -> String {
        let letter = |_| match self.0.below(13) {
            0 => blank,
            _ => char::from(b'a' + self.0.below(26) as u8),
        };
        let text: String = (0..3 + self.below(most - 3)).map(letter).collect();
        format!("{}.", text.trim())
    }

    /// When event `number` happened, which comes now.
    fn at(&self, number: i64) -> Timestamp {
        const SECOND: i64 = 1_000_000;
        let late = match self.below(2000) {
            0 => self.below(8 * 3600 * SECOND),
            1..=20 => self.below(60 * SECOND),
            21..=200 => self.below(2 * SECOND),
            _ => 0,
        };
        Timestamp::from_micros((START_US + number * STEP_US - late) / 1000 * 1000)
    }

    /// One dollar to a million, each number of digits as likely as another.
    fn price(&self) -> i64 {
        let least = 100 * 10_i64.pow(self.0.below(6) as u32);
        least + self.below(9 * least)
    }

    /// Someone who is active at event `number`, or soon will be.
    fn someone(&self, number: i64) -> i64 {
        let people = number / GROUP + 1;
        let active = people.min(ACTIVE);
        people - active + self.below(active + LEAD)
    }

    fn person(&self, number: i64) -> Person {
        let card: Vec<String> = (0..4).map(|_| format!("{:04}", self.below(10_000))).collect();
        Person {
            id: FIRST_ID + number / GROUP,
            name: format!("{} {}", self.one_of(&FIRST_NAMES), self.one_of(&LAST_NAMES)),
            email: format!("{}@{}com", self.text(7, '_'), self.text(5, '_')),
            credit_card: card.join(" "),
            city: self.one_of(&CITIES),
            state: self.one_of(&STATES),
            date_time: self.at(number),
            extra: self.text(60, ' '),
        }
    }

    fn auction(&self, number: i64) -> Auction {
        let hot = number / GROUP / HOT * HOT;
        let seller = if self.one_in(4) { self.someone(number) } else { hot };
        let (date_time, initial_bid) = (self.at(number), self.price());
        let length = 1 + self.below(2 * IN_FLIGHT * GROUP / AUCTIONS * STEP_US / 1000);
        Auction {
            id: FIRST_ID + number / GROUP * AUCTIONS + number % GROUP - 1,
            item_name: self.text(20, ' '),
            description: self.text(100, ' '),
            initial_bid,
            reserve: initial_bid + self.price(),
            date_time,
            expires: Timestamp::from_micros(date_time.micros() + length * 1000),
            seller: FIRST_ID + seller,
            category: FIRST_CATEGORY + self.0.below(CATEGORIES) as i64,
            extra: self.text(60, ' '),
        }
    }

    fn bid(&self, number: i64) -> Bid {
        let last = number / GROUP * AUCTIONS + AUCTIONS - 1;
        let auction = if self.one_in(2) {
            let first = (last - IN_FLIGHT).max(0);
            first + self.below(last - first + 1 + LEAD)
        } else {
            last / HOT * HOT
        };
        // Not the person who is the hot seller.
        let hot = number / GROUP / HOT * HOT + 1;
        let bidder = if self.one_in(4) { self.someone(number) } else { hot };
        let page = format!("https://www.nexmark.com/{}/item.htm?query=1", self.text(12, '_'));
        let (channel, url) = if self.one_in(2) {
            let channel = self.below(10_000);
            (format!("channel-{channel}"), format!("{page}&channel_id={channel}"))
        } else {
            (self.one_of(&CHANNELS), page)
        };
        Bid {
            auction: FIRST_ID + auction,
            bidder: FIRST_ID + bidder,
            price: self.price(),
            channel,
            url,
            date_time: self.at(number),
            extra: self.text(40, ' '),
        }
    }
}
