//! The lines whose words all programs count: deterministic, words by Zipf's law.

#![allow(dead_code, reason = "each bench uses some of it")]

use std::fmt::Write;

use diptych::io::{Random, SimRandom};

/// Words of a line.
pub(crate) const WORDS: usize = 5;
const VOCABULARY: usize = 50_000;

/// Makes `count` lines; the same at every call.
pub(crate) fn lines(count: usize) -> Vec<String> {
    Lines::new().take(count).collect()
}

/// Lines without end; the same from every start.
pub(crate) struct Lines {
    sums: Vec<f64>,
    random: SimRandom,
}

impl Lines {
    pub(crate) fn new() -> Lines {
        let mut sum = 0.0;
        let sums = (1..=VOCABULARY)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Lines { sums, random: SimRandom::new(7) }
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let sum = self.sums[VOCABULARY - 1];
        let mut line = String::new();
        for word in 0..WORDS {
            let point = (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            let rank = self.sums.partition_point(|sum| *sum <= point);
            let space = if word == 0 { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(line, "{space}word{rank}");
        }
        Some(line)
    }
}
