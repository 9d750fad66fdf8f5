//! Random choices of the generator, by the number of an event.

use diptych::io::{Random as _, SimRandom};
use diptych::prelude::*;

use super::{ACTIVE, GROUP, LEAD, START_US, STEP_US};

const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

pub(super) struct Draw(SimRandom);

impl Draw {
    pub(super) fn new(seed: u64) -> Draw {
        Draw(SimRandom::new(seed))
    }

    pub(super) fn below(&self, bound: i64) -> i64 {
        self.0.below(bound as u64) as i64
    }

    pub(super) fn one_in(&self, times: i64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn one_of(&self, texts: &[&str]) -> String {
        texts[self.below(texts.len() as i64) as usize].to_owned()
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.one_of(&FIRST_NAMES), self.one_of(&LAST_NAMES))
    }

    /// Three to `most` letters, and blanks between them.
    pub(super) fn text(&self, most: i64, blank: char) -> String {
        let letter = |_| match self.0.below(13) {
            0 => blank,
            _ => char::from(b'a' + self.0.below(26) as u8),
        };
        let text: String = (0..3 + self.below(most - 3)).map(letter).collect();
        format!("{}.", text.trim())
    }

    /// The time of event `number`, which arrives now and may be late.
    pub(super) fn at(&self, number: i64) -> Timestamp {
        const SECOND: i64 = 1_000_000;
        let late = match self.below(2000) {
            0 => self.below(8 * 3600 * SECOND),
            1..=20 => self.below(60 * SECOND),
            21..=200 => self.below(2 * SECOND),
            _ => 0,
        };
        Timestamp::from_micros((START_US + number * STEP_US - late) / 1000 * 1000)
    }

    /// A price from one dollar to a million, each number of digits with equal probability.
    pub(super) fn price(&self) -> i64 {
        let least = 100 * 10_i64.pow(self.0.below(6) as u32);
        least + self.below(9 * least)
    }

    /// A person who is active at event `number`, or soon will be.
    pub(super) fn someone(&self, number: i64) -> i64 {
        let people = number / GROUP + 1;
        let active = people.min(ACTIVE);
        people - active + self.below(active + LEAD)
    }
}
