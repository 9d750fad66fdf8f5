//! Streams hold types that derive Event.
use diptych::Dataflow;

struct Visit {
    page: String,
}

fn flow(df: &mut Dataflow) {
    let visits = df.events::<Visit>("visits");
}

fn main() {}
