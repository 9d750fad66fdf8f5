//! Products that are bought together: pairs of products that are on many invoices.
//!
//! An invoice of n products has n (n - 1) / 2 pairs, so one of a thousand products has half a
//! million, without meaning: it is a dealer's order. Invoices of more than thirty products do not
//! count. The rule follows their present contents: with its thirty-first product an invoice leaves
//! all its pairs, and counts again when products are taken back.

use std::cmp::Reverse;

use differential_dataflow::operators::CountTotal;
use diptych::prelude::*;

use super::InvoiceLine;
use super::plausible::number;

const PRODUCTS_MAX: usize = 30;
/// The fewest invoices of a pair that is not chance.
const TOGETHER_MIN: isize = 3;

/// `pairs`: (product, other) -> invoices that have both, the lesser name first; `bought_with`:
/// (product, rank) -> other, invoices that have both, the five most frequent of them; `baskets`:
/// (products) -> the number of invoices with that many, the large ones included.
///
/// A product is on an invoice while the sum of its quantities there is positive.
#[inline]
pub fn baskets(df: &mut Dataflow) {
    let bought = df
        .events::<InvoiceLine>("invoice_lines")
        .check(|l| number("quantity", l.quantity))
        .map(|l| ((l.invoice.to_owned(), l.product.to_owned()), l.quantity))
        .sum("bought")
        .filter(|(_, quantity)| *quantity > 0)
        .map(|(line, _)| line);
    let sizes = bought.clone().map(|(invoice, _)| invoice).count_total();
    let sizes = sizes.map(|(_, products)| products as i64).count_total();
    let pairs = bought
        .reduce(|_, products, out| {
            if products.len() <= PRODUCTS_MAX {
                let basket: Vec<String> = products.iter().map(|(p, _)| (*p).clone()).collect();
                out.push((basket, 1));
            }
        })
        .flat_map(|(_, products)| pairs(&products))
        .count_total()
        .filter(|(_, together)| *together >= TOGETHER_MIN)
        .map(|(pair, together)| (pair, together as i64));
    let with = pairs
        .clone()
        .flat_map(|((one, other), n)| [(one.clone(), other.clone(), n), (other, one, n)])
        .top_k(5, |(product, other, n)| (product, (Reverse(n), other)))
        .map(|(place, (Reverse(n), other))| (place, (other, n)));

    df.view("pairs", pairs).columns(&["product", "other", "invoices"]);
    df.view("bought_with", with).columns(&["product", "rank", "other", "invoices"]);
    df.view("baskets", sizes.map(|(products, n)| (products, n as i64)))
        .columns(&["products", "invoices"]);
}

/// All pairs of two products, in their order.
fn pairs(products: &[String]) -> Vec<(String, String)> {
    let behind = |(at, one): (usize, &String)| {
        let one = one.clone();
        products[at + 1..].iter().map(move |other| (one.clone(), other.clone()))
    };
    products.iter().enumerate().flat_map(behind).collect()
}
