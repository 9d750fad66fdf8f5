//! How do events of several streams get into the log together?
//! `cargo run --example several_streams`
//!
//! One append of several streams has one epoch: no reader ever sees the order without its lines.

use std::time::Duration;

use diptych::System;
use diptych::arrow::RecordBatch;
use diptych::dataflow::Definition;
use diptych::event::EventAppender as _;
use diptych::log::Append;
use diptych::prelude::*;
use diptych::serving::Read;
use diptych::system::ServeOptions;

/// An order of a customer.
#[derive(Event, Clone)]
struct Order {
    id: i64,
    customer: String,
}

/// A line of an order.
#[derive(Event, Clone)]
struct OrderLine {
    order: i64,
    cents: i64,
}

/// `totals`: (order) -> customer, cents.
fn totals(df: &mut Dataflow) {
    let orders = df.events::<Order>("orders").map(|o| (o.id, o.customer.to_owned()));
    let lines = df.events::<OrderLine>("lines").map(|line| (line.order, line.cents));
    let totals = orders.keyed("orders").join_collection(lines.sum("cents"));
    df.view("totals", totals).columns(&["order", "customer", "cents"]);
}

/// Events of one stream, as the log takes them.
fn rows<E: Event>(events: &[E]) -> RecordBatch {
    let mut rows = E::Appender::default();
    events.iter().for_each(|event| rows.push(event));
    rows.finish()
}

/// An order with its lines, as request `number` of this program.
fn ordered(number: u64, customer: &str, cents: &[i64]) -> Append {
    let order = number as i64;
    let lines: Vec<_> = cents.iter().map(|cents| OrderLine { order, cents: *cents }).collect();
    let mut append =
        Append::rows("orders", rows(&[Order { id: order, customer: customer.into() }]));
    append.batches.push(("lines".into(), rows(&lines)));
    append.by("till-7", number)
}

fn main() -> diptych::Result<()> {
    let system = System::in_memory();
    let writer = system.writer()?;
    let totals = Definition::new("totals", totals);
    let served = system.serve(&[totals], ServeOptions::default().writer(&writer))?;

    writer.append(ordered(0, "Ada", &[250, 100]))?.wait()?;
    let first = writer.append(ordered(1, "Emmy", &[80]))?.wait()?;
    // The answer was lost: the same request again is not the same order again.
    let again = writer.append(ordered(1, "Emmy", &[80]))?.wait()?;
    println!("epoch {}, again {}: repeated {}", first.epoch, again.epoch, again.repeated);

    let index = served.index("totals")?;
    let now = index.snapshot(Read::AtLeast(again.epoch, Duration::from_secs(30)))?;
    for ((order, (customer, cents)), _) in now.rows::<i64, (String, i64)>("totals")? {
        println!("order {order} of {customer}: {cents}");
    }
    served.stop()
}
