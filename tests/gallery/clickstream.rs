//! The naive twin of `clickstream`, in plain loops.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflows::{Click, clickstream, draw_clickstream};
use diptych::event::{Date, Timestamp};
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::drawn::Drawn;
use crate::follow::{epochs, follow, same};

const HALF_AN_HOUR: i64 = 30 * 60 * 1_000_000;

/// The clicks of each session, in order.
fn sessions(clicks: &[Click]) -> Vec<(i64, Vec<(Timestamp, &str)>)> {
    let clicks: BTreeSet<_> =
        clicks.iter().map(|click| (click.user, click.at, click.page.as_str())).collect();
    let mut sessions: Vec<(i64, Vec<(Timestamp, &str)>)> = Vec::new();
    for (user, at, page) in clicks {
        match sessions.last_mut() {
            Some((same, pages))
                if *same == user
                    && at.micros() - pages[pages.len() - 1].0.micros() <= HALF_AN_HOUR =>
            {
                pages.push((at, page));
            }
            _ => sessions.push((user, vec![(at, page)])),
        }
    }
    sessions
}

/// The number of funnel steps taken one after another.
fn reached(pages: &[(Timestamp, &str)]) -> u64 {
    let mut reached = 0;
    for (_, page) in pages {
        let wanted = match reached {
            0 => *page == "/",
            1 => page.starts_with("/product"),
            2 => page.starts_with("/cart"),
            3 => page.starts_with("/checkout"),
            _ => false,
        };
        reached += u64::from(wanted);
    }
    reached
}

type Pages = BTreeMap<Date, BTreeMap<String, i64>>;

fn ranked(pages: Pages) -> BTreeMap<(Date, u64), (String, i64)> {
    let mut ranks = BTreeMap::new();
    for (day, pages) in pages {
        let mut pages: Vec<(String, i64)> = pages.into_iter().collect();
        pages.sort_by_key(|(page, n)| (Reverse(*n), page.clone()));
        for (index, page) in pages.into_iter().take(10).enumerate() {
            ranks.insert((day, index as u64 + 1), page);
        }
    }
    ranks
}

fn check(snapshot: &Snapshot, clicks: &[Click]) {
    let mut rows = BTreeMap::new();
    let mut funnel = BTreeMap::<(Date, u64), i64>::new();
    let mut bounces = BTreeMap::<Date, (i64, i64)>::new();
    let (mut entries, mut exits) = (Pages::new(), Pages::new());
    for (user, pages) in sessions(clicks) {
        let ((start, entry), (end, exit)) = (pages[0], pages[pages.len() - 1]);
        let n = pages.len() as i64;
        rows.insert((user, start), (end, n, entry.to_owned(), exit.to_owned()));
        let day = start.date();
        for step in 1..=reached(&pages) {
            *funnel.entry((day, step)).or_default() += 1;
        }
        let counts = bounces.entry(day).or_default();
        *counts = (counts.0 + 1, counts.1 + i64::from(n == 1));
        *entries.entry(day).or_default().entry(entry.to_owned()).or_default() += 1;
        *exits.entry(day).or_default().entry(exit.to_owned()).or_default() += 1;
    }
    same(snapshot, "sessions", rows);
    same(snapshot, "funnel", funnel);
    same(snapshot, "bounces", bounces);
    same(snapshot, "entries", ranked(entries));
    same(snapshot, "exits", ranked(exits));
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let epochs = epochs(100);
    let clicks = draw_clickstream(1, epochs * 3 / 2);
    let drawn = Drawn { stream: "clicks", events: &clicks, epochs };
    let each = |epoch| vec![drawn.rows(epoch)];
    follow(("clickstream", clickstream), epochs, each, |epoch, snapshot| {
        check(snapshot, drawn.until(epoch));
    });
    let visits = sessions(&clicks);
    let bought = visits.iter().filter(|(_, pages)| reached(pages) == 4).count();
    println!("{epochs} epochs, {} clicks, {} visits, {bought} sales", clicks.len(), visits.len());
    assert!(bought > 0 && visits.len() * 2 < clicks.len(), "{bought} of {}", visits.len());
    assert!(clicks.windows(2).any(|pair| pair[1].at < pair[0].at), "none is late");
}

#[test]
fn the_law_holds() {
    let page = select(vec!["/", "/product/1", "/product/2", "/cart", "/checkout", "/help", ""]);
    let click = (0_i64..2, -5_i64..6, page).prop_map(|(user, quarters, page)| {
        let at = Timestamp::from_seconds(quarters * 900);
        Click { user, at, page: page.to_owned() }
    });
    let stories = vec(vec(click, 0..6), 0..5).prop_map(|all| Story::of("clicks", &all));
    diptych::testing::assert_law!(("clickstream", clickstream), stories, 8);
}

#[test]
fn a_late_click_makes_one_visit_of_two() {
    let click = |minutes: i64, page: &str| {
        let at = Timestamp::from_seconds(minutes * 60);
        Click { user: 7, at, page: page.to_owned() }
    };
    let mut live = Live::start(("clickstream", clickstream)).expect("live");
    live.feed("clicks", &[click(0, "/"), click(40, "/cart")]).expect("fed");
    let bounces = |live: &Live| live.rows::<Date, (i64, i64)>("bounces").expect("rows");
    let funnel = |live: &Live| live.rows::<(Date, u64), i64>("funnel").expect("rows");
    let day = Timestamp::from_seconds(0).date();
    assert_eq!(bounces(&live), [(day, (2, 2))]);
    assert_eq!(funnel(&live), [((day, 1), 1)]);
    live.feed("clicks", &[click(20, "/product/1"), click(20, "/product/1")]).expect("fed");
    assert_eq!(bounces(&live), [(day, (1, 0))]);
    assert_eq!(funnel(&live), [((day, 1), 1), ((day, 2), 1), ((day, 3), 1)]);
}
