//! The naive twins of the reports per day, in plain loops.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::nexmark::Bid;

use crate::drawn::Seen;
use crate::twin::{mean, row, us};

/// Bids of one group.
type Group<'a> = Vec<&'a Bid>;

fn day(bid: &Bid) -> String {
    bid.date_time.date().to_string()
}

fn groups<'a, K: Ord>(seen: &Seen<'a>, key: impl Fn(&Bid) -> K) -> BTreeMap<K, Group<'a>> {
    let mut groups = BTreeMap::<K, Group<'_>>::new();
    for bid in seen.bids {
        groups.entry(key(bid)).or_default().push(bid);
    }
    groups
}

/// The group, and its bids by rank of price.
fn ranks<'a>(bids: &Group<'a>) -> [Group<'a>; 4] {
    let of = |low: i64, high: i64| -> Group<'a> {
        bids.iter().copied().filter(|b| low <= b.price && b.price < high).collect()
    };
    [bids.clone(), of(0, 10_000), of(10_000, 1_000_000), of(1_000_000, i64::MAX)]
}

fn counts(bids: &Group<'_>) -> String {
    ranks(bids).map(|bids| bids.len().to_string()).join("|")
}

fn distinct(bids: &Group<'_>, of: impl Fn(&Bid) -> i64) -> String {
    let count = |bids: Group<'_>| bids.into_iter().map(&of).collect::<BTreeSet<_>>().len();
    ranks(bids).map(|bids| count(bids).to_string()).join("|")
}

fn report(bids: &Group<'_>) -> String {
    row!(counts(bids), distinct(bids, |b| b.bidder), distinct(bids, |b| b.auction))
}

pub(crate) fn q15(seen: &Seen<'_>) -> Vec<String> {
    groups(seen, day).iter().map(|(day, bids)| row!(day, report(bids))).collect()
}

pub(crate) fn q16(seen: &Seen<'_>) -> Vec<String> {
    let groups = groups(seen, |b| (b.channel.clone(), day(b)));
    let row = |((channel, day), bids): (&(String, String), &Group<'_>)| {
        let last = bids.iter().map(|b| us(b.date_time) / 60_000_000 % 1440).max();
        let minute = last.map_or_else(String::new, |m| format!("{:02}:{:02}", m / 60, m % 60));
        row!(channel, day, minute, report(bids))
    };
    groups.iter().map(row).collect()
}

pub(crate) fn q17(seen: &Seen<'_>) -> Vec<String> {
    let groups = groups(seen, |b| (b.auction, day(b)));
    let row = |((auction, day), bids): (&(i64, String), &Group<'_>)| {
        let mut prices: Vec<i64> = bids.iter().map(|b| b.price).collect();
        prices.sort_unstable();
        let (sum, n) = (prices.iter().sum::<i64>(), prices.len() as i64);
        let (least, most) = (prices[0], prices[prices.len() - 1]);
        row!(auction, day, counts(bids), least, most, mean(sum, n), sum)
    };
    groups.iter().map(row).collect()
}
