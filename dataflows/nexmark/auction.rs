//! The events of auctions and of bids.

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

/// An auction opens.
#[derive(
    Event, Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Auction {
    /// The id of the auction; there is one event for each.
    pub id: i64,
    /// The name of the item.
    pub item_name: String,
    /// The description of the item.
    pub description: String,
    /// The first bid in cents, as all prices.
    pub initial_bid: i64,
    /// The least price at which the seller sells.
    pub reserve: i64,
    /// The time at which the auction opens.
    pub date_time: Timestamp,
    /// The last instant at which bids count.
    pub expires: Timestamp,
    /// The seller's [`Person::id`].
    pub seller: i64,
    /// The category of the item.
    pub category: i64,
    /// Arbitrary text, as padding.
    pub extra: String,
}

/// A bid on an auction.
#[derive(
    Event, Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Bid {
    /// The [`Auction::id`].
    pub auction: i64,
    /// The bidder's [`Person::id`].
    pub bidder: i64,
    /// The price in cents.
    pub price: i64,
    /// The channel through which the bidder came.
    pub channel: String,
    /// The page from which the bidder came.
    pub url: String,
    /// The time of the bid.
    pub date_time: Timestamp,
    /// Arbitrary text, as padding.
    pub extra: String,
}
