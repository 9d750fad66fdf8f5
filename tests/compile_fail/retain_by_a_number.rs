//! A number has no unit: how old is it? And filtered events would count for the horizon, or not.
use dataflows::Transfer;
use diptych::Dataflow;
use diptych::dataflow::Keep;

fn by_a_number(df: &mut Dataflow) {
    let recent = df.events::<Transfer>("transfers").retain(|t| t.ts, Keep::days(1));
}

fn behind_a_filter(df: &mut Dataflow) {
    let large = df.events::<Transfer>("transfers").filter(|t| t.amount > 100);
    let recent = large.retain(|t| diptych::event::Timestamp::from_seconds(t.ts), Keep::days(1));
}

fn main() {}
