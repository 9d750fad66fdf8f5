//! What an exchange tells about its orders and trades.

use diptych::{Decimal, Event, Timestamp};
use serde::{Deserialize, Serialize};

/// On which side of the book an order is.
#[derive(Event, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To buy: the highest price is the best.
    Bid,
    /// To sell: the lowest is.
    Ask,
}

/// What somebody wants, from this message of the order on: placed, amended, or cancelled.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct LimitOrder {
    /// Names the order.
    pub order: i64,
    /// Of two messages of an order, the one with the greater number holds.
    pub sequence: i64,
    /// What is traded.
    pub symbol: String,
    /// To buy, or to sell.
    pub side: Side,
    /// At this price, or a better one.
    pub price: Decimal<2>,
    /// How many in all, those already traded included; none any more when it is cancelled.
    pub quantity: i64,
}

/// Two orders met. Of several with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trade {
    /// Names the trade; one that takes another back has a name of its own.
    pub trade: i64,
    /// What was traded.
    pub symbol: String,
    /// The order to buy.
    pub bid: i64,
    /// The order to sell.
    pub ask: i64,
    /// What one cost.
    pub price: Decimal<2>,
    /// How many; negative when the exchange takes a trade back.
    pub quantity: i64,
    /// When.
    pub at: Timestamp,
}
