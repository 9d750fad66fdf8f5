//! The lines whose words everybody counts: deterministic, words by Zipf's law.

use std::fmt::Write;

use diptych::io::{Random, SimRandom};

/// Words of a line.
pub(crate) const WORDS: usize = 5;
const VOCABULARY: usize = 50_000;

/// `count` lines; the same at every call.
pub(crate) fn lines(count: usize) -> Vec<String> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=VOCABULARY)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let random = SimRandom::new(7);
    (0..count)
        .map(|_| {
            let mut line = String::new();
            for word in 0..WORDS {
                let point = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
                let rank = sums.partition_point(|sum| *sum <= point);
                let space = if word == 0 { "" } else { " " };
                // Writing to a String cannot fail.
                let _ = write!(line, "{space}word{rank}");
            }
            line
        })
        .collect()
}
