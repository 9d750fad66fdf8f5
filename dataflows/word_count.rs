//! The number of occurrences of each word.

use diptych::prelude::*;

/// A line of text.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Line {
    /// Words, split at white space.
    pub text: String,
}

/// `counts`: (word) -> n.
pub fn word_count(df: &mut Dataflow) {
    let words = df
        .events::<Line>("lines")
        .flat_map(|line, out| out.extend(line.text.split_whitespace().map(str::to_owned)))
        .count("words");
    df.view("counts", words).columns(&["word", "n"]);
}
