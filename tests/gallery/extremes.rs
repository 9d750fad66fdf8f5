//! Events at the extremes: impossible events are refused by name, and change no answer; merely odd
//! ones are counted, and stop nothing.

use std::collections::BTreeMap;

use dataflows::nexmark::{Auction, Bid, Person, SideInput};
use dataflows::{Calibration, Click, InvoiceLine, LimitOrder, Link, Movement, Op, Payment};
use dataflows::{ProductChange, Purchase, Reading, ReservationChange, Side, Tie, Trade};
use dataflows::{baskets, clickstream, fraud, inventory, iot, k_core, nexmark, order_book};
use dataflows::{draw_clickstream, draw_fraud, draw_inventory, draw_iot, draw_k_core};
use dataflows::{draw_order_book, draw_recommendations, draw_retail};
use dataflows::{recommendations, retail};
use diptych::dataflow::Definition;
use diptych::event::{Decimal, Timestamp};
use diptych::serving::Read;
use diptych::testing::Live;
use diptych::{Dataflow, Event};

/// The ends of time, and years that are written by mistake.
const TIMES: [i64; 5] =
    [i64::MIN, -62_135_596_800_000_000, 1_456_826_400_000_000, 253_402_300_799_999_999, i64::MAX];

fn most<const S: u8>() -> Decimal<S> {
    Decimal::new(10_i128.pow(38) - 1).unwrap()
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// All views but `errors`, as bytes.
fn answers(name: &str, dataflow: fn(&mut Dataflow<'_>), live: &Live) -> Vec<(String, Vec<u8>)> {
    let described = Definition::new(name, dataflow).describe().unwrap();
    let snapshot = live.snapshot(Read::Latest).unwrap();
    let mut rows = Vec::new();
    for view in described.views.iter().filter(|view| view.name != "errors") {
        for row in snapshot.scan(snapshot.view(&view.name).unwrap()) {
            let row = row.unwrap();
            rows.push((view.name.clone(), [&row.key[..], &row.value[..]].concat()));
        }
    }
    rows
}

fn refused(live: &Live) -> BTreeMap<String, i64> {
    let mut reasons = BTreeMap::new();
    for ((_, _, reason), n) in live.rows::<(u64, String, String), i64>("errors").unwrap() {
        *reasons.entry(reason).or_default() += n;
    }
    reasons
}

type Feeds<'a> = [&'a dyn Fn(&mut Live)];

fn feed<E: Event>(stream: &'static str, events: Vec<E>) -> impl Fn(&mut Live) {
    move |live| {
        live.feed(stream, &events).unwrap();
    }
}

/// Checks that the answers are the same for good events alone, after bad ones, and before more of
/// them, with a restart. Odd ones follow, and another restart.
fn survives(
    (name, dataflow): (&str, fn(&mut Dataflow<'_>)),
    good: &Feeds<'_>,
    bad: &Feeds<'_>,
    odd: &Feeds<'_>,
    reasons: &[&str],
) {
    let mut alone = Live::start((name, dataflow)).unwrap();
    good.iter().for_each(|feed| feed(&mut alone));
    let expected = answers(name, dataflow, &alone);
    assert!(!expected.is_empty(), "{name}: nothing is compared");

    let mut live = Live::start((name, dataflow)).unwrap();
    for feed in bad.iter().chain(good).chain(bad) {
        feed(&mut live);
    }
    assert_eq!(answers(name, dataflow, &live), expected, "{name}, beside bad events");
    live.restart(2).unwrap();
    assert_eq!(answers(name, dataflow, &live), expected, "{name}, after a restart");
    if !reasons.is_empty() {
        let found: Vec<String> = refused(&live).into_keys().collect();
        assert_eq!(found, reasons, "{name}");
    }
    odd.iter().for_each(|feed| feed(&mut live));
    live.restart(1).unwrap();
}

#[test]
fn readings() {
    let reading = |sensor: &str, sequence, at, value| Reading {
        sensor: sensor.to_owned(),
        sequence,
        at,
        value,
    };
    let good = draw_iot(1, 300);
    // A date that nobody doubts counts for the retention, whatever was measured.
    let at = good.readings[0].at;
    let [small, far] = [TIMES[1], TIMES[3]].map(time);
    let bad = feed(
        "readings",
        vec![
            reading("sensor-0001", 1, at, most()),
            reading("sensor-0001", 1, at, -most::<2>()),
            reading("sensor-0001", 1, far, Decimal::ZERO),
            reading("sensor-0001", 1, small, Decimal::ZERO),
        ],
    );
    let calibration =
        |offset| Calibration { sensor: "x".into(), at, offset, least: -most(), greatest: most() };
    let bad_calibrations = feed("calibrations", vec![calibration(most())]);
    let odd = feed("readings", vec![reading("", i64::MIN, time(0), Decimal::ZERO)]);
    survives(
        ("iot", iot),
        &[&feed("readings", good.readings), &feed("calibrations", good.calibrations)],
        &[&bad, &bad_calibrations],
        &[&odd, &feed("calibrations", vec![calibration(Decimal::ZERO)])],
        &[
            "implausible date: 0001-01-01T00:00:00Z",
            "implausible date: 9999-12-31T23:59:59.999999Z",
            "implausible offset: 999999999999999999999999999999999999.99",
            "implausible value: -999999999999999999999999999999999999.99",
            "implausible value: 999999999999999999999999999999999999.99",
        ],
    );
}

#[test]
fn orders_and_trades() {
    let order = |order, quantity, price| {
        let (sequence, symbol, side) = (order, "ADA".to_owned(), Side::Bid);
        LimitOrder { order, sequence, symbol, side, price, quantity }
    };
    let at = time(TIMES[2]);
    let trade = |trade, quantity, price| Trade {
        trade,
        symbol: "ADA".into(),
        bid: trade,
        ask: 5,
        price,
        quantity,
        at,
    };
    let good = draw_order_book(1, 300);
    let one = Decimal::new(100).unwrap();
    let bad_orders =
        vec![order(1, i64::MAX, one), order(2, i64::MAX, one), order(3, 1, -most::<2>())];
    let bad_trades =
        vec![trade(1, i64::MIN, one), trade(5, i64::MAX, one), trade(6, i64::MAX, most())];
    let odd = TIMES.map(|at| Trade { at: time(at), ..trade(at, 1, one) });
    survives(
        ("order_book", order_book),
        &[&feed("limit_orders", good.orders), &feed("trades", good.trades)],
        &[&feed("limit_orders", bad_orders), &feed("trades", bad_trades)],
        &[
            &feed("trades", odd.to_vec()),
            &feed("limit_orders", vec![order(i64::MIN, 1, one), order(i64::MAX, -1, -one)]),
        ],
        &[
            "implausible price: -999999999999999999999999999999999999.99",
            "implausible quantity: -9223372036854775808",
            "implausible quantity: 9223372036854775807",
        ],
    );
}

#[test]
fn stock() {
    let good = draw_inventory(1, 300);
    let at = time(TIMES[2]);
    let movement = |movement, quantity| {
        let (warehouse, product) = ("Basel".to_owned(), "P00000".to_owned());
        Movement { movement, warehouse, product, quantity, at }
    };
    let reservation = |reservation, quantity| {
        let (warehouse, product) = ("Basel".to_owned(), "P00000".to_owned());
        ReservationChange { op: Op::Upsert, lsn: 9_999, reservation, warehouse, product, quantity }
    };
    let odd = |product: &str, lsn, reorder_at| {
        let (product, name) = (product.to_owned(), String::new());
        ProductChange { op: Op::Upsert, lsn, product, name, reorder_at }
    };
    survives(
        ("inventory", inventory),
        &[
            &feed("product_changes", good.products),
            &feed("reservation_changes", good.reservations),
            &feed("movements", good.movements),
        ],
        &[
            &feed("reservation_changes", (1..3).map(|n| reservation(n, i64::MAX)).collect()),
            &feed("movements", (1..3).map(|n| movement(n, i64::MIN)).collect()),
        ],
        &[
            &feed(
                "product_changes",
                vec![odd("", i64::MIN, i64::MAX), odd("P00000", i64::MAX, i64::MIN)],
            ),
            &feed("movements", vec![movement(i64::MAX, 0)]),
        ],
        &[
            "implausible quantity: -9223372036854775808",
            "implausible quantity: 9223372036854775807",
        ],
    );
}

#[test]
fn payments_and_links() {
    let good = draw_fraud(1, 300);
    let payment = |id, amount, at| Payment {
        id,
        card: 0,
        account: i64::MIN,
        amount,
        country: String::new(),
        at: time(at),
    };
    let link = |diff| Link { account: 0, shared: "address 0".to_owned(), diff };
    survives(
        ("fraud", fraud),
        &[&feed("payments", good.payments), &feed("links", good.links)],
        &[
            &feed("payments", (1..3).map(|id| payment(id, most(), TIMES[2])).collect()),
            &feed("links", vec![link(i64::MAX), link(i64::MAX), link(i64::MIN), link(0)]),
        ],
        &[
            &feed("payments", TIMES.map(|at| payment(at, Decimal::ZERO, at)).to_vec()),
            &feed("payments", TIMES.map(|at| payment(at / 2, Decimal::ZERO, at)).to_vec()),
        ],
        &[
            "implausible amount: 999999999999999999999999999999999999.99",
            "implausible diff: -9223372036854775808",
            "implausible diff: 0",
            "implausible diff: 9223372036854775807",
        ],
    );
}

#[test]
fn purchases() {
    let line = |line, quantity, at| Purchase { line, user: 1, item: 1, quantity, at: time(at) };
    let bad = (0..3).map(|n| line(n, i64::MAX, TIMES[2])).chain([line(3, i64::MIN, 0)]);
    survives(
        ("recommendations", recommendations),
        &[&feed("purchases", draw_recommendations(1, 300))],
        &[&feed("purchases", bad.collect())],
        &[&feed("purchases", TIMES.map(|at| line(at, 1, at)).to_vec())],
        &[
            "implausible quantity: -9223372036854775808",
            "implausible quantity: 9223372036854775807",
        ],
    );
}

#[test]
fn ties() {
    let tie = |a, b, diff| Tie { a, b, diff };
    survives(
        ("k_core", k_core),
        &[&feed("ties", draw_k_core(1, 300))],
        &[&feed("ties", vec![tie(1, 2, i64::MAX), tie(2, 1, i64::MAX), tie(1, 3, i64::MIN)])],
        &[&feed("ties", vec![tie(i64::MIN, i64::MAX, 1), tie(0, 0, 1), tie(7, 9, -1)])],
        &["implausible diff: -9223372036854775808", "implausible diff: 9223372036854775807"],
    );
}

#[test]
fn invoices() {
    let good = draw_retail(1, 300);
    let of = |quantity, price, at| InvoiceLine { quantity, price, at: time(at), ..good[0].clone() };
    let one = Decimal::new(1_000).unwrap();
    let empty = |at| InvoiceLine {
        invoice: String::new(),
        product: String::new(),
        country: String::new(),
        ..of(-1, one, at)
    };
    for flow in [("retail", retail as fn(&mut Dataflow<'_>)), ("baskets", baskets)] {
        // What baskets need not look at is not for them to refuse.
        let mut bad = vec![of(i64::MAX, one, 0), of(i64::MIN, one, 0)];
        let mut reasons = vec![
            "implausible quantity: -9223372036854775808",
            "implausible quantity: 9223372036854775807",
        ];
        if flow.0 == "retail" {
            bad.push(of(2, most(), 0));
            reasons.insert(0, "implausible price: 99999999999999999999999999999999999.999");
        }
        survives(
            flow,
            &[&feed("invoice_lines", good.clone())],
            &[&feed("invoice_lines", bad)],
            &[&feed("invoice_lines", TIMES.map(empty).to_vec())],
            &reasons,
        );
    }
}

#[test]
fn clicks() {
    let click = |at, page: &str| Click { user: i64::MIN, at: time(at), page: page.to_owned() };
    let odd =
        TIMES.iter().flat_map(|at| ["", "/", "//", "cart", "/checkout"].map(|p| click(*at, p)));
    survives(
        ("clickstream", clickstream),
        &[&feed("clicks", draw_clickstream(1, 300))],
        &[],
        &[&feed("clicks", odd.collect())],
        &[],
    );
}

#[test]
fn bids_and_auctions() {
    let bid = |price, at| Bid {
        auction: i64::MIN,
        bidder: i64::MAX,
        price,
        channel: String::new(),
        url: String::new(),
        date_time: time(at),
        extra: String::new(),
    };
    let auction = |at, expires| Auction {
        id: i64::MIN,
        item_name: String::new(),
        description: String::new(),
        initial_bid: i64::MIN,
        reserve: i64::MAX,
        date_time: time(at),
        expires: time(expires),
        seller: i64::MAX,
        category: 10,
        extra: String::new(),
    };
    let person = |at| Person {
        id: i64::MAX,
        name: String::new(),
        email: String::new(),
        credit_card: String::new(),
        city: String::new(),
        state: "OR".to_owned(),
        date_time: time(at),
        extra: String::new(),
    };
    let bids = TIMES.iter().flat_map(|at| [i64::MIN, 0, i64::MAX, i64::MAX].map(|p| bid(p, *at)));
    let (bids, people) = (bids.collect::<Vec<_>>(), TIMES.map(person));
    let auctions = TIMES.map(|at| auction(at, i64::MAX));
    for query in nexmark::all() {
        let name = query.name().to_owned();
        let reads: Vec<String> =
            query.describe().unwrap().streams.iter().map(|s| s.name.clone()).collect();
        let mut live = Live::start(query).unwrap();
        let failed = |error| panic!("{name}: {error}");
        for stream in reads {
            match &*stream {
                "bids" => live.feed("bids", &bids),
                "auctions" => live.feed("auctions", &auctions),
                "people" => live.feed("people", &people),
                _ => live.feed("side_inputs", &[SideInput { key: -8, value: String::new() }]),
            }
            .unwrap_or_else(failed);
        }
        live.restart(2).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == "nexmark_q17" {
            assert_eq!(refused(&live).into_values().collect::<Vec<_>>(), [5, 10]);
        }
    }
}
