//! Queries that look up a row for each bid.

use diptych::prelude::*;

use super::{Auction, Bid};

/// A row of the bounded side input of q13.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct SideInput {
    /// The key of the lookup.
    pub key: i64,
    /// The value that the lookup gives.
    pub value: String,
}

/// Each bid with the value of its auction in a given table.
/// `bids`: (auction) -> bidder, price, `date_time`, value.
#[inline]
pub fn q13(df: &mut Dataflow<'_>) {
    let known = df.events::<SideInput>("side_inputs").map(|s| (s.key, s.value.to_owned()));
    let bids = df
        .events::<Bid>("bids")
        .map(|b| (b.auction % 10_000, (b.auction, b.bidder, b.price, b.date_time)))
        .keyed("bids")
        .join(known.keyed("known"))
        .map(|(_, ((auction, bidder, price, at), value))| (auction, (bidder, price, at, value)));
    df.view("bids", bids).columns(&["auction", "bidder", "price", "date_time", "value"]);
}

/// The bids for things of category 10, each with its auction. `bids`: (the bid) -> the auction.
#[inline]
pub fn q20(df: &mut Dataflow<'_>) {
    let auctions = df
        .events::<Auction>("auctions")
        .filter(|a| a.category == 10)
        .owned()
        .map(|a| (a.id, a))
        .keyed("auctions");
    let bids = df.events::<Bid>("bids").owned().map(|b| (b.auction, b)).keyed("bids");
    df.view("bids", bids.join(auctions).map(|(_, bid_and_auction)| bid_and_auction)).columns(&[
        "auction",
        "bidder",
        "price",
        "channel",
        "url",
        "date_time",
        "extra",
        "id",
        "item_name",
        "description",
        "initial_bid",
        "reserve",
        "auction_date_time",
        "expires",
        "seller",
        "category",
        "auction_extra",
    ]);
}
