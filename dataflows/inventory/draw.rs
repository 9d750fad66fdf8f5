//! Generator of made-up stock: rows that change, are deleted and inserted again, with repetitions.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::{START_S, late};
use super::{Movement, Op, ProductChange, ReservationChange};

const WAREHOUSES: [&str; 4] = ["Basel", "Genova", "Lyon", "Porto"];
/// One change in so many is a delete; one comes late, after up to so many others; one comes twice.
const DELETES: u64 = 8;
const LATE: u64 = 10;
const BEHIND: u64 = 40;
const TWICE: u64 = 15;

/// The events of the three streams, each in order of arrival. They arrive in proportion: part k of
/// n of one with part k of n of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Stocked {
    /// The events of the stream `product_changes`.
    pub products: Vec<ProductChange>,
    /// The events of the stream `reservation_changes`.
    pub reservations: Vec<ReservationChange>,
    /// The events of the stream `movements`.
    pub movements: Vec<Movement>,
}

/// Makes up `events` events: one in ten changes a product, three a reservation, six are movements.
pub fn draw(seed: u64, events: usize) -> Stocked {
    let random = SimRandom::new(seed);
    let products = 5 + events as u64 / 100;
    let product = || format!("P{:05}", random.below(1 + random.below(products)));
    let warehouse = || WAREHOUSES[random.below(WAREHOUSES.len() as u64) as usize].to_owned();
    let op = || if random.below(DELETES) == 0 { Op::Delete } else { Op::Upsert };
    let tables = (0..events as i64 / 10).map(|lsn| ProductChange {
        op: op(),
        lsn,
        product: product(),
        name: format!("Thing {}", random.below(1000)),
        reorder_at: 10 * random.below(10) as i64,
    });
    let tables = resent(&random, tables.collect());
    let reserved = (0..3 * events as i64 / 10).map(|lsn| ReservationChange {
        op: op(),
        lsn,
        // The newest reservations change most.
        reservation: lsn / 2 - random.below(1 + random.below(1 + lsn.unsigned_abs() / 2)) as i64,
        warehouse: warehouse(),
        product: product(),
        quantity: 1 + random.below(9) as i64,
    });
    let reserved = resent(&random, reserved.collect());
    let moved = (0..6 * events as i64 / 10).map(|number| Movement {
        movement: number,
        warehouse: warehouse(),
        product: product(),
        quantity: 60 - random.below(100) as i64,
        at: Timestamp::from_seconds(START_S + number * 5),
    });
    let moved = resent(&random, moved.collect());
    Stocked { products: tables, reservations: reserved, movements: moved }
}

/// Repeats some changes, and lets some change places with a later one.
fn resent<T: Clone>(random: &SimRandom, changes: Vec<T>) -> Vec<T> {
    let mut sent = Vec::with_capacity(changes.len());
    for change in changes {
        if random.below(TWICE) == 0 {
            sent.push(change.clone());
        }
        sent.push(change);
    }
    late(random, &mut sent, LATE, BEHIND);
    sent
}
