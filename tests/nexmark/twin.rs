//! The naive twin of each query, in plain loops over all events.
//!
//! A row is its columns as text, with `|` between them; an instant is microseconds since 1970.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::nexmark::{Auction, Bid};
use diptych::event::Timestamp;

use crate::drawn::Seen;

const SECOND: i64 = 1_000_000;

macro_rules! row {
    ($($cell:expr),+ $(,)?) => {
        [$($cell.to_string()),+].join("|")
    };
}
pub(crate) use row;

/// The answer to a query, in any order.
pub(crate) fn twin(query: &str, seen: &Seen<'_>) -> Vec<String> {
    match query {
        "q0" => each(seen, |b| Some(row!(b.auction, b.bidder, b.price, us(b.date_time), b.extra))),
        "q1" => each(seen, |b| {
            Some(row!(b.auction, b.bidder, euros(b.price), us(b.date_time), b.extra))
        }),
        "q2" => each(seen, |b| (b.auction % 123 == 0).then(|| row!(b.auction, b.price))),
        "q3" => q3(seen),
        "q4" => means(winning(seen).map(|(a, b)| (a.category, b.price))),
        "q5" => q5(seen),
        "q6" => q6(seen),
        "q7" => q7(seen),
        "q8" => q8(seen),
        "q9" => winning(seen).map(|(a, b)| q9(a, b)).collect(),
        "q11" => q11(seen),
        "q12" => q12(seen),
        "q13" => q13(seen),
        "q14" => each(seen, q14),
        "q15" => crate::reports::q15(seen),
        "q16" => crate::reports::q16(seen),
        "q17" => crate::reports::q17(seen),
        "q18" => q18(seen),
        "q19" => q19(seen),
        "q20" => q20(seen),
        _ => panic!("{query} has no twin"),
    }
}

pub(crate) fn us(at: Timestamp) -> i64 {
    at.micros()
}

/// Thousandths as text.
fn thousandths(n: i64) -> String {
    format!("{}.{:03}", n / 1000, n % 1000)
}

fn euros(dollars: i64) -> String {
    thousandths(dollars * 908)
}

/// Rounded to three digits, halves up.
pub(crate) fn mean(sum: i64, n: i64) -> String {
    thousandths((2 * 1000 * sum + n) / (2 * n))
}

fn means(rows: impl Iterator<Item = (i64, i64)>) -> Vec<String> {
    let mut sums = BTreeMap::<i64, (i64, i64)>::new();
    for (key, price) in rows {
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + price, sum.1 + 1);
    }
    sums.iter().map(|(key, (sum, n))| row!(key, mean(*sum, *n))).collect()
}

fn each(seen: &Seen<'_>, row: impl Fn(&Bid) -> Option<String>) -> Vec<String> {
    seen.bids.iter().filter_map(row).collect()
}

/// The bids on each auction.
fn by_auction<'a>(seen: &Seen<'a>) -> BTreeMap<i64, Vec<&'a Bid>> {
    let mut bids = BTreeMap::<i64, Vec<&Bid>>::new();
    for bid in seen.bids {
        bids.entry(bid.auction).or_default().push(bid);
    }
    bids
}

fn winning<'a>(seen: &Seen<'a>) -> impl Iterator<Item = (&'a Auction, &'a Bid)> {
    let bids = by_auction(seen);
    seen.auctions.iter().filter_map(move |auction| {
        let mut best: Option<&Bid> = None;
        for bid in bids.get(&auction.id)? {
            let open = auction.date_time <= bid.date_time && bid.date_time <= auction.expires;
            let better = best.is_none_or(|best| {
                bid.price > best.price
                    || bid.price == best.price
                        && (bid.date_time, bid.bidder, &bid.extra)
                            < (best.date_time, best.bidder, &best.extra)
            });
            if open && better {
                best = Some(bid);
            }
        }
        Some((auction, best?))
    })
}

fn q3(seen: &Seen<'_>) -> Vec<String> {
    let people: BTreeMap<_, _> = seen.people.iter().map(|p| (p.id, p)).collect();
    let mut rows = Vec::new();
    for a in seen.auctions.iter().filter(|a| a.category == 10) {
        let Some(p) = people.get(&a.seller) else { continue };
        if ["OR", "ID", "CA"].contains(&p.state.as_str()) {
            rows.push(row!(a.id, p.name, p.city, p.state));
        }
    }
    rows
}

fn q5(seen: &Seen<'_>) -> Vec<String> {
    let mut windows = BTreeMap::<i64, BTreeMap<i64, i64>>::new();
    for bid in seen.bids {
        let at = us(bid.date_time);
        let mut start = at - at.rem_euclid(2 * SECOND);
        while start > at - 10 * SECOND {
            *windows.entry(start).or_default().entry(bid.auction).or_default() += 1;
            start -= 2 * SECOND;
        }
    }
    let mut rows = Vec::new();
    for (start, auctions) in windows {
        let most = auctions.values().max().copied().unwrap_or_default();
        for (auction, n) in auctions.into_iter().filter(|(_, n)| *n == most) {
            rows.push(row!(start, start + 10 * SECOND, auction, n));
        }
    }
    rows
}

fn q6(seen: &Seen<'_>) -> Vec<String> {
    let mut sold = BTreeMap::<i64, Vec<(Timestamp, i64, i64)>>::new();
    for (auction, bid) in winning(seen) {
        // Of two that end together the one with the smaller id counts first.
        sold.entry(auction.seller).or_default().push((auction.expires, -auction.id, bid.price));
    }
    let last = sold.into_iter().flat_map(|(seller, mut sold)| {
        sold.sort_unstable();
        sold.into_iter().rev().take(10).map(move |(_, _, price)| (seller, price))
    });
    means(last)
}

/// The start of the ten-second window of an instant.
fn ten(at: Timestamp) -> i64 {
    us(at) - us(at).rem_euclid(10 * SECOND)
}

fn q7(seen: &Seen<'_>) -> Vec<String> {
    let mut highest = BTreeMap::<i64, i64>::new();
    for bid in seen.bids {
        let price = highest.entry(ten(bid.date_time)).or_default();
        *price = bid.price.max(*price);
    }
    each(seen, |b| {
        let (start, at) = (ten(b.date_time), us(b.date_time));
        let end = start + 10 * SECOND;
        (highest[&start] == b.price)
            .then(|| row!(start, end, b.price, b.auction, b.bidder, at, b.extra))
    })
}

fn q8(seen: &Seen<'_>) -> Vec<String> {
    let sellers: BTreeSet<_> = seen.auctions.iter().map(|a| (a.seller, ten(a.date_time))).collect();
    let came = |p: &&_| sellers.contains(&person_key(p));
    let new = seen.people.iter().filter(came);
    new.map(|p| (person_key(p), &p.name))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|((id, start), name)| row!(id, start, start + 10 * SECOND, name))
        .collect()
}

fn person_key(person: &dataflows::nexmark::Person) -> (i64, i64) {
    (person.id, ten(person.date_time))
}

pub(crate) fn auction_cells(a: &Auction) -> String {
    let times = row!(us(a.date_time), us(a.expires));
    let item = row!(a.id, a.item_name, a.description, a.initial_bid, a.reserve);
    row!(item, times, a.seller, a.category, a.extra)
}

pub(crate) fn bid_cells(b: &Bid) -> String {
    row!(b.auction, b.bidder, b.price, b.channel, b.url, us(b.date_time), b.extra)
}

fn q9(a: &Auction, b: &Bid) -> String {
    row!(auction_cells(a), b.bidder, b.price, us(b.date_time), b.extra)
}

fn q11(seen: &Seen<'_>) -> Vec<String> {
    let mut bidders = BTreeMap::<i64, Vec<i64>>::new();
    for bid in seen.bids {
        bidders.entry(bid.bidder).or_default().push(us(bid.date_time));
    }
    let mut rows = Vec::new();
    for (bidder, mut times) in bidders {
        times.sort_unstable();
        let mut rest = &times[..];
        while let Some(start) = rest.first() {
            let mut n = 1;
            while n < rest.len() && rest[n] - rest[n - 1] <= 10 * SECOND {
                n += 1;
            }
            rows.push(row!(bidder, start, rest[n - 1] + 10 * SECOND, n));
            rest = &rest[n..];
        }
    }
    rows
}

fn q12(seen: &Seen<'_>) -> Vec<String> {
    let mut windows = BTreeMap::<(i64, i64), i64>::new();
    for bid in seen.bids {
        *windows.entry((bid.bidder, ten(bid.date_time))).or_default() += 1;
    }
    let row = |((bidder, start), n): ((i64, i64), i64)| row!(bidder, start, start + 10 * SECOND, n);
    windows.into_iter().map(row).collect()
}

fn q13(seen: &Seen<'_>) -> Vec<String> {
    let known: BTreeMap<_, _> = seen.side_inputs.iter().map(|s| (s.key, &s.value)).collect();
    each(seen, |b| {
        let value = known.get(&(b.auction % 10_000))?;
        Some(row!(b.auction, b.bidder, b.price, us(b.date_time), value))
    })
}

fn q14(b: &Bid) -> Option<String> {
    // In thousandths.
    let price = b.price * 908;
    let hour = us(b.date_time) / (3600 * SECOND) % 24;
    let kind = if (8..=18).contains(&hour) {
        "dayTime"
    } else if hour <= 6 || hour >= 20 {
        "nightTime"
    } else {
        "otherTime"
    };
    let letters = b.extra.chars().filter(|letter| *letter == 'c').count();
    let (price_is, at) = (euros(b.price), us(b.date_time));
    (price > 1_000_000_000 && price < 50_000_000_000)
        .then(|| row!(b.auction, b.bidder, price_is, kind, at, b.extra, letters))
}

fn q18(seen: &Seen<'_>) -> Vec<String> {
    let mut last = BTreeMap::<(i64, i64), &Bid>::new();
    for bid in seen.bids {
        let known = last.entry((bid.bidder, bid.auction)).or_insert(bid);
        let place = |b: &Bid| (b.date_time, b.price, b.channel.clone(), b.url.clone());
        if (place(bid), &bid.extra) > (place(known), &known.extra) {
            *known = bid;
        }
    }
    last.values()
        .map(|b| row!(b.bidder, b.auction, b.price, b.channel, b.url, us(b.date_time), b.extra))
        .collect()
}

fn q19(seen: &Seen<'_>) -> Vec<String> {
    let mut rows = Vec::new();
    for (auction, mut bids) in by_auction(seen) {
        bids.sort_by_key(|b| (b.price, b.bidder, &b.channel, &b.url, b.date_time, &b.extra));
        for (rank, b) in (1..=10).zip(bids.into_iter().rev()) {
            let at = us(b.date_time);
            rows.push(row!(auction, rank, b.price, b.bidder, b.channel, b.url, at, b.extra));
        }
    }
    rows
}

fn q20(seen: &Seen<'_>) -> Vec<String> {
    let auctions: BTreeMap<_, _> = seen.auctions.iter().map(|a| (a.id, a)).collect();
    each(seen, |b| {
        let auction = auctions.get(&b.auction).filter(|a| a.category == 10)?;
        Some(row!(bid_cells(b), auction_cells(auction)))
    })
}
