//! What if no fold does what I need? Write a monoid. `cargo run --example custom_monoid`

use diptych::Result;
use diptych::prelude::*;
use diptych::testing::{Live, Story, check_law};
use serde::{Deserialize, Serialize};

#[derive(Event, Clone)]
struct Word {
    text: String,
}

/// The longest text; of equally long ones the first in the alphabet, so that order has no effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Longest(String);

impl Monoid for Longest {
    type Item = String;

    fn of(text: String) -> Self {
        Longest(text)
    }

    fn merge(&mut self, other: Self) {
        let order = |text: &str| (std::cmp::Reverse(text.chars().count()), text.to_owned());
        if order(&other.0) < order(&self.0) {
            *self = other;
        }
    }
}

/// The longest word for each first letter.
fn longest(df: &mut Dataflow) {
    let words = df.events::<Word>("words").map(|word| {
        (word.text.chars().next().map(String::from).unwrap_or_default(), word.text.to_owned())
    });
    let longest = words.fold::<Longest, String>("longest");
    df.view("longest", longest.map(|(letter, Longest(word))| (letter, word)));
}

fn main() -> Result<()> {
    let words = |texts: &[&str]| -> Vec<Word> {
        texts.iter().map(|text| Word { text: (*text).to_owned() }).collect()
    };
    let epochs = [words(&["be", "banana", "not"]), words(&["nectar", "barber", "noodle"])];
    let mut live = Live::start(("longest", longest))?;
    for words in &epochs {
        live.feed("words", words)?;
    }
    for (letter, word) in live.rows::<String, String>("longest")? {
        println!("{letter}: {word}");
    }
    // The check would fail if the order of merging mattered.
    check_law(("longest", longest), &Story::of("words", &epochs), 1)?;
    println!("the law holds");
    Ok(())
}
