//! Epochs below `since`: recomputed in a queue, capped, shared; and the effect of another version
//! on a reader.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use diptych::servers::Mode;
use diptych::time::Epoch;

use super::site::{self, Local};
use super::subscriber::{Subscriber, get};

/// A subscriber that has seen everything below `upper`.
fn at(version: &str, upper: Epoch) -> Subscriber {
    let token = Some(format!("{version}@{upper}"));
    let mut subscriber = Subscriber::default();
    (subscriber.rows, subscriber.token) = (site::rows(version, upper), token);
    subscriber
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn replays_are_queued_capped_and_shared() {
    let local = Local::start(5, 300);
    assert!(local.index.since() > 250, "the index has let go");
    std::thread::scope(|scope| {
        // Each is older than those before: none can share another's replay.
        let followers: Vec<_> = (0..9)
            .map(|number| {
                let url = local.changes();
                let follower = scope.spawn(move || {
                    let mut subscriber = at("1", 100 - number);
                    let status = subscriber.follow(&url, u64::MAX, |one| one.upper() >= 300);
                    (status, subscriber)
                });
                let counts = || local.site.load.replays.counts();
                let queued = || counts().running + counts().waiting > number as usize;
                wait_for("its replay is queued", queued);
                follower
            })
            .collect();
        wait_for("the first runs", || local.history.runs.lock().expect("a lock").len() == 1);
        let patience = Duration::from_secs(5);
        let full = get(&local.changes(), Some("1@50"), patience).expect("an answer");
        assert_eq!(full.status(), 503);
        assert!(full.headers().get("retry-after").is_some());
        // Who can share one that waits is let in.
        let url = local.changes();
        let shared = scope.spawn(move || {
            let mut subscriber = at("1", 97);
            let status = subscriber.follow(&url, u64::MAX, |one| one.upper() >= 300);
            (status, subscriber)
        });
        std::thread::sleep(Duration::from_millis(100));
        // The head is served meanwhile.
        let mut head = at("1", 299);
        assert_eq!(head.follow(&local.changes(), u64::MAX, |one| one.upper() >= 300), 200);
        local.history.open();
        for follower in followers.into_iter().chain([shared]) {
            let (status, subscriber) = follower.join().expect("a subscriber");
            assert_eq!(status, 200);
            assert!(subscriber.rows == site::rows("1", 300), "{:?}", subscriber.seen);
            assert_eq!(subscriber.seen["replay"], 1);
        }
    });
    let runs = local.history.runs.lock().expect("a lock").clone();
    assert_eq!(runs, (0..9).map(|number| (100 - number, 300)).collect::<Vec<_>>());
}

/// A replay keeps a bounded past, too: a subscriber that missed more starts from a snapshot.
#[test]
fn a_replay_that_does_not_tell_the_epochs_apart_begins_with_a_snapshot() {
    let local = Local::start(5, 300);
    local.history.keeps.store(100, Relaxed);
    local.history.open();
    for (from, resets) in [(250, false), (20, true)] {
        let mut subscriber = at("1", from);
        let status = subscriber.follow(&local.changes(), u64::MAX, |one| one.upper() >= 300);
        assert_eq!(status, 200);
        assert!(subscriber.rows == site::rows("1", 300), "{:?}", subscriber.seen);
        assert_eq!(subscriber.seen["replay"], 1, "from {from}: {:?}", subscriber.seen);
        let seen = ["reset", "snapshot"].map(|event| subscriber.seen.contains_key(event));
        assert_eq!(seen, [resets; 2], "from {from}: {:?}", subscriber.seen);
    }
}

#[test]
fn an_old_epoch_is_recomputed_once_for_all_who_ask() {
    let local = Local::start(5, 300);
    local.history.open();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let asked: Vec<_> = [10, 10, 11, 10, 11, 299]
        .map(|epoch| {
            let site = local.site.clone();
            runtime.spawn(async move {
                let snapshot = site.snapshot(&site.flows[0], Mode::AsOf(epoch.into())).await;
                let snapshot = snapshot.expect("a snapshot");
                assert_eq!(snapshot.epoch(), Some(epoch));
                let schema = &snapshot.views()[0].schema;
                let found = snapshot.scan(0).map(|row| {
                    let row = row.expect("a row");
                    let shown = schema.json(&row.key, &row.value).expect("a row of the schema");
                    (serde_json::Value::from(shown).to_string(), 1)
                });
                assert!(
                    found.collect::<std::collections::BTreeMap<_, _>>()
                        == site::rows("1", epoch + 1)
                );
            })
        })
        .into();
    for task in asked {
        runtime.block_on(task).expect("an answer");
    }
    let mut runs = local.history.runs.lock().expect("a lock").clone();
    runs.sort_unstable();
    assert_eq!(runs, [(0, 11), (0, 12)]);
    let site = local.site.clone();
    let later =
        runtime.block_on(async { site.snapshot(&site.flows[0], Mode::AsOf(300.into())).await });
    let error = later.err().expect("an epoch to come");
    assert!(error.is_missing() && error.to_string().contains("300)"), "{error}");
}

#[test]
fn a_reader_that_falls_behind_is_moved_to_a_replay() {
    let local = Local::start(5, 20);
    local.history.open();
    let (index, upper) = (local.index.clone(), 4_000);
    let (go, wait) = mpsc::channel();
    let url = local.changes();
    let reader = std::thread::spawn(move || {
        let mut subscriber = Subscriber::default();
        let mut pause = Some(wait);
        subscriber.follow(&url, u64::MAX, |one| {
            // Reads nothing from its first event on, until all is published.
            if let Some(wait) = pause.take() {
                let published: Result<(), _> = wait.recv();
                published.expect("a sign");
            }
            one.upper() >= upper
        });
        subscriber
    });
    std::thread::sleep(Duration::from_millis(200));
    site::publish(&index, upper);
    assert!(index.settle(Duration::from_mins(1)));
    go.send(()).expect("a reader");
    let subscriber = reader.join().expect("a reader");
    assert!(subscriber.rows == site::rows("1", upper), "{:?}", subscriber.seen);
    assert!(subscriber.seen.contains_key("replay"), "{:?}", subscriber.seen);
    assert_eq!(subscriber.seen["reset"], 1);
}

#[test]
fn a_cutover_is_one_difference_or_a_new_beginning() {
    let local = Local::start(100, 30);
    let serving = &local.site.flows[0].serving;
    let url = local.changes();
    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut subscriber = Subscriber::default();
        subscriber.follow(&url, u64::MAX, |one| {
            let token = one.token.clone().unwrap_or_default();
            // Nobody listens once the test has seen enough.
            let _ = tell.send(token.clone());
            token == "3@50"
        });
        subscriber
    });
    let reached = |token: &str| {
        let patience = Duration::from_secs(30);
        while told.recv_timeout(patience).expect("an event") != token {}
    };
    reached("1@30");
    // Rows differ, columns do not.
    let second = site::index("2", "key", 100, 100);
    site::publish(&second, 40);
    serving.cutover(second.clone()).expect("it has caught up");
    reached("2@40");
    // Other columns.
    let third = site::index("3", "id", 100, 100);
    site::publish(&third, 50);
    serving.cutover(third).expect("it has caught up");
    let subscriber = reader.join().expect("a reader");
    assert_eq!((subscriber.seen["version"], subscriber.seen["reset"]), (1, 2));
    let expected: Vec<_> = site::rows("3", 50).into_keys().collect();
    let expected = expected.iter().map(|row| row.replacen("\"key\"", "\"id\"", 1));
    assert!(subscriber.sorted().into_iter().eq(expected));
    // A token of a version that is gone.
    let mut old = at("2", 35);
    old.follow(&local.changes(), u64::MAX, |one| one.token.as_deref() == Some("3@50"));
    assert_eq!(old.rows, subscriber.rows);
    assert_eq!(old.seen["reset"], 1);
}

#[test]
fn what_was_accepted_is_no_continuation_of_what_was_before() {
    let local = Local::start(100, 30);
    let serving = &local.site.flows[0].serving;
    let url = local.changes();
    let (tell, told) = mpsc::channel();
    let follow = |mut subscriber: Subscriber| {
        let (url, tell) = (url.clone(), tell.clone());
        std::thread::spawn(move || {
            subscriber.follow(&url, u64::MAX, |one| {
                let token = one.token.clone().unwrap_or_default();
                // Nobody listens once the test has seen enough.
                let _ = tell.send(token.clone());
                token == "1~38@45"
            });
            subscriber
        })
    };
    let reader = follow(Subscriber::default());
    let patience = Duration::from_secs(30);
    while told.recv_timeout(patience).expect("an event") != "1@30" {}
    // The same version, of another history.
    let next = site::descended("1", "key", (100, 100), Some(38));
    site::publish(&next, 40);
    serving.cutover(next.clone()).expect("it has caught up");
    site::publish(&next, 45);
    let reader = reader.join().expect("a reader");
    assert_eq!(reader.rows, site::rows("1", 45));
    assert_eq!((reader.seen["version"], reader.seen["reset"]), (1, 1));
    // Who was there before, and comes back, begins again.
    let back = follow(at("1", 35)).join().expect("a reader");
    assert_eq!((back.rows, back.seen["reset"]), (site::rows("1", 45), 1));
}
