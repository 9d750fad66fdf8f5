//! Queries that look at one bid at a time.

use diptych::prelude::*;

use super::{Bid, BidRow};

const HOUR_US: i64 = 3_600_000_000;
/// The price of a dollar in euros.
const RATE: Decimal<3> = Decimal::new(908).expect("three digits");
/// The range of prices of q14.
const LOW: Decimal<3> = Decimal::new(1_000_000_000).expect("ten digits");
const HIGH: Decimal<3> = Decimal::new(50_000_000_000).expect("eleven digits");

/// A row (auction) -> bidder, price, `date_time`, extra.
type Row = (i64, (i64, i64, Timestamp, String));

fn row(b: BidRow<'_>) -> Row {
    (b.auction, (b.bidder, b.price, b.date_time, b.extra.to_owned()))
}

/// Every bid unchanged, to measure the cost of the system itself.
/// `bids`: (auction) -> bidder, price, `date_time`, extra.
#[inline]
pub fn q0(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids").map(row).collect("bids");
    df.view("bids", bids).columns(&["auction", "bidder", "price", "date_time", "extra"]);
}

/// Every bid, with its price in another currency.
/// `bids`: (auction) -> bidder, price, `date_time`, extra.
#[inline]
pub fn q1(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids").map(row).collect("bids");
    let bids = bids.map(|(on, (who, price, at, extra))| (on, (who, euros(price), at, extra)));
    df.view("bids", bids).columns(&["auction", "bidder", "price", "date_time", "extra"]);
}

/// The prices offered for each 123rd auction. `bids`: (auction) -> price.
#[inline]
pub fn q2(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids").filter(|b| b.auction % 123 == 0);
    let bids = bids.map(|b| (b.auction, b.price)).collect("bids");
    df.view("bids", bids).columns(&["auction", "price"]);
}

/// Bids in a range of prices, with the kind of hour they were made in, and a user's function: the
/// number of letters `c` in their extra. `bids`: (auction) -> bidder, price, `bid_time_type`,
/// `date_time`, extra, `c_counts`.
#[inline]
pub fn q14(df: &mut Dataflow<'_>) {
    let some = |b: &BidRow<'_>| LOW < euros(b.price) && euros(b.price) < HIGH;
    let bids = df.events::<Bid>("bids").filter(some).map(row).collect("bids");
    let bids = bids.map(|(auction, (bidder, price, at, extra))| {
        let letters = extra.matches('c').count() as i64;
        (auction, (bidder, euros(price), bid_time_type(at).to_owned(), at, extra, letters))
    });
    df.view("bids", bids).columns(&[
        "auction",
        "bidder",
        "price",
        "bid_time_type",
        "date_time",
        "extra",
        "c_counts",
    ]);
}

fn euros(dollars: i64) -> Decimal<3> {
    RATE * dollars
}

fn bid_time_type(at: Timestamp) -> &'static str {
    match (at.micros() - at.day().micros()) / HOUR_US {
        8..=18 => "dayTime",
        0..=6 | 20.. => "nightTime",
        _ => "otherTime",
    }
}
