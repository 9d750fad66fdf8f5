//! Queries that keep the last, or the best, of many bids.

use diptych::folds::Top;
use diptych::prelude::*;

use super::Bid;

/// The last bid of each user on each auction. `last`: (bidder, auction) -> the rest of the bid.
#[inline]
pub fn q18(df: &mut Dataflow<'_>) {
    let last = df
        .events::<Bid>("bids")
        .owned()
        .map(|b| ((b.bidder, b.auction), b))
        .latest("last", |bid| bid.date_time)
        .map(|(key, bid)| (key, (bid.price, bid.channel, bid.url, bid.date_time, bid.extra)));
    df.view("last", last).columns(&[
        "bidder",
        "auction",
        "price",
        "channel",
        "url",
        "date_time",
        "extra",
    ]);
}

/// The ten highest bids of each auction. `highest`: (auction, rank) -> price, and the rest.
#[inline]
pub fn q19(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids").owned().map(|b| (b.auction, (b.price, b)));
    let highest = bids.fold::<Top<_, 10>, _>("highest").flat_map(|(auction, best)| {
        (1_u64..).zip(best.get()).map(move |(rank, (price, bid))| {
            ((auction, rank), (price, bid.bidder, bid.channel, bid.url, bid.date_time, bid.extra))
        })
    });
    df.view("highest", highest).columns(&[
        "auction",
        "rank",
        "price",
        "bidder",
        "channel",
        "url",
        "date_time",
        "extra",
    ]);
}
