//! Generators of made-up events of the classics, the same for the same seed.

mod joined;

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;
use diptych::testing::Story;

use super::{IdentifiedTweet, Line, Transfer, tweets};

/// The time of the first event: 2024-01-01, in microseconds.
const START_US: i64 = 1_704_067_200_000_000;
/// The time between two events, in microseconds.
const STEP_US: i64 = 90_000_000;
/// One event in so many is repeated, or takes another one back.
const AGAIN: u64 = 8;

/// Spreads made-up events of one of the classics over the epochs of `story`; none for another one.
pub(super) fn spread(story: Story, dataflow: &str, seed: u64, events: usize) -> Option<Story> {
    Some(match dataflow {
        "word_count" => story.spread("lines", &lines(seed, events)),
        "tweets_dedup" => story.spread("tweets_with_id", &identified(seed, events)),
        "bank" => story.spread("transfers", &transfers(seed, events)),
        "orders" => {
            let (orders, customers) = joined::orders(seed, events);
            story.spread("customers", &customers).spread("orders", &orders)
        }
        "reachability" => {
            let (edges, roots) = joined::edges(seed, events);
            story.spread("edges", &edges).spread("roots", &roots)
        }
        _ => return None,
    })
}

fn below(random: &SimRandom, most: usize) -> usize {
    random.below(most.max(1) as u64) as usize
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_micros(START_US + number as i64 * STEP_US)
}

/// Lines of text.
fn lines(seed: u64, events: usize) -> Vec<Line> {
    tweets::draw(seed, events).into_iter().map(|tweet| Line { text: tweet.content }).collect()
}

/// Tweets of a source that repeats itself.
fn identified(seed: u64, events: usize) -> Vec<IdentifiedTweet> {
    let random = SimRandom::new(seed);
    let mut drawn: Vec<IdentifiedTweet> = Vec::with_capacity(events);
    for (id, tweet) in tweets::draw(seed, events).into_iter().enumerate() {
        let again = random.below(AGAIN) == 0;
        let earlier = drawn.get(below(&random, drawn.len())).filter(|_| again).cloned();
        drawn.push(earlier.unwrap_or(IdentifiedTweet {
            id: id as i64,
            publish_date: tweet.publish_date,
            author_id: tweet.author_id,
            content: tweet.content,
        }));
    }
    drawn
}

/// Transfers between accounts, of which low numbers have more.
fn transfers(seed: u64, events: usize) -> Vec<Transfer> {
    let random = SimRandom::new(seed);
    let accounts = 2 + events / 20;
    let account = || below(&random, 1 + below(&random, accounts)) as i64;
    let drawn = (0..events).map(|number| Transfer {
        id: number as i64,
        from_account: account(),
        to_account: account(),
        amount: 1 + below(&random, 50_000) as i64,
        ts: START_US / 1_000_000 + number as i64,
    });
    drawn.collect()
}
