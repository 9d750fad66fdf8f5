//! Revenue of a shop per country, hour and product, the best products of each country, and the
//! revenue of each customer.
//!
//! The columns are those of the "Online Retail" data set (Chen, Sain and Guo, 2012), so that its
//! file can be ingested as it is. A cancellation is a line of its own with a negative quantity,
//! which every sum subtracts.

use std::cmp::Reverse;

use differential_dataflow::operators::CountTotal;
use diptych::prelude::*;

use super::plausible::{amount, number};

mod draw;
mod facts;
pub use draw::draw;
pub use facts::InvoiceLine;

/// `sales`: (country, hour, product) -> sold, revenue; of them `revenue`: (country, hour) ->
/// revenue, `products`: (product) -> sold, revenue, and `top_products`: (country, rank) -> product,
/// revenue; and `customers`: (customer) -> invoices (cancellations included), revenue.
pub fn retail(df: &mut Dataflow) {
    let lines = df
        .events::<InvoiceLine>("invoice_lines")
        .check(|l| number("quantity", l.quantity).and(amount("price", l.price)));
    let sales = lines
        .clone()
        .map(|l| {
            let key = (l.country.to_owned(), l.at.hour(), l.product.to_owned());
            (key, (l.quantity, l.price * l.quantity))
        })
        .sum("sales");
    let revenue = lines
        .clone()
        .map(|l| ((l.country.to_owned(), l.at.hour()), l.price * l.quantity))
        .sum("revenue");
    let sold = lines
        .clone()
        .map(|l| ((l.country.to_owned(), l.product.to_owned()), (l.quantity, l.price * l.quantity)))
        .sum("sold");
    let known = lines.filter(|l| !l.customer.is_empty());
    let spent = known.clone().map(|l| (l.customer.to_owned(), l.price * l.quantity)).sum("spent");
    let invoices = known
        .map(|l| (l.customer.to_owned(), l.invoice.to_owned()))
        .distinct("invoices")
        .map(|(customer, _)| customer)
        .count_total()
        .map(|(customer, n)| (customer, n as i64));

    let products = sold.clone().map(|((_, product), sold)| (product, sold)).sum_values();
    let top = sold
        .top_k(10, |((country, product), (_, revenue))| (country, (Reverse(revenue), product)))
        .map(|(place, (Reverse(revenue), product))| (place, (product, revenue)));
    df.view("sales", sales).columns(&["country", "hour", "product", "sold", "revenue"]);
    df.view("revenue", revenue).columns(&["country", "hour", "revenue"]);
    df.view("products", products).columns(&["product", "sold", "revenue"]);
    df.view("top_products", top).columns(&["country", "rank", "product", "revenue"]);
    df.view("customers", invoices.join(spent)).columns(&["customer", "invoices", "revenue"]);
}
