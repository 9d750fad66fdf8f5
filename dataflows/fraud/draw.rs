//! Generator of made-up payments, and of links between accounts.

mod links;

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::{START_US, cents};
use super::{Link, Payment};

const SECOND_US: i64 = 1_000_000;
const COUNTRIES: [&str; 4] = ["DE", "FR", "GB", "BR"];

/// The events of both streams. Event k of n of each belongs to epoch k · epochs / n.
#[derive(Clone, Debug)]
pub struct FraudEvents {
    /// The payments: four events in five.
    pub payments: Vec<Payment>,
    /// The links: one event in five.
    pub links: Vec<Link>,
}

/// Makes up `events` events, each stream in order of arrival.
///
/// One payment in thirty begins a burst, one in fifty is made abroad, one in twenty is late by up
/// to two hours, one in thirty is sent twice. Accounts have devices, cards and addresses of their
/// own; some share one with others. A link in four is withdrawn, some before they arrive.
pub fn draw(seed: u64, events: usize) -> FraudEvents {
    let random = SimRandom::new(seed);
    let accounts = 12 + events as u64 / 20;
    let links = events / 5;
    FraudEvents {
        payments: payments(&random, accounts, events - links),
        links: links::links(&random, accounts, links),
    }
}

fn payments(random: &SimRandom, accounts: u64, events: usize) -> Vec<Payment> {
    let mut payments: Vec<Payment> = Vec::with_capacity(events);
    let (mut now, mut burst, mut of) = (START_US, 0, 0);
    while payments.len() < events {
        if burst == 0 {
            of = random.below(1 + random.below(accounts));
            burst = if random.below(30) == 0 { 3 + random.below(4) } else { 1 };
        }
        burst -= 1;
        now += SECOND_US * random.below(if burst > 0 { 20 } else { 120 }) as i64;
        if let (0, Some(last)) = (random.below(30), payments.last()) {
            payments.push(last.clone());
            continue;
        }
        let late = if random.below(20) == 0 { random.below(7_200) as i64 } else { 0 };
        let abroad = u64::from(random.below(50) == 0);
        let paid = 100 + random.below(1 << (6 + random.below(12))) as i64;
        payments.push(Payment {
            id: payments.len() as i64,
            // Some accounts have two cards.
            card: (of * 2 + random.below(1 + of % 2)) as i64,
            account: of as i64,
            amount: cents(paid),
            country: COUNTRIES[((of + abroad) % 4) as usize].to_owned(),
            at: Timestamp::from_micros(now - late * SECOND_US),
        });
    }
    payments
}
