//! The usual Lambda Architecture of two code paths, beside `tweets_dedup`: the errors of the former
//! are not zero, and the latter is right at every epoch.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "its main is the example's")]
#[path = "../examples/two_paths.rs"]
mod example;

#[allow(dead_code, reason = "this test reads one of the files")]
#[path = "real_data/lines.rs"]
mod lines;

mod naive;

use std::collections::HashMap;

use dataflows::{IdentifiedTweet, tweets_dedup};
use diptych::event::Timestamp;
use diptych::testing::Live;

use example::{Counts, draw, once, ours, two_paths};
use lines::Real;
use naive::Fact;

/// The distance of an answer from another, over all of both.
fn error(right: &Counts, found: &Counts) -> i64 {
    let of = |counts: &Counts, place| counts.get(place).copied().unwrap_or(0);
    let missed = right.iter().filter(|(place, _)| !found.contains_key(place));
    let missed: i64 = missed.map(|(_, n)| *n).sum();
    missed + found.iter().map(|(place, n)| (n - of(right, place)).abs()).sum::<i64>()
}

/// Feeds the tweets in this many epochs and restarts in the middle. `tweets_dedup` is right at
/// each; returns the errors of two paths at each, whose batch job has last run before `run`.
fn errors(tweets: &[IdentifiedTweet], epochs: usize, run: usize, today: Timestamp) -> Vec<i64> {
    let mut live = Live::start(("tweets_dedup", tweets_dedup)).unwrap();
    let mut errors = Vec::new();
    for epoch in 0..epochs {
        let [from, upto] = [epoch, epoch + 1].map(|of| of * tweets.len() / epochs);
        live.feed("tweets_with_id", &tweets[from..upto]).unwrap();
        if epoch == epochs / 2 {
            live.restart(2).unwrap();
        }
        let right = once(&tweets[..upto]);
        assert_eq!(ours(&live).unwrap(), right, "epoch {epoch}");
        errors.push(error(&right, &two_paths(&tweets[..upto], run.min(upto), today)));
    }
    errors
}

#[test]
fn two_paths_are_wrong_where_one_function_is_right() {
    for seed in 1..4 {
        let tweets = draw(seed, 1_000);
        let today = "2026-01-03 00:00".parse().unwrap();
        let errors = errors(&tweets, 12, tweets.len() * 3 / 4, today);
        assert_eq!(errors[..6], [0; 6], "before today there is nothing to get wrong");
        assert!(errors[11] > 100, "{errors:?}");
    }
}

/// The same on real messages: equal rows are copies of one message.
#[test]
fn two_paths_on_real_messages() {
    let Some(real) = Real::read("tweets_sample_2016-10.csv.zst") else { return };
    let mut ids = HashMap::new();
    let mut tweets = Vec::new();
    for record in real.records() {
        let Fact::Tweet(tweet) = lines::tweet(&record) else { panic!("{record:?} is no tweet") };
        let (publish_date, author_id, content) =
            (tweet.publish_date, tweet.author_id, tweet.content);
        let next = ids.len() as i64;
        let place = (publish_date, author_id.clone(), content.clone());
        let id = *ids.entry(place).or_insert(next);
        tweets.push(IdentifiedTweet { id, publish_date, author_id, content });
    }
    let (messages, today) = (ids.len(), tweets.last().unwrap().publish_date.day());
    let noon = Timestamp::from_micros(today.micros() + 12 * 3_600_000_000);
    let run = tweets.partition_point(|tweet| tweet.publish_date < noon);
    let errors = errors(&tweets, 8, run, today);
    let right = once(&tweets);
    let of_today: i64 = right.iter().filter(|((day, _), _)| *day == today).map(|(_, n)| n).sum();
    println!(
        "{} rows, {messages} messages; the batch job ran at {noon}; of {of_today} tags of the day, \
         two paths count {} wrong, one function 0",
        tweets.len(),
        errors[7]
    );
    // As `src/book/challenges.md` says.
    let figures = (tweets.len(), tweets.len() - messages, of_today, errors[7]);
    assert_eq!(figures, (131_893, 9_916, 2_685, 1_593), "rows, copies, tags, wrong");
}
