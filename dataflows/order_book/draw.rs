//! Generator of made-up trading: prices drift, orders are amended, cancelled and met; some messages
//! overtake others.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::{START_US, cents, late};
use super::{LimitOrder, Side, Trade};

const SYMBOLS: [&str; 6] = ["ADA", "BYRON", "CURIE", "DARWIN", "EULER", "FERMAT"];

/// The events of both streams, each in order of arrival. They arrive in proportion: part k of n of
/// one with part k of n of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Traded {
    /// The events of `limit_orders`: placed, amended and cancelled; some messages come twice.
    pub orders: Vec<LimitOrder>,
    /// The events of `trades`; some are taken back later, some come twice.
    pub trades: Vec<Trade>,
}

/// Makes up `events` messages about orders, and the trades that follow from them.
pub fn draw(seed: u64, events: usize) -> Traded {
    let random = SimRandom::new(seed);
    let (mut orders, mut trades) = (Vec::<LimitOrder>::with_capacity(events), Vec::<Trade>::new());
    for number in 0..events as i64 {
        // One of the last two hundred messages: recent orders are amended, cancelled and met.
        let old = orders.iter().rev().nth(random.below(200) as usize).cloned();
        orders.push(match (random.below(12), old) {
            (0 | 1, Some(old)) => {
                let price = old.price + cents(random.below(7) as i64 - 3);
                LimitOrder { sequence: number, price, quantity: 150, ..old }
            }
            (2..=4, Some(old)) => LimitOrder { sequence: number, quantity: 0, ..old },
            (5, Some(sent_twice)) => sent_twice,
            _ => placed(&random, number),
        });
        let bid = &orders[orders.len() - 1];
        let asks = orders.iter().rev().take(100);
        let asks = asks.filter(|o| o.side == Side::Ask && o.symbol == bid.symbol);
        if bid.side == Side::Bid
            && let Some(ask) = asks.min_by_key(|o| o.price)
        {
            trades.push(Trade {
                trade: number,
                symbol: ask.symbol.clone(),
                bid: bid.order,
                ask: ask.order,
                price: ask.price,
                quantity: 1 + random.below(40) as i64,
                at: Timestamp::from_micros(START_US + number * 250_000),
            });
        }
        if random.below(150) == 0
            && let Some(trade) = trades.last().cloned()
        {
            let taken_back = Trade { trade: -1 - number, quantity: -trade.quantity, ..trade };
            trades.push(taken_back);
        }
        if random.below(40) == 0
            && let Some(told_twice) = trades.last().cloned()
        {
            trades.push(told_twice);
        }
    }
    late(&random, &mut orders, 20, 30);
    late(&random, &mut trades, 20, 30);
    Traded { orders, trades }
}

/// A new order, near a price that goes up and down slowly.
fn placed(random: &SimRandom, order: i64) -> LimitOrder {
    let symbol = SYMBOLS[random.below(1 + random.below(SYMBOLS.len() as u64)) as usize].to_owned();
    let middle = 10_000 + (order / 100 % 400 - 200).abs();
    let away = 1 + random.below(1 + random.below(80)) as i64;
    let bid = random.below(2) == 0;
    let (side, price) = if bid { (Side::Bid, middle - away) } else { (Side::Ask, middle + away) };
    let quantity = 10 * (1 + random.below(20)) as i64;
    LimitOrder { order, sequence: order, symbol, side, price: cents(price), quantity }
}
