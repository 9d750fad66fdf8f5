//! The rows of the generator: people, auctions and bids, one after another.

use diptych::prelude::*;

use super::super::{Auction, Bid, Person};
use super::chance::Draw;
use super::{AUCTIONS, CATEGORIES, FIRST_CATEGORY, FIRST_ID, GROUP, HOT, IN_FLIGHT, LEAD, STEP_US};

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = [
    "Phoenix", "Fresno", "Oakland", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent",
    "Cheyenne",
];
const CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

impl Draw {
    pub(super) fn person(&self, number: i64) -> Person {
        let card: Vec<String> = (0..4).map(|_| format!("{:04}", self.below(10_000))).collect();
        Person {
            id: FIRST_ID + number / GROUP,
            name: self.name(),
            email: format!("{}@{}com", self.text(7, '_'), self.text(5, '_')),
            credit_card: card.join(" "),
            city: self.one_of(&CITIES),
            state: self.one_of(&STATES),
            date_time: self.at(number),
            extra: self.text(60, ' '),
        }
    }

    pub(super) fn auction(&self, number: i64) -> Auction {
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
            category: FIRST_CATEGORY + self.below(CATEGORIES),
            extra: self.text(60, ' '),
        }
    }

    pub(super) fn bid(&self, number: i64) -> Bid {
        let last = number / GROUP * AUCTIONS + AUCTIONS - 1;
        let auction = if self.one_in(2) {
            let first = (last - IN_FLIGHT).max(0);
            first + self.below(last - first + 1 + LEAD)
        } else {
            last / HOT * HOT
        };
        // Another person than the hot seller.
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
