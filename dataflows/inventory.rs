//! Stock levels, from the change streams of other databases: upserts and deletes, as by CDC.
//!
//! Of the changes of a key the one with the greatest log sequence number (LSN) holds, whenever it
//! arrives: a late older upsert does not win, a repeated one changes nothing, and a deleted row
//! stays deleted, until a change with a greater number; of one number, a delete wins. A delete is
//! the latest change of its key, without a row. A movement that is sent twice counts once.

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

use super::plausible::number;

mod draw;
mod facts;
pub use draw::{Stocked, draw};
pub use facts::{Movement, Op, ProductChange, ReservationChange};

/// The stock of one product in one warehouse.
#[derive(Columns, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Stock {
    on_hand: i64,
    reserved: i64,
    available: i64,
}

/// `available`: (warehouse, product) -> name, on hand, reserved, available; `low_stock`:
/// (warehouse, product) -> available and the level to reorder at, where it is not more; `unlisted`:
/// (warehouse, product) -> on hand, reserved, of products that are not in the table.
#[inline]
pub fn inventory(df: &mut Dataflow) {
    let products = df
        .events::<ProductChange>("product_changes")
        .map(|c| {
            let row = (c.op == Op::Upsert).then(|| (c.name.to_owned(), c.reorder_at));
            (c.product.to_owned(), (c.lsn, row))
        })
        .latest("products", |(lsn, row)| (*lsn, row.is_none()))
        .flat_map(|(product, (_, row))| row.map(|row| (product, row)));
    let reserved = df
        .events::<ReservationChange>("reservation_changes")
        .check(|c| match c.op {
            Op::Upsert => number("quantity", c.quantity),
            Op::Delete => Ok(()),
        })
        .map(|c| {
            let place = || (c.warehouse.to_owned(), c.product.to_owned());
            (c.reservation, (c.lsn, (c.op == Op::Upsert).then(|| (place(), c.quantity))))
        })
        .latest("reservations", |(lsn, row)| (*lsn, row.is_none()))
        .flat_map(|(_, (_, row))| row.map(|(place, quantity)| (place, (0, quantity))));
    let on_hand = df
        .events::<Movement>("movements")
        .check(|m| number("quantity", m.quantity))
        .owned()
        .distinct_by("movements", |m| m.movement)
        .map(|m| ((m.warehouse, m.product), (m.quantity, 0)));

    let stock = on_hand.concat(reserved).sum_values();
    let stock = stock.map(|((warehouse, product), stock)| (product, (warehouse, stock)));
    let listed = stock.clone().join(products.clone());
    let listed = listed.map(|(product, ((warehouse, (on_hand, reserved)), (name, reorder_at)))| {
        let stock = Stock { on_hand, reserved, available: on_hand - reserved };
        ((warehouse, product), (name, reorder_at, stock))
    });
    let low_stock = listed
        .clone()
        .filter(|(_, (_, reorder_at, stock))| stock.available <= *reorder_at)
        .map(|(place, (_, reorder_at, stock))| (place, (stock.available, reorder_at)));
    let unlisted = stock
        .antijoin(products.map(|(product, _)| product))
        .map(|(product, (warehouse, stock))| ((warehouse, product), stock));

    df.view("available", listed.map(|(place, (name, _, stock))| (place, (name, stock))))
        .columns(&["warehouse", "product", "name", "on_hand", "reserved", "available"]);
    df.view("low_stock", low_stock).columns(&["warehouse", "product", "available", "reorder_at"]);
    df.view("unlisted", unlisted).columns(&["warehouse", "product", "on_hand", "reserved"]);
}
