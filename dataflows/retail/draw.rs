//! Generator of a made-up shop: invoices of a few lines, some of many, and some cancellations.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::{START_S, late};
use super::InvoiceLine;

const COUNTRIES: [&str; 6] =
    ["United Kingdom", "Germany", "France", "EIRE", "Spain", "Netherlands"];
const PRODUCTS: u64 = 800;
/// One invoice in so many is a dealer's, with up to so many lines.
const DEALERS: u64 = 60;
const LINES_MAX: u64 = 150;
/// One line in so many is cancelled later; one comes late, after up to so many others.
const CANCELLED: u64 = 25;
const LATE: u64 = 12;
const BEHIND: u64 = 200;

/// Makes up `events` lines of the stream `invoice_lines`, in order of arrival.
pub fn draw(seed: u64, events: usize) -> Vec<InvoiceLine> {
    let random = SimRandom::new(seed);
    let skewed = |bound: u64| random.below(1 + random.below(bound));
    let mut lines: Vec<InvoiceLine> = Vec::with_capacity(events);
    let (mut number, mut at) = (500_000, START_S);
    while lines.len() < events {
        (number, at) = (number + 1, at + 30 + random.below(300) as i64);
        let customer = skewed(400);
        let known = customer % 5 > 0;
        let most = if random.below(DEALERS) == 0 { LINES_MAX } else { 12 };
        for _ in 0..=random.below(most) {
            let product = skewed(PRODUCTS);
            lines.push(InvoiceLine {
                invoice: number.to_string(),
                product: format!("{product:05}"),
                quantity: 1 + skewed(24) as i64,
                at: Timestamp::from_seconds(at),
                price: Decimal::new(i128::from(product * 37 % 1_000) * 10 + 250)
                    .unwrap_or_default(),
                customer: if known { format!("{customer}.0") } else { String::new() },
                country: COUNTRIES[(customer * customer % 7 % 6) as usize].to_owned(),
            });
        }
        if random.below(CANCELLED) < 3 {
            let of = lines[random.below(lines.len() as u64) as usize].clone();
            let cancelled = InvoiceLine {
                invoice: format!("C{number}"),
                quantity: -of.quantity,
                at: Timestamp::from_seconds(at),
                ..of
            };
            lines.push(cancelled);
        }
    }
    lines.truncate(events);
    late(&random, &mut lines, LATE, BEHIND);
    lines
}
