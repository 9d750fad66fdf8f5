//! Auctions, and bids on them.

use diptych::{Columns, Event, Timestamp};
use serde::{Deserialize, Serialize};

/// Something is for sale.
#[derive(
    Event, Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Auction {
    /// Names the auction; there is one event for each.
    pub id: i64,
    /// What it is.
    pub item_name: String,
    /// More of that.
    pub description: String,
    /// In cents, as all prices.
    pub initial_bid: i64,
    /// What the seller wants at least.
    pub reserve: i64,
    /// When it opens.
    pub date_time: Timestamp,
    /// The last instant at which bids count.
    pub expires: Timestamp,
    /// The seller's [`Person::id`].
    pub seller: i64,
    /// What kind of thing it is.
    pub category: i64,
    /// Anything.
    pub extra: String,
}

/// Someone offers a price.
#[derive(
    Event, Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Bid {
    /// The [`Auction::id`].
    pub auction: i64,
    /// The bidder's [`Person::id`].
    pub bidder: i64,
    /// In cents.
    pub price: i64,
    /// Through which channel the bidder came.
    pub channel: String,
    /// From which page.
    pub url: String,
    /// When.
    pub date_time: Timestamp,
    /// Anything.
    pub extra: String,
}
