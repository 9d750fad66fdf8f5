//! The test kit passes good dataflows, and catches bad ones, each by the check meant for it.

use std::sync::atomic::{AtomicI64, Ordering};

use dataflows::IdentifiedTweet;
use dataflows::{Edge, Line, Root, Transfer, bank, reachability, tweets_dedup, word_count};
use diptych::Dataflow;
use diptych::dataflow::Collection;
use diptych::dataflow::{Definition, Monoid};
use diptych::event::Timestamp;
use diptych::testing::{Live, Story, check_deterministic, check_law, golden};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

fn lines(epochs: &[&[&str]]) -> Story {
    let line = |text: &&str| Line { text: (*text).to_owned() };
    let epochs: Vec<Vec<Line>> =
        epochs.iter().map(|texts| texts.iter().map(line).collect()).collect();
    Story::of("lines", &epochs)
}

#[test]
fn built_in_dataflows_hold() {
    let line = "[ab ]{0,6}".prop_map(|text| Line { text });
    let stories = vec(vec(line, 0..4), 0..5).prop_map(|epochs| Story::of("lines", &epochs));
    diptych::testing::assert_law!(("word_count", word_count), stories, 8);

    let transfer = (0_i64..9, 0_i64..4, 0_i64..4, -5_i64..9).prop_map(|(id, from, to, amount)| {
        Transfer { id, from_account: from, to_account: to, amount, ts: id }
    });
    let stories = vec(vec(transfer, 0..4), 0..5).prop_map(|all| Story::of("transfers", &all));
    diptych::testing::assert_law!(("bank", bank), stories, 8);

    let tweet =
        (0_i64..4, -3_i64..3, "[12]", "(#[ab] ?){0,3}").prop_map(|(id, at, who, content)| {
            let publish_date = Timestamp::from_seconds(at * 1800);
            IdentifiedTweet { id, publish_date, author_id: who, content }
        });
    let stories = vec(vec(tweet, 0..4), 0..5).prop_map(|all| Story::of("tweets_with_id", &all));
    diptych::testing::assert_law!(("tweets_dedup", tweets_dedup), stories, 8);

    let edge = (0_i64..4, 0_i64..4, -1_i64..2).prop_map(|(src, dst, diff)| Edge { src, dst, diff });
    let epoch = (vec(edge, 0..4), vec((0_i64..4).prop_map(|node| Root { node }), 0..2));
    let stories = vec(epoch, 0..4).prop_map(|epochs| {
        epochs.iter().fold(Story::default(), |story, (edges, roots)| {
            story.epoch().with("edges", edges).with("roots", roots)
        })
    });
    diptych::testing::assert_law!(("reachability", reachability), stories, 8);
}

/// The message of a check on a wrong dataflow.
fn broken(function: fn(&mut Dataflow<'_>), story: &Story) -> String {
    let broken = check_law(("wrong", function), story, 3).expect_err("it is wrong");
    let text = broken.to_string();
    assert!(text.starts_with("the law is broken: dataflow \"wrong\", view"), "{text}");
    text
}

/// A fold to the last text, which is not commutative.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Newest(String);

impl Monoid for Newest {
    type Item = String;
    fn of(item: String) -> Self {
        Newest(item)
    }
    fn merge(&mut self, other: Self) {
        *self = other;
    }
}

#[test]
fn a_monoid_that_is_not_commutative_is_caught() {
    fn newest(df: &mut Dataflow<'_>) {
        let lines = df.events::<Line>("lines").map(|line| ((), line.text.to_owned()));
        df.view("newest", lines.fold::<Newest, ()>("newest").map(|((), Newest(text))| ((), text)));
    }
    let text = broken(newest, &lines(&[&["a", "b", "c"], &["d", "e"]]));
    assert!(text.contains("is every monoid commutative"), "{text}");
}

#[test]
fn a_function_that_counts_its_calls_is_caught() {
    fn numbered(df: &mut Dataflow<'_>) {
        static CALLS: AtomicI64 = AtomicI64::new(0);
        let lines = df
            .events::<Line>("lines")
            .map(|line| (line.text.to_owned(), CALLS.fetch_add(1, Ordering::Relaxed)));
        df.view("numbered", lines.sum("numbered"));
    }
    let story = lines(&[&["a"], &["b"]]);
    let text = broken(numbered, &story);
    assert!(text.contains("the same once more differs") && text.contains("clock"), "{text}");
    assert!(check_deterministic(("numbered", numbered), &story).is_err());
    assert!(check_deterministic(("word_count", word_count), &story).is_ok());
}

#[test]
fn an_answer_that_depends_on_the_epoch_is_caught() {
    // Two lines that meet in one epoch are seen together by a closure with state.
    fn pairs(df: &mut Dataflow<'_>) {
        let seen = std::cell::Cell::new(0_i64);
        let lines = df.events::<Line>("lines").map(move |line| {
            seen.set(seen.get() + 1);
            (line.text.to_owned(), seen.get() % 2)
        });
        df.view("pairs", lines.sum("pairs"));
    }
    broken(pairs, &lines(&[&["a", "b"], &["a"], &["b", "a", "a"]]));
}

#[test]
fn small_histories_are_shown() {
    fn wrong(df: &mut Dataflow<'_>) {
        let lines = df.events::<Line>("lines").map(|line| ((), line.text.to_owned()));
        df.view("newest", lines.fold::<Newest, ()>("newest").map(|((), Newest(text))| ((), text)));
    }
    let caught = std::panic::catch_unwind(|| {
        let line = "[ab]{1,3}".prop_map(|text| Line { text });
        let stories = vec(vec(line, 0..6), 1..6).prop_map(|all| Story::of("lines", &all));
        diptych::testing::assert_law!(("wrong", wrong), stories, 200);
    });
    let panic = caught.expect_err("it is wrong");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(text.contains("the law is broken") && text.contains("lines {text: "), "{text}");
    // Two lines are enough to show it.
    assert_eq!(text.matches("lines {text: ").count(), 2, "{text}");
}

/// The reason why a function cannot be drawn: the same before it runs and when it would.
fn refused(function: fn(&mut Dataflow<'_>)) -> String {
    let described = Definition::new("wrong", function).describe();
    let text = described.expect_err("it cannot be drawn").to_string();
    let Err(live) = Live::start(("wrong", function)) else { panic!("it is live, and yet {text}") };
    assert_eq!(live.to_string(), text);
    assert!(text.contains("dataflow \"wrong\""), "{text}");
    text
}

#[test]
fn names_and_streams_that_clash_are_refused() {
    fn texts<'s>(df: &mut Dataflow<'s>) -> Collection<'s, (String, i64)> {
        df.events::<Line>("lines").map(|line| line.text.to_owned()).count("texts")
    }
    let text = refused(|df| {
        let texts = texts(df);
        df.view("v", texts.clone());
        df.view("w", texts.clone());
        df.view("v", texts);
    });
    assert!(text.contains("two views are called \"v\""), "{text}");
    assert!(text.contains("give each view of a dataflow its own name"), "{text}");

    let text = refused(|df| {
        let both = texts(df).concat(texts(df));
        df.view("v", both);
    });
    assert!(text.contains("two accumulations are called \"texts\""), "{text}");
    assert!(text.contains("give each count, sum, keyed, … of a dataflow its own name"), "{text}");

    let text = refused(|df| {
        let roots = df.events::<Root>("lines").map(|root| root.node).count("roots");
        let texts = texts(df);
        df.view("v", texts);
        df.view("w", roots);
    });
    assert!(text.contains("stream \"lines\" is read as two different event types"), "{text}");
}

#[test]
fn a_dataflow_is_fed_and_restarted_by_hand() {
    let transfer =
        |from_account, amount| Transfer { id: 0, from_account, to_account: 9, amount, ts: 0 };
    let mut live = Live::start(("bank", bank)).expect("live");
    assert_eq!(live.rows::<i64, i64>("credits").expect("rows"), []);
    assert_eq!(live.feed("transfers", &[transfer(1, 5), transfer(2, 6)]).expect("fed"), 0);
    assert_eq!(live.feed::<Transfer>("transfers", &[]).expect("fed"), 1);
    live.restart(3).expect("restarted");
    assert_eq!(live.feed("transfers", &[transfer(1, 1)]).expect("fed"), 2);
    assert_eq!(live.rows::<i64, i64>("credits").expect("rows"), [(9, 12)]);
    assert_eq!(live.rows_at::<i64, i64>(0, "credits").expect("rows"), [(9, 11)]);
    assert!(live.rows::<i64, i64>("credit").is_err_and(|error| error.is_missing()));
    assert!(live.rows::<String, i64>("credits").is_err());
}

#[test]
fn a_golden_file_is_compared_line_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credits.json");
    let mut live = Live::start(("bank", bank)).expect("live");
    let transfer = Transfer { id: 0, from_account: 1, to_account: 9, amount: 4, ts: 0 };
    live.feed("transfers", &[transfer]).expect("fed");
    let snapshot = live.snapshot(diptych::serving::Read::Latest).expect("a snapshot");
    let compare = || golden(&path, &snapshot, "credits");
    assert!(compare().is_err_and(|error| error.to_string().contains("DIPTYCH_BLESS=1")));
    std::fs::write(&path, "{\"account\":9,\"credits\":4}\n").expect("written");
    compare().expect("the same");
    std::fs::write(&path, "{\"account\":9,\"credits\":5}\n").expect("written");
    let error = compare().expect_err("another").to_string();
    assert!(error.contains("line 1: has {\"account\":9,\"credits\":5}"), "{error}");
}
