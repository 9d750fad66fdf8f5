//! A view shows, and a join needs, rows that are kept: behind a barrier.
use diptych::Dataflow;
use dataflows::{Line, Transfer};

fn shown(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| (line.text.to_owned(), 1));
    df.view("lines", lines);
}

fn joined(df: &mut Dataflow) {
    let transfers = df.events::<Transfer>("transfers");
    let sent = transfers.clone().map(|t| (t.from_account, t.id)).keyed("sent");
    let received = transfers.map(|t| (t.to_account, t.id));
    df.view("both", sent.join(received));
}

fn joined_by_another_key(df: &mut Dataflow) {
    let transfers = df.events::<Transfer>("transfers");
    let sent = transfers.map(|t| (t.from_account, t.id)).keyed("sent");
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned()).count("lines");
    df.view("both", sent.join(lines));
}

fn main() {}
