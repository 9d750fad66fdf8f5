//! How do I get every subcommand for functions of my own? This is a whole `main.rs`.
//!
//! ```sh
//! printf 'at,sensor,celsius\n2024-01-01T10:05:00Z,attic,3\n' > readings.csv
//! cargo run --example own_binary ingest --data d warmest readings.csv
//! cargo run --example own_binary batch --data d warmest
//! cargo run --example own_binary query --data d warmest warmest
//! ```

use std::process::ExitCode;

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

/// A reading of a thermometer.
#[derive(Event, Clone)]
struct Reading {
    at: Timestamp,
    sensor: String,
    celsius: i64,
}

/// The greatest of some numbers, and their count.
#[derive(Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Warmest {
    celsius: i64,
    readings: u64,
}

impl Monoid for Warmest {
    type Item = i64;
    fn of(celsius: i64) -> Self {
        Warmest { celsius, readings: 1 }
    }
    fn merge(&mut self, other: Self) {
        self.celsius = self.celsius.max(other.celsius);
        self.readings += other.readings;
    }
}

/// `warmest`: (hour, sensor) -> celsius, readings.
fn warmest(df: &mut Dataflow) {
    let warmest = df
        .events::<Reading>("readings")
        .map(|r| ((r.at.hour(), r.sensor.to_owned()), r.celsius))
        .fold::<Warmest, _>("warmest");
    df.view("warmest", warmest).columns(&["hour", "sensor", "celsius", "readings"]);
}

fn main() -> ExitCode {
    diptych::main([("warmest", warmest)])
}
