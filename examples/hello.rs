//! What does a whole program look like? An event, a function, both layers, one answer.
//!
//! `cargo run --example hello`

use std::time::Duration;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::prelude::*;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{BatchOptions, ServeOptions};

/// A person was greeted.
#[derive(Event, Clone)]
struct Greeting {
    name: String,
    language: String,
}

/// `greeted`: (name) -> the number of greetings, in all languages.
fn greetings(df: &mut Dataflow) {
    let greeted = df.events::<Greeting>("greetings").map(|g| g.name.to_owned()).count("greeted");
    df.view("greeted", greeted).columns(&["name", "n"]);
}

fn greeting(name: &str, language: &str) -> Greeting {
    Greeting { name: name.into(), language: language.into() }
}

fn main() -> diptych::Result<()> {
    // `System::open("data")` keeps everything in a directory instead.
    let system = System::in_memory();
    let writer = system.writer()?;
    let greetings = Definition::new("greetings", greetings);

    // History: each append is durable when it returns, and has an epoch.
    append(&writer, "greetings", &[greeting("Ada", "en"), greeting("Emmy", "de")])?;
    append(&writer, "greetings", &[greeting("Ada", "fr")])?;

    // The batch layer: the function over all of history.
    let report = system.batch(&greetings, &BatchOptions::default())?;
    println!("batch: {} events before epoch {}", report.rows, report.boundary);

    // The speed layer: the same function goes on where the batch view ends.
    let served = system.serve(&[greetings], ServeOptions::default().writer(&writer))?;
    let epoch = append(&writer, "greetings", &[greeting("Grace", "en"), greeting("Ada", "pl")])?;

    // The index answers for both: here, with the events just written.
    let index = served.index("greetings")?;
    let now = index.snapshot(Read::AtLeast(epoch, Duration::from_secs(30)))?;
    for ((name, n), _) in now.rows::<String, i64>("greeted")? {
        println!("{name}: {n}");
    }
    served.stop()
}
