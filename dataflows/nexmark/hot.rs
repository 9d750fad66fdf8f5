//! Queries over windows of time: the auctions with most bids, and the highest bids.

use std::cmp::Reverse;
use std::time::Duration;

use diptych::folds::Max;
use diptych::prelude::*;

use super::Bid;

/// The auctions with the most bids in the last ten seconds, every two seconds.
/// `hot_items`: (start, end, auction) -> bids. Auctions with equally many are all included.
#[inline]
pub fn q5(df: &mut Dataflow<'_>) {
    let seconds = Duration::from_secs;
    let panes = Windows::tumbling(seconds(2));
    let bids = df
        .events::<Bid>("bids")
        .map(move |b| (panes.at(b.date_time).start, b.auction))
        .count("panes")
        .slide(Windows::hopping(seconds(10), seconds(2)));
    let most = bids.clone().top_k(1, |((window, _), n)| (window, Reverse(n)));
    let hot = bids
        .map(|((window, auction), n)| ((window, n), auction))
        .semijoin(most.map(|((window, _), Reverse(n))| (window, n)))
        .map(|((window, n), auction)| ((window, auction), n));
    df.view("hot_items", hot).columns(&["start", "end", "auction", "bids"]);
}

/// The highest bids of each ten seconds. `highest`: (start, end, price) -> auction, bidder,
/// `date_time`, extra.
#[inline]
pub fn q7(df: &mut Dataflow<'_>) {
    let windows = Windows::tumbling(Duration::from_secs(10));
    let bids = df.events::<Bid>("bids");
    let highest = bids
        .clone()
        .map(move |b| (windows.at(b.date_time), b.price))
        .fold::<Max<i64>, _>("highest")
        .map(|(window, price)| ((window, price.get()), ()));
    let bids = bids.map(move |b| {
        let row = (b.auction, b.bidder, b.date_time, b.extra.to_owned());
        ((windows.at(b.date_time), b.price), row)
    });
    let highest = bids.keyed("bids").join_collection(highest).map(|(key, (row, ()))| (key, row));
    df.view("highest", highest).columns(&[
        "start",
        "end",
        "price",
        "auction",
        "bidder",
        "date_time",
        "extra",
    ]);
}
