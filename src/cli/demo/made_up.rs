//! Made-up tweets: the same for everybody, as natural as a demonstration needs.
//!
//! Tags and authors follow Zipf's law, some are not ASCII, the fashion changes from hour to hour,
//! and one event in twenty is minutes to hours late.

use std::fmt::Write as _;

use crate::dataflows::Tweet;
use crate::event::Timestamp;
use crate::io::{Random, SimRandom};

const SEED: u64 = 0x00D1_97C4;
/// 2026-01-01T00:00:00Z.
const START_US: i64 = 1_767_225_600_000_000;
const HOUR_US: i64 = 3_600_000_000;
/// History covers a day, unless its events would be further apart than this.
const STEP_US_MAX: i64 = 150_000;
const TAGS: usize = 3_000;
const AUTHORS: usize = 10_000;
/// One in so many events is late.
const LATE: u64 = 20;

/// Tags with a name; the rest are numbered.
const NAMED: [&str; 40] = [
    "rust",
    "Zürich",
    "música",
    "東京",
    "football",
    "news",
    "été",
    "monday",
    "coffee",
    "data",
    "привет",
    "vote",
    "sunset",
    "καλημέρα",
    "jazz",
    "winter",
    "python",
    "cats",
    "caffè",
    "москва",
    "snow",
    "books",
    "dogs",
    "cinema",
    "vélo",
    "science",
    "مرحبا",
    "train",
    "rain",
    "tea",
    "brunch",
    "køkken",
    "design",
    "maths",
    "garden",
    "춤",
    "opera",
    "running",
    "bread",
    "चाय",
];
const OPENINGS: [&str; 8] = [
    "just seen",
    "so much",
    "who else likes",
    "breaking:",
    "never again",
    "good morning",
    "reading about",
    "long live",
];
const REGIONS: [&str; 6] = ["Europe", "United States", "Japan", "Brazil", "India", "Unknown"];
const LANGUAGES: [&str; 5] = ["English", "German", "Japanese", "Portuguese", "Russian"];
const CATEGORIES: [&str; 4] = ["Person", "Newsroom", "Company", "Bot"];

/// An endless sequence of tweets.
pub(super) struct MadeUp {
    random: SimRandom,
    tags: Zipf,
    authors: Zipf,
    now_us: i64,
    step_us: i64,
}

impl MadeUp {
    /// The sequence whose first `history` events cover about a day.
    pub(super) fn new(history: u64) -> Self {
        let day = 24 * HOUR_US;
        let step_us = (day / (history.clamp(1, 1 << 40) as i64)).clamp(1, STEP_US_MAX);
        MadeUp {
            random: SimRandom::new(SEED),
            tags: Zipf::new(TAGS),
            authors: Zipf::new(AUTHORS),
            now_us: START_US,
            step_us,
        }
    }

    /// The time of the last event, were it not late.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now_us)
    }

    /// The next tweet.
    pub(super) fn tweet(&mut self) -> Tweet {
        self.now_us += self.step_us;
        let random = &self.random;
        let late_us = if random.below(LATE) == 0 {
            let minutes = 1 + random.below(1 + random.below(360));
            minutes as i64 * 60_000_000
        } else {
            0
        };
        let author = self.authors.draw(random);
        Tweet {
            publish_date: Timestamp::from_micros(self.now_us - late_us),
            author_id: format!("user{author}"),
            account_category: CATEGORIES[author % CATEGORIES.len()].to_owned(),
            region: REGIONS[author % REGIONS.len()].to_owned(),
            language: LANGUAGES[author % LANGUAGES.len()].to_owned(),
            followers: Some(random.below(5_000) as i64),
            following: None,
            updates: None,
            post_type: String::new(),
            retweet: None,
            content: self.content(),
        }
    }

    /// An opening and no, one, two or three tags.
    fn content(&self) -> String {
        let random = &self.random;
        let mut text = OPENINGS[random.below(OPENINGS.len() as u64) as usize].to_owned();
        let tags = match random.below(10) {
            0 => 0,
            1..=5 => 1,
            6..=8 => 2,
            _ => 3,
        };
        let hour = (self.now_us / HOUR_US) as usize;
        for _ in 0..tags {
            let rank = self.tags.draw(random);
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
}

/// Ranks from 0, each about as likely as its number is small.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(ranks: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=ranks).map(|rank| 1.0 / rank as f64);
        Zipf(
            weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &dyn Random) -> usize {
        let total = self.0.last().copied().unwrap_or(0.0);
        let point = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.0.partition_point(|sum| *sum <= point).min(self.0.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_same_for_everybody() {
        let (mut one, mut other) = (MadeUp::new(1000), MadeUp::new(1000));
        for _ in 0..1000 {
            assert_eq!(one.tweet(), other.tweet());
        }
    }

    #[test]
    fn one_in_twenty_is_late_and_history_covers_a_day() {
        let mut source = MadeUp::new(1_000_000);
        let mut late = 0;
        for _ in 0..100_000 {
            let tweet = source.tweet();
            late += u64::from(tweet.publish_date < source.now());
        }
        assert!((4_500..5_500).contains(&late), "{late} of 100,000 are late");
        assert_eq!(source.now().micros() - START_US, 24 * HOUR_US / 10);
    }

    #[test]
    fn low_ranks_are_frequent() {
        let (zipf, random) = (Zipf::new(1000), SimRandom::new(1));
        let drawn: Vec<_> = (0..10_000).map(|_| zipf.draw(&random)).collect();
        let count = |rank| drawn.iter().filter(|drawn| **drawn == rank).count();
        assert!(count(0) > 1_000 && count(0) > 5 * count(20), "{} {}", count(0), count(20));
        assert!(drawn.iter().all(|rank| *rank < 1000));
    }
}
