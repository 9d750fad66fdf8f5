//! Trending hashtags: those of the last two days, and nothing older.

use std::cmp::Reverse;

use differential_dataflow::operators::CountTotal;
use diptych::prelude::*;

use super::Tweet;
use super::hashtags::hashtags;

/// `trending`: (rank) -> tag, n, the twenty most used hashtags of the last two days; `voices`:
/// (tag) -> authors who used it in these days; `hours`: (hour, tag) -> n, in the last six hours.
///
/// Older rows, behind the newest tweet, leave the state, the views and the batch views.
pub fn trending(df: &mut Dataflow) {
    let tweets = df.events::<Tweet>("tweets");
    let newest = tweets.newest(|t| t.publish_date);
    let recent = tweets.retain(|t| t.publish_date, Keep::days(2));

    let tags = recent.clone().flat_map(|t, out| out.extend(hashtags(t.content))).count("tags");
    let top = tags
        .top_k(20, |(tag, n)| ((), (Reverse(n), tag)))
        .map(|(((), rank), (Reverse(n), tag))| (rank, (tag, n)));
    let voices = recent
        .clone()
        .flat_map(|t, out| out.extend(hashtags(t.content).map(|g| (g, t.author_id.to_owned()))))
        .distinct("voices");
    let voices = voices.map(|(tag, _)| tag).count_total().map(|(tag, n)| (tag, n as i64));
    let hours = recent
        .flat_map(|t, out| out.extend(hashtags(t.content).map(|tag| (t.publish_date.hour(), tag))))
        .count("hours");

    df.view("trending", top).columns(&["rank", "tag", "n"]);
    df.view("voices", voices).columns(&["tag", "authors"]);
    df.view("hours", hours)
        .retain(&newest, |(hour, _tag), _n| *hour, Keep::hours(6))
        .columns(&["hour", "tag", "n"]);
}
