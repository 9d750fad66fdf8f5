//! Queries over the bids of each user in time.

use std::time::Duration;

use diptych::prelude::*;

use super::Bid;

const GAP: Duration = Duration::from_secs(10);

/// The number of bids of each user in each session, which ten seconds of silence end.
/// `sessions`: (bidder, start) -> end, bids.
#[inline]
pub fn q11(df: &mut Dataflow<'_>) {
    let bids = df.events::<Bid>("bids").map(|b| (b.bidder, b.date_time)).count("bids");
    let sessions =
        bids.map(|((bidder, at), n)| (bidder, (at, n))).sessions(GAP).reduce(|_, rows, out| {
            let bids: i64 = rows.iter().map(|((_, n), _)| n).sum();
            let last = rows.iter().map(|((at, _), _)| at.micros()).max().unwrap_or_default();
            let end = last.saturating_add(GAP.as_micros() as i64);
            out.push(((Timestamp::from_micros(end), bids), 1));
        });
    df.view("sessions", sessions).columns(&["bidder", "start", "end", "bids"]);
}

/// The number of bids of each user in each ten seconds. `windows`: (bidder, start, end) -> bids.
#[inline]
pub fn q12(df: &mut Dataflow<'_>) {
    let windows = Windows::tumbling(Duration::from_secs(10));
    let bids = df.events::<Bid>("bids").map(move |b| (b.bidder, windows.at(b.date_time)));
    df.view("windows", bids.count("windows")).columns(&["bidder", "start", "end", "bids"]);
}
