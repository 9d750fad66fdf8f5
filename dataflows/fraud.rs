//! Card fraud: payments that break a rule, and rings of accounts that share devices or addresses.
//!
//! A rule looks back from each payment, by event time: a late payment raises the alerts of those
//! after it. A ring is named after its least account; a link that is withdrawn may cut it in two.

use std::time::Duration;

use diptych::prelude::*;

use super::plausible::{amount, one};

mod draw;
mod facts;
pub use draw::{FraudEvents, draw};
pub use facts::{Link, Payment};

/// `alerts`: (payment, rule) -> account, at: the fourth payment of a card within a `minute` and
/// each later one, one that reaches 2,000 within an `hour`, one at most an hour after another one
/// in another country, `abroad` (of two at the same instant, both). Of three accounts or more,
/// `rings`: (ring) -> accounts, paid, alerts, and `members`: (ring) -> account, paid, alerts.
#[inline]
pub fn fraud(df: &mut Dataflow) {
    let payments = df.events::<Payment>("payments").check(|p| amount("amount", p.amount));
    let payments = payments.owned().distinct_by("payments", |p| p.id);
    let links = df.events::<Link>("links").check(|l| one(l.diff)).weighted(|l| l.diff);
    let links = links.map(|l| (l.account, l.shared.to_owned())).distinct("links");
    let card = payments.clone().map(|p| (p.card, (p.at, p)));
    let alerts = card
        .clone()
        .interval_join(card, Duration::from_hours(1), Duration::ZERO)
        .map(|(_, ((at, p), (then, before)))| {
            let minute = i64::from(at.micros() - then.micros() <= 60_000_000);
            let abroad = i64::from(before.country != p.country);
            ((p.id, p.account, at), (minute, before.amount, abroad))
        })
        .sum_values()
        .flat_map(|((id, account, at), (n, paid, abroad))| {
            let much = paid.units() >= 200_000;
            let rules = [("minute", n >= 4), ("hour", much), ("abroad", abroad > 0)];
            let broken = rules.into_iter().filter(|(_, broken)| *broken);
            broken.map(move |(rule, _)| ((id, rule.to_owned()), (account, at)))
        });

    let paid = payments.map(|p| (p.account, (p.amount, 0_i64)));
    let alerted = alerts.clone().map(|(_, (account, _))| (account, (Decimal::ZERO, 1_i64)));
    let sums = paid.concat(alerted).sum_values();
    let members = links.components().left_join(sums);
    let members = members.map(|(account, (ring, sum))| (ring, (account, sum.unwrap_or_default())));
    let rings = members.clone().map(|(ring, (_, (paid, alerts)))| (ring, (1_i64, paid, alerts)));
    let rings = rings.sum_values().filter(|(_, (accounts, ..))| *accounts >= 3);
    let members = members.semijoin(rings.clone().map(|(ring, _)| ring));

    df.view("alerts", alerts).columns(&["payment", "rule", "account", "at"]);
    df.view("rings", rings).columns(&["ring", "accounts", "paid", "alerts"]);
    df.view("members", members).columns(&["ring", "account", "paid", "alerts"]);
}
