//! Generators of made-up events of dataflows that read two streams.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::{Customer, Edge, Order, Root};
use super::{AGAIN, at, below};

/// One event in so many is a customer, or a root.
const SELDOM: usize = 10;
const COUNTRIES: [&str; 6] = ["Denmark", "Ghana", "India", "Japan", "Peru", "Serbia"];

/// Orders, and customers, some of which move.
pub(super) fn orders(seed: u64, events: usize) -> (Vec<Order>, Vec<Customer>) {
    let random = SimRandom::new(seed);
    let rows = events / SELDOM;
    let known = 1 + rows / 2;
    let customers = (0..rows).map(|number| {
        let id = if number < known { number } else { below(&random, known) };
        let country = COUNTRIES[below(&random, COUNTRIES.len())].to_owned();
        Customer { id: id as i64, name: format!("Customer {id}"), country, at: at(number * SELDOM) }
    });
    let customers = customers.collect();
    let orders = (0..events - rows).map(|number| Order {
        id: number as i64,
        customer: below(&random, known) as i64,
        amount: Decimal::new(100 + i128::from(random.below(20_000))).unwrap_or_default(),
        at: at(number),
    });
    (orders.collect(), customers)
}

/// Edges, some of which are removed again, and roots.
pub(super) fn edges(seed: u64, events: usize) -> (Vec<Edge>, Vec<Root>) {
    let random = SimRandom::new(seed);
    let roots = events / SELDOM;
    let nodes = 2 + events;
    let mut there: Vec<(i64, i64)> = Vec::new();
    let edges = (0..events - roots).map(|_| {
        if random.below(AGAIN) == 0 && !there.is_empty() {
            let (src, dst) = there.swap_remove(below(&random, there.len()));
            return Edge { src, dst, diff: -1 };
        }
        let (src, dst) = (below(&random, nodes) as i64, below(&random, nodes) as i64);
        there.push((src, dst));
        Edge { src, dst, diff: 1 }
    });
    let edges = edges.collect();
    (edges, (0..roots).map(|_| Root { node: below(&random, nodes) as i64 }).collect())
}
