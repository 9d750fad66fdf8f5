//! The naive twin of `baskets`: counts every pair of products of every invoice.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{InvoiceLine, baskets, draw_retail};
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::Drawn;
use crate::follow::{follow, same, size};
use crate::retail::line;

fn check(snapshot: &Snapshot, lines: &[InvoiceLine]) {
    let mut quantities = BTreeMap::<(&str, &str), i64>::new();
    for line in lines {
        *quantities.entry((&line.invoice, &line.product)).or_default() += line.quantity;
    }
    let mut invoices = BTreeMap::<&str, BTreeSet<&str>>::new();
    for ((invoice, product), _) in quantities.into_iter().filter(|(_, quantity)| *quantity > 0) {
        invoices.entry(invoice).or_default().insert(product);
    }
    let mut sizes = BTreeMap::<i64, i64>::new();
    let mut together = BTreeMap::<(&str, &str), i64>::new();
    for products in invoices.values() {
        *sizes.entry(products.len() as i64).or_default() += 1;
        for one in products.iter().filter(|_| products.len() <= 30) {
            for other in products.iter().filter(|other| *other != one) {
                *together.entry((one, other)).or_default() += 1;
            }
        }
    }
    together.retain(|_, n| *n >= 3);
    let mut pairs = BTreeMap::<(String, String), i64>::new();
    let mut with = BTreeMap::<String, Vec<(i64, String)>>::new();
    for ((one, other), n) in together {
        if one < other {
            pairs.insert((one.to_owned(), other.to_owned()), n);
        }
        with.entry(one.to_owned()).or_default().push((-n, other.to_owned()));
    }
    let mut bought_with = BTreeMap::new();
    for (product, mut others) in with {
        others.sort();
        for (rank, (n, other)) in (1_u64..).zip(others).take(5) {
            bought_with.insert((product.clone(), rank), (other, -n));
        }
    }
    same(snapshot, "pairs", pairs);
    same(snapshot, "bought_with", bought_with);
    same(snapshot, "baskets", sizes);
}

#[test]
fn the_law_holds() {
    // Many invoices have the same few products.
    let line = (line(), "[1-5]").prop_map(|(line, invoice)| InvoiceLine { invoice, ..line });
    let stories = vec(vec(line, 0..12), 1..5).prop_map(|all| Story::of("invoice_lines", &all));
    diptych::testing::assert_law!(("baskets", baskets), stories, 8);
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let (events, epochs) = size();
    let lines = draw_retail(7, events);
    let sold = Drawn { stream: "invoice_lines", events: &lines, epochs };
    let each = |epoch| vec![sold.rows(epoch)];
    follow(("baskets", baskets), epochs, each, |epoch, snapshot| {
        check(snapshot, sold.until(epoch));
    });
}

#[test]
fn an_invoice_leaves_its_pairs_when_it_grows_too_large_and_comes_back() {
    let model = draw_retail(1, 1).remove(0);
    let line = |invoice: i64, product: i64, quantity| InvoiceLine {
        invoice: invoice.to_string(),
        product: format!("{product:02}"),
        quantity,
        ..model.clone()
    };
    let mut live = Live::start(("baskets", baskets)).unwrap();
    let few: Vec<_> = (0..3).flat_map(|n| [line(n, 0, 1), line(n, 1, 1)]).collect();
    live.feed("invoice_lines", &few).unwrap();
    let pairs = |live: &Live| live.rows::<(String, String), i64>("pairs").unwrap();
    let both = [(("00".to_owned(), "01".to_owned()), 3)];
    assert_eq!(pairs(&live), both);
    let more: Vec<_> = (2..31).map(|product| line(0, product, 1)).collect();
    live.feed("invoice_lines", &more).unwrap();
    assert_eq!(pairs(&live), [], "an invoice of 31 products does not count");
    live.feed("invoice_lines", &[line(0, 30, -1)]).unwrap();
    assert_eq!(pairs(&live), both, "one of 30 does");
}
