//! Queries over the winning bids of auctions.

use std::cmp::Reverse;

use diptych::folds::Mean;
use diptych::prelude::*;

use super::{Auction, Bid};

/// An auction in these queries: id, seller, category, end.
type Lot = (i64, i64, i64, Timestamp);
/// A bid, ordered with the best first: price, time, bidder, extra.
type Offer = (Reverse<i64>, Timestamp, i64, String);

/// Each auction with the highest bid while it was open, of equal ones the first.
#[inline]
fn winning<'s>(df: &mut Dataflow<'s>) -> Collection<'s, (Lot, Offer)> {
    let lots = df
        .events::<Auction>("auctions")
        .map(|a| (a.id, (a.date_time, (a.id, a.seller, a.category, a.expires))));
    let bids = df
        .events::<Bid>("bids")
        .map(|b| (b.auction, (Reverse(b.price), b.date_time, b.bidder, b.extra.to_owned())));
    lots.keyed("lots")
        .join(bids.keyed("bids"))
        .filter(|(_, ((opens, lot), bid))| (*opens..=lot.3).contains(&bid.1))
        .top_k(1, |(_, ((_, lot), bid))| (lot, bid))
        .map(|((lot, _), bid)| (lot, bid))
}

/// The average winning price of each category. `prices`: (category) -> price.
#[inline]
pub fn q4(df: &mut Dataflow<'_>) {
    let prices = winning(df)
        .map(|((_, _, category, _), (Reverse(price), ..))| (category, Mean::of(price)))
        .sum_values()
        .map(|(category, price)| (category, price.decimal::<3>()));
    df.view("prices", prices).columns(&["category", "price"]);
}

/// The average winning price of each seller's last ten auctions, by their ends; an auction without
/// a bid does not count. `prices`: (seller) -> price.
#[inline]
pub fn q6(df: &mut Dataflow<'_>) {
    let prices = winning(df)
        .map(|((id, seller, _, ends), (Reverse(price), ..))| (seller, (Reverse(ends), id, price)))
        .top_k(10, |sold| sold)
        .map(|((seller, _), (_, _, price))| (seller, Mean::of(price)))
        .sum_values()
        .map(|(seller, price)| (seller, price.decimal::<3>()));
    df.view("prices", prices).columns(&["seller", "price"]);
}

/// The winning bid of each auction. `winning_bids`: (the auction) -> bidder, price, time, extra.
#[inline]
pub fn q9(df: &mut Dataflow<'_>) {
    let auctions = df.events::<Auction>("auctions").owned().map(|a| (a.id, a));
    let winning = auctions
        .keyed("auctions")
        .join_collection(winning(df).map(|((id, ..), bid)| (id, bid)))
        .map(|(_, (auction, (Reverse(price), at, who, extra)))| (auction, (who, price, at, extra)));
    df.view("winning_bids", winning).columns(&[
        "id",
        "item_name",
        "description",
        "initial_bid",
        "reserve",
        "date_time",
        "expires",
        "seller",
        "category",
        "extra",
        "bidder",
        "price",
        "bid_date_time",
        "bid_extra",
    ]);
}
