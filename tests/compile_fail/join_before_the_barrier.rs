//! The linear front keeps no state, so it has no join: accumulate first.
use diptych::Dataflow;
use dataflows::{Customer, Order};

fn flow(df: &mut Dataflow) {
    let orders = df.events::<Order>("orders").map(|o| (o.customer, o.id));
    let customers = df.events::<Customer>("customers").map(|c| (c.id, c.name.to_owned()));
    let joined = orders.join(customers);
}

fn main() {}
