//! A view has a key and a value, both made of columns.
use diptych::Dataflow;
use dataflows::Line;
use std::collections::BTreeSet;

fn no_pairs(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned());
    df.view("lines", lines.distinct("lines"));
}

fn no_columns(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned());
    let lines = lines.distinct("lines").map(|text| (text.len(), BTreeSet::from([text])));
    df.view("lines", lines);
}

fn main() {}
