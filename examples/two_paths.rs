//! How wrong is a Lambda Architecture of two code paths? `cargo run --example two_paths`

use std::collections::{BTreeMap, HashSet};

use dataflows::{IdentifiedTweet as Tweet, hashtags, tweets_dedup};
use diptych::Result;
use diptych::io::{Random, SimRandom};
use diptych::prelude::*;
use diptych::testing::Live;

pub(crate) type Counts = BTreeMap<(Timestamp, String), i64>;

/// Three days of messages in order of arrival: one in ten late by hours, one in seven twice.
pub(crate) fn draw(seed: u64, messages: i64) -> Vec<Tweet> {
    let (random, mut arrivals) = (SimRandom::new(seed), Vec::new());
    for id in 0..messages {
        let at = 1_767_225_600 + id * 3 * 86_400 / messages;
        let tag = ["rust", "rust", "rust", "news", "news", "cats"][random.below(6) as usize];
        let (author_id, content) = (format!("author{}", id % 17), format!("message {id} #{tag}"));
        let tweet = Tweet { id, publish_date: Timestamp::from_seconds(at), author_id, content };
        for _copy in 0..=u64::from(random.below(7) == 0) {
            let late = if random.below(10) == 0 { random.below(12 * 3600) as i64 } else { 0 };
            arrivals.push((at + late, tweet.clone()));
        }
    }
    arrivals.sort_by_key(|(at, tweet)| (*at, tweet.id));
    arrivals.into_iter().map(|(_, tweet)| tweet).collect()
}

pub(crate) fn count<'a>(tweets: impl Iterator<Item = &'a Tweet>) -> Counts {
    let mut counts = Counts::new();
    for tweet in tweets {
        for tag in hashtags(&tweet.content) {
            *counts.entry((tweet.publish_date.day(), tag)).or_default() += 1;
        }
    }
    counts
}

/// The right answer: each message once.
pub(crate) fn once(tweets: &[Tweet]) -> Counts {
    let mut seen = HashSet::new();
    count(tweets.iter().filter(|tweet| seen.insert(tweet.id)))
}

/// A batch job as of its last `run`, plus a stream job for today that forgot to deduplicate.
pub(crate) fn two_paths(tweets: &[Tweet], run: usize, today: Timestamp) -> Counts {
    let mut answer = once(&tweets[..run]);
    for (place, n) in count(tweets.iter().filter(|tweet| tweet.publish_date.day() == today)) {
        *answer.entry(place).or_default() += n;
    }
    answer
}

/// The counts that readers of `tweets_dedup` see, by day.
pub(crate) fn ours(live: &Live) -> Result<Counts> {
    let mut counts = Counts::new();
    for ((hour, tag), n) in live.rows::<(Timestamp, String), i64>("tags_by_hour")? {
        *counts.entry((hour.day(), tag)).or_default() += n;
    }
    Ok(counts)
}

fn main() -> Result<()> {
    let tweets = draw(1, 3000);
    let (run, today) = (tweets.len() * 3 / 4, "2026-01-03 00:00".parse()?);
    let mut live = Live::start(("tweets_dedup", tweets_dedup))?;
    live.feed("tweets_with_id", &tweets[..run])?;
    live.restart(2)?; // Goes on from a batch view, which has seen the first hours of today.
    live.feed("tweets_with_id", &tweets[run..])?;
    let (usual, ours) = (two_paths(&tweets, run, today), ours(&live)?);
    println!("day         tag   right  two paths  error  ours  error");
    for ((day, tag), right) in once(&tweets) {
        let place = (day, tag);
        let [usual, ours] = [&usual, &ours].map(|of| of.get(&place).copied().unwrap_or(0));
        let ([wrong, ours_wrong], day, tag) = ([usual - right, ours - right], day.date(), place.1);
        println!("{day}  {tag}  {right:5}  {usual:9}  {wrong:5}  {ours:4}  {ours_wrong:5}");
    }
    Ok(())
}
