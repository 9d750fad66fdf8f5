//! The naive twin of `retail`: sums over all lines.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{InvoiceLine, draw_retail, retail};
use diptych::event::{Decimal, Timestamp};
use diptych::serving::Snapshot;
use diptych::testing::Story;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::Drawn;
use crate::follow::{follow, same, size};

type Money = Decimal<3>;

fn add<K: Ord>(sums: &mut BTreeMap<K, (i64, Money)>, key: K, line: &InvoiceLine) {
    let sum = sums.entry(key).or_default();
    *sum = (sum.0 + line.quantity, sum.1 + line.price * line.quantity);
}

fn check(snapshot: &Snapshot, lines: &[InvoiceLine]) {
    let (mut sales, mut revenue) = (BTreeMap::new(), BTreeMap::new());
    let (mut products, mut sold) = (BTreeMap::new(), BTreeMap::new());
    let (mut spent, mut invoices) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for line in lines {
        let (country, hour) = (line.country.clone(), line.at.hour());
        let product = line.product.clone();
        add(&mut sales, (country.clone(), hour, product.clone()), line);
        add(&mut revenue, (country.clone(), hour), line);
        add(&mut products, product.clone(), line);
        add(&mut sold, (country, product), line);
        if !line.customer.is_empty() {
            add(&mut spent, line.customer.clone(), line);
            invoices.entry(line.customer.clone()).or_default().insert(line.invoice.clone());
        }
    }
    let revenue = revenue.into_iter().map(|(key, (_, sum))| (key, sum));
    let customers = spent.into_iter().map(|(customer, (_, sum))| {
        let invoices = invoices[&customer].len() as i64;
        (customer, (invoices, sum))
    });
    let mut top = BTreeMap::new();
    let mut ranked: Vec<_> = sold.into_iter().map(|((c, p), (_, sum))| (c, -sum, p)).collect();
    ranked.sort();
    for of_country in ranked.chunk_by(|one, other| one.0 == other.0) {
        for (rank, (country, sum, product)) in (1_u64..).zip(of_country.iter().take(10)) {
            top.insert((country.clone(), rank), (product.clone(), -*sum));
        }
    }
    same::<(String, Timestamp, String), _>(snapshot, "sales", sales);
    same::<(String, Timestamp), Money>(snapshot, "revenue", revenue);
    same::<String, _>(snapshot, "products", products);
    same(snapshot, "top_products", top);
    same(snapshot, "customers", customers);
}

/// A line of one of a few invoices.
pub(crate) fn line() -> impl Strategy<Value = InvoiceLine> {
    let price = (0_i128..500).prop_map(|units| Money::new(units).unwrap());
    ("[12]", "[a-d]", -3_i64..6, 0_i64..3, price, "[x-z]?", "[FG]").prop_map(
        |(invoice, product, quantity, hours, price, customer, country)| {
            let at = Timestamp::from_seconds(hours * 1_800);
            InvoiceLine { invoice, product, quantity, at, price, customer, country }
        },
    )
}

#[test]
fn the_law_holds() {
    let stories = vec(vec(line(), 0..5), 1..5).prop_map(|all| Story::of("invoice_lines", &all));
    diptych::testing::assert_law!(("retail", retail), stories, 8);
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let (events, epochs) = size();
    let lines = draw_retail(7, events);
    assert!(lines.iter().any(|line| line.quantity < 0), "nothing is cancelled");
    let sold = Drawn { stream: "invoice_lines", events: &lines, epochs };
    let each = |epoch| vec![sold.rows(epoch)];
    follow(("retail", retail), epochs, each, |epoch, snapshot| {
        check(snapshot, sold.until(epoch));
    });
}
