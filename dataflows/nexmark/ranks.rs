//! Counts of bids, bidders and auctions, by rank of price.

use diptych::prelude::*;

/// The counts: in all, below 100 dollars, from there to 10,000, above.
pub(super) type Ranks = (i64, i64, i64, i64);

/// The columns of a [`report`].
pub(super) const NAMES: [&str; 12] = [
    "total_bids",
    "rank1_bids",
    "rank2_bids",
    "rank3_bids",
    "total_bidders",
    "rank1_bidders",
    "rank2_bidders",
    "rank3_bidders",
    "total_auctions",
    "rank1_auctions",
    "rank2_auctions",
    "rank3_auctions",
];

/// The counts of one bid.
pub(super) fn ranks(price: i64) -> Ranks {
    let is = i64::from;
    let middle = (10_000..1_000_000).contains(&price);
    (1, is(price < 10_000), is(middle), is(price >= 1_000_000))
}

/// One for each rank that has bids, else zero.
fn some((all, low, middle, high): Ranks) -> Ranks {
    let is = |n| i64::from(n > 0);
    (is(all), is(low), is(middle), is(high))
}

/// A channel, or all of them, on a day.
pub(super) type Group = (Option<String>, Date);

/// (group) -> bids, bidders and auctions of each rank; from the bids of each bidder of a group, and
/// the bids on each auction.
#[inline]
pub(super) fn report<'s>(
    bidders: Collection<'s, ((Group, i64), Ranks)>,
    auctions: Collection<'s, ((Group, i64), Ranks)>,
) -> Collection<'s, (Group, (Ranks, Ranks, Ranks))> {
    let seen = |((group, _), bids)| (group, (bids, some(bids)));
    let (bidders, auctions) = (bidders.map(seen).sum_values(), auctions.map(seen).sum_values());
    let both = bidders.join(auctions);
    both.map(|(group, ((bids, bidders), (_, auctions)))| (group, (bids, bidders, auctions)))
}
