//! The naive twin of `inventory`: tables after their last changes, and all movements.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{Movement, Op, ProductChange, ReservationChange};
use dataflows::{Stocked, draw_inventory, inventory};
use diptych::event::Timestamp;
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::Drawn;
use crate::follow::{follow, same, size};

type Place = (String, String);

fn products(changes: &[ProductChange]) -> BTreeMap<String, (String, i64)> {
    let mut table = BTreeMap::new();
    let keys: BTreeSet<&String> = changes.iter().map(|c| &c.product).collect();
    for key in keys {
        let of_key = changes.iter().filter(|c| c.product == *key);
        // Where two changes have one number, none holds over any row, and the greater row.
        let last = of_key
            .max_by_key(|c| (c.lsn, c.op == Op::Delete, c.name.clone(), c.reorder_at))
            .unwrap();
        if last.op == Op::Upsert {
            table.insert(key.clone(), (last.name.clone(), last.reorder_at));
        }
    }
    table
}

fn reserved(changes: &[ReservationChange]) -> BTreeMap<i64, (Place, i64)> {
    let mut last = BTreeMap::<i64, (i64, bool, Option<(Place, i64)>)>::new();
    for c in changes {
        let place = (c.warehouse.clone(), c.product.clone());
        let row = (c.op == Op::Upsert).then_some((place, c.quantity));
        let row = (c.lsn, row.is_none(), row);
        let known = last.entry(c.reservation).or_insert_with(|| row.clone());
        if row > *known {
            *known = row;
        }
    }
    last.into_iter().filter_map(|(id, (_, _, row))| Some((id, row?))).collect()
}

fn check(
    snapshot: &Snapshot,
    changes: &[ProductChange],
    reservations: &[ReservationChange],
    movements: &[Movement],
) {
    let mut stock = BTreeMap::<Place, (i64, i64)>::new();
    let mut once = BTreeMap::<i64, &Movement>::new();
    for m in movements {
        let known = once.entry(m.movement).or_insert(m);
        *known = m.min(known);
    }
    for m in once.into_values() {
        stock.entry((m.warehouse.clone(), m.product.clone())).or_default().0 += m.quantity;
    }
    for (place, quantity) in reserved(reservations).into_values() {
        stock.entry(place).or_default().1 += quantity;
    }
    let products = products(changes);
    let (mut available, mut low) = (BTreeMap::new(), BTreeMap::new());
    let mut unlisted = BTreeMap::new();
    for (place, (on_hand, reserved)) in stock {
        let Some((name, reorder_at)) = products.get(&place.1) else {
            unlisted.insert(place, (on_hand, reserved));
            continue;
        };
        let free = on_hand - reserved;
        if free <= *reorder_at {
            low.insert(place.clone(), (free, *reorder_at));
        }
        available.insert(place, (name.clone(), (on_hand, reserved, free)));
    }
    same(snapshot, "available", available);
    same(snapshot, "low_stock", low);
    same(snapshot, "unlisted", unlisted);
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(&[Op::Upsert, Op::Upsert, Op::Delete])
}

#[test]
fn the_law_holds() {
    let product = (op(), 0_i64..6, "[pq]", "[xy]", 0_i64..5).prop_map(
        |(op, lsn, product, name, reorder_at)| ProductChange { op, lsn, product, name, reorder_at },
    );
    let reservation = (op(), 0_i64..6, 0_i64..3, "[pq]", 1_i64..4);
    let reservation = reservation.prop_map(|(op, lsn, reservation, product, quantity)| {
        let warehouse = "W".to_owned();
        ReservationChange { op, lsn, reservation, warehouse, product, quantity }
    });
    let movement = (0_i64..6, "[pq]", -4_i64..9).prop_map(|(movement, product, quantity)| {
        let at = Timestamp::from_seconds(0);
        Movement { movement, warehouse: "W".to_owned(), product, quantity, at }
    });
    let epoch = (vec(product, 0..3), vec(reservation, 0..3), vec(movement, 0..3));
    let stories = vec(epoch, 1..5).prop_map(|epochs| {
        epochs.iter().fold(Story::default(), |story, (products, reservations, movements)| {
            let story = story.epoch().with("product_changes", products);
            story.with("reservation_changes", reservations).with("movements", movements)
        })
    });
    diptych::testing::assert_law!(("inventory", inventory), stories, 8);
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let (events, epochs) = size();
    let Stocked { products, reservations, movements } = draw_inventory(7, events);
    assert!(products.windows(2).any(|two| two[0].lsn > two[1].lsn), "no change is late");
    assert!(products.windows(2).any(|two| two[0] == two[1]), "no change is repeated");
    assert!(movements.windows(2).any(|two| two[0] == two[1]), "no movement is repeated");
    let changed = Drawn { stream: "product_changes", events: &products, epochs };
    let reserved = Drawn { stream: "reservation_changes", events: &reservations, epochs };
    let moved = Drawn { stream: "movements", events: &movements, epochs };
    let each = |epoch| vec![changed.rows(epoch), reserved.rows(epoch), moved.rows(epoch)];
    follow(("inventory", inventory), epochs, each, |epoch, snapshot| {
        check(snapshot, changed.until(epoch), reserved.until(epoch), moved.until(epoch));
    });
}

#[test]
fn a_late_older_upsert_does_not_win() {
    let mut live = Live::start(("inventory", inventory)).unwrap();
    let change = |op, lsn, name: &str| ProductChange {
        op,
        lsn,
        product: "p".to_owned(),
        name: name.to_owned(),
        reorder_at: 0,
    };
    let at = Timestamp::from_seconds(0);
    let (warehouse, product) = ("W".to_owned(), "p".to_owned());
    let movement = Movement { movement: 1, warehouse, product, quantity: 5, at };
    live.feed("movements", &[movement.clone(), movement]).unwrap();
    let names = |live: &Live| -> Vec<String> {
        let rows = live.rows::<Place, (String, (i64, i64, i64))>("available").unwrap();
        rows.into_iter().map(|(_, (name, _))| name).collect()
    };
    live.feed("product_changes", &[change(Op::Upsert, 5, "new")]).unwrap();
    live.feed("product_changes", &[change(Op::Upsert, 3, "old")]).unwrap();
    assert_eq!(names(&live), ["new"]);
    live.feed("product_changes", &[change(Op::Delete, 9, "")]).unwrap();
    live.feed("product_changes", &[change(Op::Upsert, 8, "late")]).unwrap();
    live.restart(2).unwrap();
    assert!(names(&live).is_empty(), "it is deleted");
    live.feed("product_changes", &[change(Op::Upsert, 7, "later")]).unwrap();
    assert!(names(&live).is_empty(), "it stays deleted");
    live.feed("product_changes", &[change(Op::Upsert, 9, "zebra")]).unwrap();
    assert!(names(&live).is_empty(), "of one number, the delete wins");
    live.feed("product_changes", &[change(Op::Upsert, 10, "again")]).unwrap();
    assert_eq!(names(&live), ["again"]);
    let stock = live.rows::<Place, (String, (i64, i64, i64))>("available").unwrap();
    assert_eq!(stock[0].1.1, (5, 0, 5), "moved once");
}
