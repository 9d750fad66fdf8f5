//! Card fraud: payments that break a rule, and rings of accounts that share devices or addresses.
//!
//! A rule looks back from each payment, by event time: a late payment raises the alerts of those
//! after it. A ring is named after its least account; a link that is withdrawn may cut it in two.

mod draw;

use std::time::Duration;

use diptych::{Dataflow, Decimal, Event, PairsExt, TimedExt, Timestamp};
pub use draw::{FraudEvents, draw};
use serde::{Deserialize, Serialize};

/// A payment by card. Of several with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payment {
    /// Names the payment.
    pub id: i64,
    /// By which card.
    pub card: i64,
    /// From whose account.
    pub account: i64,
    /// How much.
    pub amount: Decimal<2>,
    /// Where.
    pub country: String,
    /// When.
    pub at: Timestamp,
}

/// An account uses a card, a device or an address (`diff` 1), or does not after all (-1).
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Link {
    /// Whose.
    pub account: i64,
    /// What others may use too.
    pub shared: String,
    /// Added to the link's multiplicity.
    pub diff: i64,
}

/// `alerts`: (payment, rule) -> account, at: the fourth payment of a card within a `minute`, one
/// that reaches 2,000 within an `hour`, one within an hour after one `abroad`. Of three accounts or
/// more, `rings`: (ring) -> accounts, paid, alerts, and `members`: (ring) -> account, paid, alerts.
#[expect(clippy::redundant_closure_for_method_calls, reason = "a method is of one lifetime")]
#[inline]
pub fn fraud(df: &mut Dataflow) {
    let payments = df.events::<Payment>("payments").map(|p| p.into_event());
    let payments = payments.distinct_by("payments", |p| p.id);
    let links = df.events::<Link>("links").weighted(|l| l.diff);
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
