//! The latest of equal times is the greatest row, so rows have an order.
use diptych::{Dataflow, Event};
use diptych::event::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: i64,
    at: Timestamp,
    value: f64,
}

fn flow(df: &mut Dataflow) {
    let readings = df.events::<Reading>("readings").map(|r| (r.sensor, r.into_event()));
    df.view("latest", readings.latest("latest", |r| r.at).map(|(sensor, r)| (sensor, r.at)));
}

fn main() {}
