//! A fold needs a monoid.
use diptych::Dataflow;
use dataflows::Line;

struct Longest(String);

fn flow(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| ((), line.text.to_owned()));
    let longest = lines.fold::<Longest, ()>("longest");
}

fn main() {}
