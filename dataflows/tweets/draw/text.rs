//! The text of a made-up tweet.

use std::fmt::Write as _;

use diptych::io::Random;

use super::words::{NAMED, OPENINGS};
use super::zipf::Zipf;

/// A text of an opening and zero to three tags.
pub(super) fn text(random: &dyn Random, tags: &Zipf, hour: usize) -> String {
    let mut text = OPENINGS[random.below(OPENINGS.len() as u64) as usize].to_owned();
    let count = match random.below(10) {
        0 => 0,
        1..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    for _ in 0..count {
        let rank = tags.draw(random);
        text.push_str(" #");
        match NAMED.get(rank) {
            // The leaders change places every hour.
            Some(_) => text.push_str(NAMED[(rank * 7 + hour) % NAMED.len()]),
            None => {
                // Writing to a String cannot fail.
                let _ = write!(text, "tag{rank}");
            }
        }
    }
    text
}
