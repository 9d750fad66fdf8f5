//! Generator of made-up tweets: the same for the same seed, natural enough for a demonstration.
//!
//! Tags and authors follow Zipf's law, some are not ASCII, the fashion changes from hour to hour,
//! and one event in twenty is minutes to hours late.

#[cfg(test)]
mod tests;
mod text;
mod words;
mod zipf;

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::Tweet;
use text::text;
use words::{AUTHORS, CATEGORIES, HOUR_US, LANGUAGES, LATE, REGIONS, START_US, STEP_US_MAX, TAGS};
use zipf::Zipf;

/// Makes up `events` tweets in order of arrival, over about a day.
pub fn draw(seed: u64, events: usize) -> Vec<Tweet> {
    let mut source = MadeUpTweets::new(seed, events as u64);
    (0..events).map(|_| source.tweet()).collect()
}

/// An endless sequence of tweets.
pub struct MadeUpTweets {
    random: SimRandom,
    tags: Zipf,
    authors: Zipf,
    now_us: i64,
    step_us: i64,
}

impl MadeUpTweets {
    /// The sequence of a seed whose first `history` events cover about a day.
    pub fn new(seed: u64, history: u64) -> Self {
        let day = 24 * HOUR_US;
        let step_us = (day / (history.clamp(1, 1 << 40) as i64)).clamp(1, STEP_US_MAX);
        MadeUpTweets {
            random: SimRandom::new(seed),
            tags: Zipf::new(TAGS),
            authors: Zipf::new(AUTHORS),
            now_us: START_US,
            step_us,
        }
    }

    /// The time of the last event, without its delay if it is late.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now_us)
    }

    /// The next tweet.
    pub fn tweet(&mut self) -> Tweet {
        self.now_us += self.step_us;
        let random = &self.random;
        let late = random.below(LATE) == 0;
        let minutes = if late { 1 + random.below(1 + random.below(360)) } else { 0 };
        let late_us = minutes as i64 * 60_000_000;
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
            content: text(random, &self.tags, (self.now_us / HOUR_US) as usize),
        }
    }
}
