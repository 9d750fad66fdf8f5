//! Hashtags per hour, the ten most used in each hour, and how many authors use each.

use std::cmp::Reverse;

use differential_dataflow::operators::CountTotal;
use diptych::prelude::*;

use super::hashtags::hashtags;

mod draw;
pub use draw::{MadeUpTweets, draw};

/// A short message.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Tweet {
    /// The time of publication.
    pub publish_date: Timestamp,
    /// The author.
    pub author_id: String,
    /// A label of the author's kind.
    pub account_category: String,
    /// The region that the author gives.
    pub region: String,
    /// The language of the text.
    pub language: String,
    /// The number of followers of the author at that time.
    pub followers: Option<i64>,
    /// The number of accounts that the author followed.
    pub following: Option<i64>,
    /// The number of messages of the author so far.
    pub updates: Option<i64>,
    /// The kind of a repeated message; empty for others.
    pub post_type: String,
    /// 1 for a repeated message.
    pub retweet: Option<i64>,
    /// The text.
    pub content: String,
}

/// `tags_by_hour`: (hour, tag) -> n, `top_tags`: (hour, rank) -> tag, n, and `tag_authors`:
/// (tag) -> authors. Every occurrence of a tag counts; equal rows all count.
pub fn tweets(df: &mut Dataflow) {
    let tweets = df.events::<Tweet>("tweets");
    let tags = tweets
        .clone()
        .flat_map(|t, out| out.extend(hashtags(t.content).map(|tag| (t.publish_date.hour(), tag))))
        .count("tags");
    let authors = tweets
        .flat_map(|t, out| out.extend(hashtags(t.content).map(|g| (g, t.author_id.to_owned()))))
        .distinct("tag_authors");
    publish(df, tags, authors);
}

/// The three views, from tag counts and distinct (tag, author) pairs.
pub(super) fn publish<'s>(
    df: &mut Dataflow<'s>,
    tags: Collection<'s, ((Timestamp, String), i64)>,
    authors: Collection<'s, (String, String)>,
) {
    let top = tags
        .clone()
        .top_k(10, |((hour, tag), n)| (hour, (Reverse(n), tag)))
        .map(|(place, (Reverse(n), tag))| (place, (tag, n)));
    let authors = authors.map(|(tag, _)| tag).count_total().map(|(tag, n)| (tag, n as i64));
    df.view("tags_by_hour", tags).columns(&["hour", "tag", "n"]);
    df.view("top_tags", top).columns(&["hour", "rank", "tag", "n"]);
    df.view("tag_authors", authors).columns(&["tag", "authors"]);
}
