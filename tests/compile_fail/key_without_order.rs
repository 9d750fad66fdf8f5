//! A float has no total order and no hash, so it is no key.
use dataflows::Line;
use diptych::Dataflow;
use diptych::dataflow::CollectionExt;

fn flow(df: &mut Dataflow) {
    let lengths = df.events::<Line>("lines").map(|line| line.text.len() as f64);
    df.view("lengths", lengths.count("lengths"));
}

fn ranked(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned()).count("lines");
    let top = lines.top_k(3, |(text, n)| ((), (n as f64, text)));
    df.view("top", top);
}

fn main() {}
