//! Sums are exact: floats are not summed as they come.
use diptych::Dataflow;
use dataflows::Line;

fn flow(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| ((), line.text.len() as f64));
    df.view("sum", lines.sum("sum"));
}

fn main() {}
