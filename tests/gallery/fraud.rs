//! The naive twin of `fraud`, in plain loops: all pairs of payments, and walks along links.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{FraudEvents, Link, Payment, draw_fraud, fraud};
use diptych::event::{Decimal, Timestamp};
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::drawn::Drawn;
use crate::follow::{epochs, follow, same};

const MINUTE: i64 = 60 * 1_000_000;

type Alerts = BTreeMap<(i64, String), (i64, Timestamp)>;

/// One payment for each id: the least.
fn once(payments: &[Payment]) -> Vec<&Payment> {
    let mut least = BTreeMap::<i64, &Payment>::new();
    for payment in payments {
        let known = least.entry(payment.id).or_insert(payment);
        *known = payment.min(known);
    }
    least.into_values().collect()
}

fn alerts(payments: &[&Payment]) -> Alerts {
    let mut cards = BTreeMap::<i64, Vec<&Payment>>::new();
    for payment in payments {
        cards.entry(payment.card).or_default().push(payment);
    }
    let mut alerts = Alerts::new();
    for payment in payments {
        let (mut in_a_minute, mut in_an_hour, mut abroad) = (0, 0, false);
        for other in &cards[&payment.card] {
            let ago = payment.at.micros() - other.at.micros();
            if (0..=MINUTE).contains(&ago) {
                in_a_minute += 1;
            }
            if (0..=60 * MINUTE).contains(&ago) {
                in_an_hour += other.amount.units();
                abroad |= other.country != payment.country;
            }
        }
        let mut alert = |rule: &str| {
            alerts.insert((payment.id, rule.to_owned()), (payment.account, payment.at));
        };
        if in_a_minute >= 4 {
            alert("minute");
        }
        if in_an_hour >= 2_000 * 100 {
            alert("hour");
        }
        if abroad {
            alert("abroad");
        }
    }
    alerts
}

/// The accounts of each ring, by the least of them: a walk from each account to all that it can
/// reach.
fn rings(links: &[Link]) -> BTreeMap<i64, BTreeSet<i64>> {
    let mut there = BTreeMap::<(i64, &str), i64>::new();
    for link in links {
        *there.entry((link.account, &link.shared)).or_default() += link.diff;
    }
    there.retain(|_, copies| *copies > 0);
    let mut uses = BTreeMap::<i64, BTreeSet<&str>>::new();
    let mut users = BTreeMap::<&str, BTreeSet<i64>>::new();
    for (account, shared) in there.into_keys() {
        uses.entry(account).or_default().insert(shared);
        users.entry(shared).or_default().insert(account);
    }
    let mut rings = BTreeMap::new();
    for start in uses.keys() {
        let (mut ring, mut next) = (BTreeSet::from([*start]), vec![*start]);
        while let Some(account) = next.pop() {
            for other in uses[&account].iter().flat_map(|shared| &users[shared]) {
                if ring.insert(*other) {
                    next.push(*other);
                }
            }
        }
        if ring.len() >= 3 {
            rings.insert(*ring.first().expect("it has the start"), ring);
        }
    }
    rings
}

fn check(snapshot: &Snapshot, payments: &[Payment], links: &[Link]) -> [usize; 2] {
    let (payments, rings) = (once(payments), rings(links));
    let alerts = alerts(&payments);
    let (mut rows, mut members) = (BTreeMap::new(), Vec::new());
    for (ring, accounts) in &rings {
        let (mut all_paid, mut all_alerts) = (Decimal::ZERO, 0_i64);
        for account in accounts {
            let paid = payments.iter().filter(|payment| payment.account == *account);
            let paid: Decimal<2> = paid.map(|payment| payment.amount).sum();
            let alerts = alerts.values().filter(|(of, _)| of == account).count() as i64;
            (all_paid, all_alerts) = (all_paid + paid, all_alerts + alerts);
            members.push((*ring, (*account, (paid, alerts))));
        }
        rows.insert(*ring, (accounts.len() as i64, all_paid, all_alerts));
    }
    let found = [rows.len(), alerts.len()];
    same(snapshot, "alerts", alerts);
    same(snapshot, "rings", rows);
    same(snapshot, "members", members);
    found
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let epochs = epochs(100);
    let FraudEvents { payments, links } = draw_fraud(1, 400 + epochs * 2);
    let paid = Drawn { stream: "payments", events: &payments, epochs };
    let linked = Drawn { stream: "links", events: &links, epochs };
    let each = |epoch| vec![paid.rows(epoch), linked.rows(epoch)];
    let mut seen = Vec::new();
    follow(("fraud", fraud), epochs, each, |epoch, snapshot| {
        seen.push(check(snapshot, paid.until(epoch), linked.until(epoch)));
    });
    let [rings, alerts] = seen[seen.len() - 1];
    println!(
        "{epochs} epochs, {} payments, {} links: {rings} rings, {alerts} alerts",
        payments.len(),
        links.len()
    );
    assert!(rings > 0 && alerts > 0, "nothing is found");
    assert!(
        epochs < 2_000 || seen.windows(2).any(|two| two[1][0] < two[0][0]),
        "rings never become fewer"
    );
}

fn payment() -> impl Strategy<Value = Payment> {
    let country = select(vec!["DE", "DE", "FR"]);
    (0_i64..9, 0_i64..2, 0_i64..4, select(vec![1_i128, 70_000, 199_999]), country, 0_i64..12)
        .prop_map(|(id, card, account, cents, country, at)| Payment {
            id,
            card,
            account,
            amount: Decimal::new(cents).expect("few digits"),
            country: country.to_owned(),
            // Steps of half a minute, then of half an hour.
            at: Timestamp::from_seconds(if at < 6 { at * 30 } else { at * 1_800 }),
        })
}

#[test]
fn the_law_holds() {
    let shared = select(vec!["device 1", "device 2", "address"]);
    let diff = select(vec![1_i64, 1, 1, -1, 2]);
    let link = (0_i64..5, shared, diff).prop_map(|(account, shared, diff)| Link {
        account,
        shared: shared.to_owned(),
        diff,
    });
    let stories = vec((vec(payment(), 0..5), vec(link, 0..4)), 0..5).prop_map(|epochs| {
        epochs.iter().fold(Story::default(), |story, (payments, links)| {
            story.epoch().with("payments", payments).with("links", links)
        })
    });
    diptych::testing::assert_law!(("fraud", fraud), stories, 8);
}

#[test]
fn a_ring_lives_as_long_as_what_it_shares() {
    let link = |account, shared: &str, diff| Link { account, shared: shared.to_owned(), diff };
    let mut live = Live::start(("fraud", fraud)).expect("live");
    let rings = |live: &Live| {
        let rows = live.rows::<i64, (i64, Decimal<2>, i64)>("rings").expect("rows");
        rows.iter().map(|(ring, (accounts, ..))| (*ring, *accounts)).collect::<Vec<_>>()
    };
    // A withdrawal that comes before what it withdraws; two pairs are no rings.
    let links = [link(4, "phone", -1), link(1, "car", 1), link(2, "car", 1), link(3, "tv", 1)];
    live.feed("links", &links).expect("fed");
    live.feed("links", &[link(4, "tv", 1), link(2, "phone", 1), link(4, "phone", 1)]).expect("fed");
    assert_eq!(rings(&live), []);
    live.feed("links", &[link(4, "phone", 1)]).expect("fed");
    assert_eq!(rings(&live), [(1, 4)]);
    live.restart(2).expect("restarted");
    live.feed("links", &[link(1, "car", -1)]).expect("fed");
    assert_eq!(rings(&live), [(2, 3)]);
    live.feed("links", &[link(2, "phone", -1)]).expect("fed");
    assert_eq!(rings(&live), []);
}
