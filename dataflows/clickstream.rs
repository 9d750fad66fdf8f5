//! Visits of a web site: their lengths, their funnel, their entry and exit pages.
//!
//! Half an hour of silence ends a visit. A click that comes late may prolong a visit, or join two:
//! the counts of both are then retracted.

use std::cmp::Reverse;
use std::time::Duration;

use diptych::prelude::*;

mod draw;
pub use draw::draw;

/// A user looks at a page.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Click {
    /// The user.
    pub user: i64,
    /// The time of the click.
    pub at: Timestamp,
    /// The page's path, such as `/product/7`.
    pub page: String,
}

/// The steps to a sale, by the first part of a page's path.
const STEPS: [&str; 4] = ["", "product", "cart", "checkout"];

/// `sessions`: (user, start) -> end, pages, entry, exit; and of each day, by the start of the
/// session: `funnel`: (day, step) -> sessions that took it after all before it, `bounces`: (day) ->
/// sessions, and those of one page, `entries` and `exits`: (day, rank) -> page, sessions. A click
/// that is sent twice counts once.
#[inline]
pub fn clickstream(df: &mut Dataflow) {
    let silence = Duration::from_mins(30);
    let clicks = df
        .events::<Click>("clicks")
        .map(|c| (c.user, (c.at, c.page.to_owned())))
        .distinct("clicks");
    let sessions = clicks.clone().sessions(silence).reduce(|_, clicks, out| {
        let ((_, entry), (end, exit)) = (clicks[0].0, clicks[clicks.len() - 1].0);
        out.push(((*end, clicks.len() as i64, entry.clone(), exit.clone()), 1));
    });
    let funnel = clicks
        .funnel(silence, |page| {
            let part = page.split('/').nth(1)?;
            STEPS.iter().position(|step| *step == part).map(|step| step as u64)
        })
        .flat_map(|(_, (start, reached))| {
            (1..=reached).map(move |step| ((start.date(), step), 1_i64))
        })
        .sum_values();
    let bounces = sessions
        .clone()
        .map(|((_, start), (_, pages, ..))| (start.date(), (1_i64, i64::from(pages == 1))))
        .sum_values();
    let ends =
        sessions.clone().map(|((_, start), (_, _, entry, exit))| (start.date(), entry, exit));
    let entries = ranked(ends.clone().map(|(day, entry, _)| (day, entry)));
    let exits = ranked(ends.map(|(day, _, exit)| (day, exit)));

    df.view("sessions", sessions).columns(&["user", "start", "end", "pages", "entry", "exit"]);
    df.view("funnel", funnel).columns(&["day", "step", "sessions"]);
    df.view("bounces", bounces).columns(&["day", "sessions", "bounced"]);
    df.view("entries", entries).columns(&["day", "rank", "page", "sessions"]);
    df.view("exits", exits).columns(&["day", "rank", "page", "sessions"]);
}

/// The ten most frequent pages of each day.
fn ranked(pages: Collection<'_, (Date, String)>) -> Collection<'_, ((Date, u64), (String, i64))> {
    pages
        .map(|page| (page, 1_i64))
        .sum_values()
        .top_k(10, |((day, page), n)| (day, (Reverse(n), page)))
        .map(|(place, (Reverse(n), page))| (place, (page, n)))
}
