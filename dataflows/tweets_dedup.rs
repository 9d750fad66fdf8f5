//! The views of `tweets`, for a source that may send a message twice, under the same id.

use differential_dataflow::operators::{CountTotal, ThresholdTotal};
use diptych::prelude::*;

use super::hashtags::hashtags;

/// A message that may arrive more than once.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct IdentifiedTweet {
    /// The id, the same for every copy of one message.
    pub id: i64,
    /// The time of publication.
    pub publish_date: Timestamp,
    /// The author.
    pub author_id: String,
    /// The text.
    pub content: String,
}

/// The views of [`tweets`](super::tweets), each id counted once. Where copies differ, the least by
/// publication, author and content counts. State: one row per id, for ever.
pub fn tweets_dedup(df: &mut Dataflow) {
    let once = df
        .events::<IdentifiedTweet>("tweets_with_id")
        .map(|t| (t.id, t.publish_date, t.author_id.to_owned(), t.content.to_owned()))
        .distinct_by("tweets", |(id, ..)| *id);
    let tags = once
        .clone()
        .flat_map(|(_, at, _, text)| {
            let tags: Vec<_> = hashtags(&text).map(|tag| (at.hour(), tag)).collect();
            tags
        })
        .count_total()
        .map(|(place, n)| (place, n as i64));
    let authors = once
        .flat_map(|(_, _, author, text)| {
            hashtags(&text).map(|tag| (tag, author.clone())).collect::<Vec<_>>()
        })
        .distinct_total();
    super::tweets::publish(df, tags, authors);
}
