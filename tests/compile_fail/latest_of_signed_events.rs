//! A deletion cannot be folded into a maximum: accumulations without an inverse refuse it.
use diptych::Dataflow;
use dataflows::Edge;

fn flow(df: &mut Dataflow) {
    let edges = df.events::<Edge>("edges").weighted(|e| e.diff).map(|e| (e.src, e.dst));
    let latest = edges.latest("latest", |dst| *dst);
}

fn main() {}
