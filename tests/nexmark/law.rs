//! The law, on small histories that are full of ties, late events and repeated ones.

use dataflows::nexmark::{self, Auction, Bid, Person, SideInput};
use diptych::event::Timestamp;
use diptych::testing::Story;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::scale::scaled;

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..30, 0_i64..2).prop_map(|(second, night)| {
        Timestamp::from_seconds(86_400 * 20_000 - 15 + second + night * 8 * 3600)
    })
}

fn person() -> impl Strategy<Value = Person> {
    (0_i64..4, select(vec!["OR", "WA"]), time()).prop_map(|(id, state, date_time)| Person {
        id,
        name: format!("person {id}"),
        email: "a@b.com".to_owned(),
        credit_card: String::new(),
        city: "Bend".to_owned(),
        state: state.to_owned(),
        date_time,
        extra: String::new(),
    })
}

fn auction() -> impl Strategy<Value = Auction> {
    (0_i64..4, 0_i64..4, 10_i64..12, time(), 1_i64..20).prop_map(
        |(id, seller, category, date_time, length)| Auction {
            id: id * 41,
            item_name: format!("item {id}"),
            description: String::new(),
            initial_bid: 1,
            reserve: 2,
            date_time,
            expires: Timestamp::from_micros(date_time.micros() + length * 1_000_000),
            seller,
            category,
            extra: String::new(),
        },
    )
}

fn bid() -> impl Strategy<Value = Bid> {
    let price = select(vec![1_i64, 9_999, 10_000, 999_999, 1_000_000, 2_000_000, 99_000_000]);
    (0_i64..4, 0_i64..4, price, time(), select(vec!["Apple", "x"]), "[abc]{0,2}").prop_map(
        |(auction, bidder, price, date_time, channel, extra)| Bid {
            auction: auction * 41,
            bidder,
            price,
            channel: channel.to_owned(),
            url: "https://www.nexmark.com".to_owned(),
            date_time,
            extra,
        },
    )
}

fn stories() -> impl Strategy<Value = Story> {
    let known = (0_i64..4).prop_map(|n| SideInput { key: n * 41, value: format!("value {n}") });
    let epoch = (vec(person(), 0..2), vec(auction(), 0..3), vec(bid(), 0..7), vec(known, 0..2));
    vec(epoch, 1..4).prop_map(|epochs| {
        epochs.iter().fold(Story::default(), |story, (people, auctions, bids, known)| {
            let story = story.epoch().with("people", people).with("auctions", auctions);
            story.with("bids", bids).with("side_inputs", known)
        })
    })
}

#[test]
fn the_law_holds() {
    for query in nexmark::all() {
        let start = std::time::Instant::now();
        diptych::testing::assert_law!(query.clone(), stories(), scaled(8, 400) as u32);
        println!("{}: {:.1?}", query.name(), start.elapsed());
    }
}
