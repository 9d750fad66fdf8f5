//! Queries about the bids that win.

use std::cmp::Reverse;

use diptych::folds::Mean;
use diptych::{Collection, CollectionExt, Dataflow, Monoid, PairsExt, Timestamp};

use super::{Auction, Bid};

/// What matters of an auction: id, seller, category, when it ends.
type Lot = (i64, i64, i64, Timestamp);
/// A bid, the better the less: price, when, bidder, extra.
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

/// What do things of each category go for on average? `prices`: (category) -> price.
#[inline]
pub fn q4(df: &mut Dataflow<'_>) {
    let prices = winning(df)
        .map(|((_, _, category, _), (Reverse(price), ..))| (category, Mean::of(price)))
        .sum_values()
        .map(|(category, price)| (category, price.decimal::<3>()));
    df.view("prices", prices).columns(&["category", "price"]);
}

/// What did each seller's last ten auctions go for on average? Last are those that end last; one
/// without a bid is not sold. `prices`: (seller) -> price.
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

/// Which bid wins each auction? `winning_bids`: (the auction) -> bidder, price, when, extra.
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
