//! How do I read my own writes, ask about the past, and follow what changes?
//!
//! `cargo run --example live_query`

use std::time::Duration;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::prelude::*;
use diptych::row::decode;
use diptych::serving::{Changes, Read};
use diptych::sources::append;
use diptych::system::ServeOptions;
use serde::{Deserialize, Serialize};

/// Items came into a warehouse, or (negative) left it.
#[derive(Event, Clone)]
struct Movement {
    warehouse: String,
    item: String,
    pieces: i64,
}

/// The key of the view: its fields name the columns.
#[derive(Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Shelf {
    warehouse: String,
    item: String,
}

/// `stock`: (warehouse, item) -> pieces.
fn stock(df: &mut Dataflow) {
    let moved = df
        .events::<Movement>("movements")
        .map(|m| (Shelf { warehouse: m.warehouse.to_owned(), item: m.item.to_owned() }, m.pieces));
    df.view("stock", moved.sum("stock"));
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the changes of the next epoch that has some.
fn follow(changes: &mut Changes) -> diptych::Result<()> {
    for change in changes.next(PATIENCE)?.unwrap_or_default() {
        let (shelf, pieces) = (decode::<Shelf>(&change.key)?, decode::<i64>(&change.value)?);
        println!("  epoch {} {:+} {}: {pieces}", change.epoch, change.diff, shelf.item);
    }
    Ok(())
}

fn main() -> diptych::Result<()> {
    let system = System::in_memory();
    let writer = system.writer()?;
    let served = system
        .serve(&[Definition::new("stock", stock)], ServeOptions::default().writer(&writer))?;
    let index = served.index("stock")?;
    let mut changes = index.changes(index.view("stock")?, 1)?;

    let moved = |item: &str, pieces| {
        let events = [Movement { warehouse: "north".into(), item: item.into(), pieces }];
        append(&writer, "movements", &events)
    };
    let shelf = Shelf { warehouse: "north".into(), item: "nails".into() };
    let first = moved("nails", 100)?;
    let second = moved("nails", -30)?;

    // Read your writes: the answer contains the epoch of the acknowledged append.
    let now = index.snapshot(Read::AtLeast(second, PATIENCE))?;
    println!("now: {:?}", now.lookup::<Shelf, i64>("stock", &shelf)?);
    // The past, as long as the index keeps it apart.
    let then = index.snapshot(Read::AsOf(first))?;
    println!("before: {:?}", then.lookup::<Shelf, i64>("stock", &shelf)?);

    // A subscriber gets whole epochs, in order, also future ones.
    println!("changes up to {second}:");
    follow(&mut changes)?;
    let third = moved("screws", 5)?;
    println!("changes up to {third}:");
    follow(&mut changes)?;
    served.stop()
}
