//! A front gives values to a vector, because an iterator could not borrow the row.
use diptych::Dataflow;
use dataflows::Line;

fn words(df: &mut Dataflow) {
    let words = df.events::<Line>("lines").flat_map(|line| {
        line.text.split(' ').map(str::to_owned).collect::<Vec<_>>()
    });
    df.view("words", words.count("words"));
}

fn without_a_name(df: &mut Dataflow) {
    let words = df.events::<Line>("lines").map(|line| line.text.to_owned());
    df.view("words", words.count());
}

fn main() {}
