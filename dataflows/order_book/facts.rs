//! The events of an exchange: messages about orders, and trades.

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

/// The side of the book that an order is on.
#[derive(Event, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To buy: the highest price is the best.
    Bid,
    /// To sell: the lowest price is the best.
    Ask,
}

/// The state of an order from this message on: placed, amended, or cancelled.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct LimitOrder {
    /// The id of the order.
    pub order: i64,
    /// The number of the message: of two messages of an order, the greater number holds.
    pub sequence: i64,
    /// The symbol of the security.
    pub symbol: String,
    /// To buy, or to sell.
    pub side: Side,
    /// The limit: the order is met at this price, or a better one.
    pub price: Decimal<2>,
    /// The whole quantity, already traded ones included; 0 when the order is cancelled.
    pub quantity: i64,
}

/// Two orders met. Of several with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trade {
    /// The id of the trade; a trade that takes another back has an id of its own.
    pub trade: i64,
    /// The symbol of the traded security.
    pub symbol: String,
    /// The order to buy.
    pub bid: i64,
    /// The order to sell.
    pub ask: i64,
    /// The price of one.
    pub price: Decimal<2>,
    /// The quantity; negative when the exchange takes a trade back.
    pub quantity: i64,
    /// The time of the trade.
    pub at: Timestamp,
}
