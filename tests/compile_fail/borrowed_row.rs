//! A row of the front is borrowed: what leaves the closure must be owned.
use diptych::Dataflow;
use dataflows::Line;

fn flow(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| line.text);
    df.view("lines", lines.count("lines"));
}

fn main() {}
