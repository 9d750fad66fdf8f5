//! The order book of an exchange, rebuilt from messages that may come in any order.
//!
//! An order has the quantity of its latest message, less the quantity traded of it. A cancelled
//! order has the quantity zero, an amended one another quantity; a trade that is taken back is a
//! trade of a negative quantity, and one that is sent twice counts once. So a book that was wrong
//! because a message was late is right when the message comes.

use diptych::event::Variants;
use diptych::prelude::*;

use super::plausible::{amount, number};

mod draw;
mod facts;
pub use draw::{Traded, draw};
pub use facts::{LimitOrder, Side, Trade};

/// `levels`: (symbol, side, price) -> quantity, orders; `top_levels`: (symbol, side, rank) ->
/// price, quantity, orders of the five best; `spread`: (symbol) -> best bid, best ask, spread;
/// `minutes`: (symbol, minute) -> volume, price weighted by volume.
#[inline]
pub fn order_book(df: &mut Dataflow) {
    let orders = df
        .events::<LimitOrder>("limit_orders")
        .check(|o| number("quantity", o.quantity).and(amount("price", o.price)))
        .map(|o| {
            let level = (o.symbol.to_owned(), o.side.name().to_owned(), o.price);
            (o.order, (o.sequence, level, o.quantity))
        })
        .latest("orders", |(sequence, ..)| *sequence)
        .filter(|(_, (_, _, wanted))| *wanted > 0);
    let trades = df
        .events::<Trade>("trades")
        .check(|t| number("quantity", t.quantity).and(amount("price", t.price)))
        .owned()
        .distinct_by("trades", |t| t.trade);
    let filled =
        trades.clone().flat_map(|t| [(t.bid, t.quantity), (t.ask, t.quantity)]).sum_values();
    let levels = orders
        .left_join(filled)
        .map(|(_, ((_, level, wanted), filled))| (level, wanted - filled.unwrap_or(0)))
        .filter(|(_, open)| *open > 0)
        .map(|(level, open)| (level, (open, 1_i64)))
        .sum_values();
    let top = levels
        .clone()
        .top_k(5, |((symbol, side, price), open)| {
            let best_first = if side == Side::Bid.name() { -price } else { price };
            ((symbol, side), (best_first, price, open))
        })
        .map(|(((symbol, side), rank), (_, price, open))| ((symbol, side, rank), (price, open)));
    let best = |side: Side| {
        let best = top.clone().filter(move |((_, of, rank), _)| of == side.name() && *rank == 1);
        best.map(|((symbol, ..), (price, _))| (symbol, price))
    };
    let spread = best(Side::Bid).join(best(Side::Ask));
    let spread = spread.map(|(symbol, (bid, ask))| (symbol, (bid, ask, ask - bid)));
    let minutes = trades
        .map(|t| ((t.symbol, t.at.minute()), (t.quantity, t.price * t.quantity)))
        .sum_values()
        .filter(|(_, (volume, _))| *volume > 0)
        .map(|(minute, (volume, paid))| (minute, (volume, paid.over::<4>(volume))));

    df.view("levels", levels).columns(&["symbol", "side", "price", "quantity", "orders"]);
    df.view("top_levels", top).columns(&["symbol", "side", "rank", "price", "quantity", "orders"]);
    df.view("spread", spread).columns(&["symbol", "bid", "ask", "spread"]);
    df.view("minutes", minutes).columns(&["symbol", "minute", "volume", "vwap"]);
}
