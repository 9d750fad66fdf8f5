//! The naive twin of `order_book`: builds the book anew from all messages.

use std::collections::BTreeMap;

use dataflows::{LimitOrder, Side, Trade, Traded, draw_order_book, order_book};
use diptych::event::{Decimal, Timestamp};
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::Drawn;
use crate::follow::{follow, same, size};

type Cents = Decimal<2>;

fn side(side: Side) -> String {
    match side {
        Side::Bid => "Bid".to_owned(),
        Side::Ask => "Ask".to_owned(),
    }
}

/// One trade for each id: the least.
fn once(trades: &[Trade]) -> Vec<Trade> {
    let mut least = BTreeMap::<i64, &Trade>::new();
    for trade in trades {
        let known = least.entry(trade.trade).or_insert(trade);
        *known = trade.min(known);
    }
    least.into_values().cloned().collect()
}

/// The open quantity and the number of orders at each (symbol, side, price).
fn levels(
    orders: &[LimitOrder],
    trades: &[Trade],
) -> BTreeMap<(String, String, Cents), (i64, i64)> {
    let mut standing = BTreeMap::<i64, &LimitOrder>::new();
    for order in orders {
        let key =
            |o: &LimitOrder| (o.sequence, o.symbol.clone(), side(o.side), o.price, o.quantity);
        let known = standing.entry(order.order).or_insert(order);
        if key(order) > key(known) {
            *known = order;
        }
    }
    let mut open: BTreeMap<i64, i64> = standing.iter().map(|(id, o)| (*id, o.quantity)).collect();
    for trade in trades {
        for id in [trade.bid, trade.ask] {
            if let Some(open) = open.get_mut(&id) {
                *open -= trade.quantity;
            }
        }
    }
    let mut levels = BTreeMap::<_, (i64, i64)>::new();
    for (id, order) in standing {
        if order.quantity > 0 && open[&id] > 0 {
            let level = (order.symbol.clone(), side(order.side), order.price);
            let level = levels.entry(level).or_default();
            *level = (level.0 + open[&id], level.1 + 1);
        }
    }
    levels
}

fn minutes(trades: &[Trade]) -> BTreeMap<(String, Timestamp), (i64, Decimal<4>)> {
    let mut sums = BTreeMap::<(String, Timestamp), (i64, i128)>::new();
    for trade in trades {
        let sum = sums.entry((trade.symbol.clone(), trade.at.minute())).or_default();
        *sum = (sum.0 + trade.quantity, sum.1 + trade.price.units() * i128::from(trade.quantity));
    }
    sums.retain(|_, (volume, _)| *volume > 0);
    let average = |volume: i64, paid: i128| {
        let n = i128::from(volume);
        (2 * 100 * paid.abs() + n) / (2 * n) * paid.signum()
    };
    let row = |(volume, paid)| (volume, Decimal::new(average(volume, paid)).unwrap());
    sums.into_iter().map(|(minute, sum)| (minute, row(sum))).collect()
}

fn check(snapshot: &Snapshot, orders: &[LimitOrder], trades: &[Trade]) {
    let trades = once(trades);
    let levels = levels(orders, &trades);
    let (mut top, mut best) = (BTreeMap::new(), BTreeMap::<String, [Option<Cents>; 2]>::new());
    for (number, wanted) in ["Bid", "Ask"].into_iter().enumerate() {
        let mut ranks = BTreeMap::<String, u64>::new();
        let mut of_side: Vec<_> = levels.iter().filter(|((_, s, _), _)| s == wanted).collect();
        if wanted == "Bid" {
            of_side.reverse();
        }
        for ((symbol, side, price), (quantity, n)) in of_side {
            let rank = ranks.entry(symbol.clone()).or_default();
            *rank += 1;
            if *rank == 1 {
                best.entry(symbol.clone()).or_default()[number] = Some(*price);
            }
            if *rank <= 5 {
                top.insert((symbol.clone(), side.clone(), *rank), (*price, (*quantity, *n)));
            }
        }
    }
    let spread = best.into_iter().filter_map(|(symbol, best)| {
        let [Some(bid), Some(ask)] = best else { return None };
        Some((symbol, (bid, ask, ask - bid)))
    });
    same(snapshot, "levels", levels);
    same(snapshot, "top_levels", top);
    same(snapshot, "spread", spread);
    same(snapshot, "minutes", minutes(&trades));
}

#[test]
fn the_law_holds() {
    let cents = |units: i64| Cents::new(units.into()).unwrap();
    let order = (0_i64..4, 0_i64..3, prop::sample::select(&[Side::Bid, Side::Ask]), 1_i64..5);
    let order = (order, 0_i64..4).prop_map(move |((order, sequence, side, price), quantity)| {
        let (symbol, price) = ("A".to_owned(), cents(price));
        LimitOrder { order, sequence, symbol, side, price, quantity }
    });
    let trade = (0_i64..9, 0_i64..4, 0_i64..4, 1_i64..5, -2_i64..4, 0_i64..2).prop_map(
        move |(trade, bid, ask, price, quantity, minute)| {
            let (symbol, at) = ("A".to_owned(), Timestamp::from_seconds(60 * minute));
            Trade { trade, symbol, bid, ask, price: cents(price), quantity, at }
        },
    );
    let epochs = vec((vec(order, 0..5), vec(trade, 0..3)), 1..5);
    let stories = epochs.prop_map(|epochs| {
        epochs.iter().fold(Story::default(), |story, (orders, trades)| {
            story.epoch().with("limit_orders", orders).with("trades", trades)
        })
    });
    diptych::testing::assert_law!(("order_book", order_book), stories, 8);
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let (events, epochs) = size();
    let Traded { orders, trades } = draw_order_book(7, events);
    assert!(trades.iter().any(|trade| trade.quantity < 0), "no trade is taken back");
    assert!(once(&trades).len() < trades.len(), "no trade is told twice");
    let ordered = Drawn { stream: "limit_orders", events: &orders, epochs };
    let traded = Drawn { stream: "trades", events: &trades, epochs };
    let each = |epoch| vec![ordered.rows(epoch), traded.rows(epoch)];
    follow(("order_book", order_book), epochs, each, |epoch, snapshot| {
        check(snapshot, ordered.until(epoch), traded.until(epoch));
    });
}

#[test]
fn a_cancelled_order_stays_closed_whatever_is_taken_back() {
    let price = Cents::new(500).unwrap();
    let order = |sequence, quantity| LimitOrder {
        order: 1,
        sequence,
        symbol: "A".to_owned(),
        side: Side::Bid,
        price,
        quantity,
    };
    let trade = |trade, quantity| {
        let (symbol, at) = ("A".to_owned(), Timestamp::from_seconds(0));
        Trade { trade, symbol, bid: 1, ask: 2, price, quantity, at }
    };
    let mut live = Live::start(("order_book", order_book)).unwrap();
    let open = |live: &Live| -> Vec<(i64, i64)> {
        let rows = live.rows::<(String, String, Cents), (i64, i64)>("levels").unwrap();
        rows.into_iter().map(|(_, open)| open).collect()
    };
    live.feed("limit_orders", &[order(1, 10)]).unwrap();
    live.feed("trades", &[trade(1, 4), trade(1, 4)]).unwrap();
    live.feed("trades", &[trade(1, 4)]).unwrap();
    assert_eq!(open(&live), [(6, 1)], "told three times, traded once");
    // What is taken back comes before what it takes back, and that never.
    live.feed("trades", &[trade(2, -3)]).unwrap();
    live.feed("limit_orders", &[order(2, 0)]).unwrap();
    live.feed("trades", &[trade(3, -4)]).unwrap();
    assert!(open(&live).is_empty(), "it is cancelled");
}
