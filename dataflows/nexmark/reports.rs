//! Reports per day.

use diptych::folds::{Max, Mean, Min, Sum};
use diptych::prelude::*;

use super::super::plausible::number;
use super::ranks::{NAMES, Ranks, ranks, report};
use super::{Bid, BidRow};

/// The numbers of bids, bidders and auctions of each rank of price, per day.
/// `days`: (day) -> four numbers of each.
#[inline]
pub fn q15(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids");
    let group = |b: &BidRow<'_>| (None, b.date_time.date());
    let bidders = bids.clone().map(move |b| ((group(&b), b.bidder), ranks(b.price)));
    let auctions = bids.map(move |b| ((group(&b), b.auction), ranks(b.price)));
    let days = report(bidders.sum("bidders"), auctions.sum("auctions"));
    let days = days.map(|((_, day), report)| (day, report));
    df.view("days", days).columns(&[&["day"], &NAMES[..]].concat());
}

/// The numbers of q15 for each channel, with the last minute of the day at which it brought a bid.
/// `channels`: (channel, day) -> minute, four numbers of each.
#[inline]
pub fn q16(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids");
    let group = |b: &BidRow<'_>| (Some(b.channel.to_owned()), b.date_time.date());
    let bidders = bids.clone().map(move |b| ((group(&b), b.bidder), ranks(b.price)));
    let auctions = bids.clone().map(move |b| ((group(&b), b.auction), ranks(b.price)));
    let report = report(bidders.sum("bidders"), auctions.sum("auctions"));
    let last = bids.map(move |b| (group(&b), b.date_time)).fold::<Max<_>, _>("last");
    let channels = last
        .map(|(group, at)| (group, minute(at.get())))
        .join(report)
        .map(|((channel, day), report)| ((channel.unwrap_or_default(), day), report));
    df.view("channels", channels).columns(&[&["channel", "day", "minute"], &NAMES[..]].concat());
}

/// The number and the prices of the bids on each auction, per day. `auctions`: (auction, day) ->
/// bids of each rank, least, greatest, mean price, and the sum of all. A price of more than a
/// billion, of which a sum cannot hold many, is refused: a row of `errors`.
#[inline]
pub fn q17(df: &mut Dataflow<'_>) {
    type Prices = (Sum<Ranks>, Min<i64>, Max<i64>, Mean<i64>, Sum<i64>);
    let bids = df.events::<Bid>("bids").check(|b| number("price", b.price)).map(|b| {
        let key = (b.auction, b.date_time.date());
        (key, (ranks(b.price), b.price, b.price, b.price, b.price))
    });
    let auctions = bids.fold::<Prices, _>("prices").map(|(key, (bids, least, most, mean, sum))| {
        (key, (bids.get(), (least.get(), most.get(), mean.decimal::<3>(), sum.get())))
    });
    df.view("auctions", auctions).columns(&[
        "auction",
        "day",
        "total_bids",
        "rank1_bids",
        "rank2_bids",
        "rank3_bids",
        "min_price",
        "max_price",
        "avg_price",
        "sum_price",
    ]);
}

fn minute(at: Timestamp) -> String {
    let minutes = (at.micros() - at.day().micros()) / 60_000_000;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
