//! Promise 2: what was acknowledged survives `kill -9`, and nothing appears that was not sent.
//!
//! The test starts itself as a child process that appends from four threads and journals every
//! request and every acknowledgement to a pipe, kills it at a random moment, and compares the log
//! with the journal. All cycles share one directory, so recoveries pile up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use diptych::io::{Random, RealClock, RealDisk, SimRandom};
use diptych::log::{Append, Pending, Writer, WriterOptions};
use logs::{content, rows, scaled};

const NAME: &str = "acknowledged_appends_survive_kill_9";

fn options() -> WriterOptions {
    WriterOptions { rotate_bytes: 30_000, ..WriterOptions::default() }
}

/// Appends for ever, and writes each line to the pipe in one write.
fn child(dir: &str, from: i64) -> ! {
    let writer = Writer::open(Arc::new(RealDisk), Arc::new(RealClock), dir, options());
    let writer = Arc::new(writer.expect("the log opens after any kill"));
    let say = |line: String| std::io::stdout().write_all(line.as_bytes()).expect("the pipe");
    for thread in 0..4 {
        let writer = Arc::clone(&writer);
        std::thread::spawn(move || {
            for number in from.. {
                say(format!("\nsent {thread} {number}\n"));
                let append = Append::rows(&format!("s{thread}"), rows(&[(number, "payload")]));
                let ack = writer.append(append).and_then(Pending::wait).expect("an ack");
                say(format!("\nack {thread} {number} {}\n", ack.epoch));
            }
        });
    }
    loop {
        std::thread::park();
    }
}

/// Stream, number and, for acknowledgements, the epoch.
fn parse(journal: &str, word: &str) -> BTreeSet<(String, i64, Option<u64>)> {
    let mut lines = BTreeSet::new();
    for line in journal.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if words.first() == Some(&word) && words.len() >= 3 {
            let epoch = words.get(3).map(|epoch| epoch.parse().expect("an epoch"));
            lines.insert((format!("s{}", words[1]), words[2].parse().expect("a number"), epoch));
        }
    }
    lines
}

/// The kills of one log's writer.
const KILLS: u64 = 50;

#[test]
fn acknowledged_appends_survive_kill_9() {
    if let Ok(dir) = std::env::var("DIPTYCH_TEST_CHILD") {
        let from = std::env::var("DIPTYCH_TEST_FROM").expect("with the directory");
        child(&dir, from.parse().expect("a number"));
    }
    let (mut acknowledged, logs) = (0, scaled(50, 1_000).div_ceil(KILLS));
    for log in 0..logs {
        acknowledged += killed_again_and_again(log);
    }
    println!("{} kills, {acknowledged} acknowledged", logs * KILLS);
    assert!(acknowledged > 200, "{acknowledged} acknowledged: too few to prove anything");
}

/// Kills one log's writer this often, and compares the whole log after each kill; returns the
/// number of acknowledged appends.
fn killed_again_and_again(seed: u64) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let random = SimRandom::new(5 + seed);
    let (mut sent, mut acked) = (BTreeSet::new(), BTreeSet::new());
    for cycle in 0..KILLS {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env("DIPTYCH_TEST_CHILD", &log)
            .env("DIPTYCH_TEST_FROM", (cycle * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = process.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut journal = Vec::new();
            pipe.read_to_end(&mut journal).expect("the pipe");
            String::from_utf8(journal).expect("text")
        });
        std::thread::sleep(Duration::from_millis(15 + random.below(250)));
        process.kill().unwrap();
        process.wait().unwrap();
        let mut journal = reader.join().unwrap();
        // The kill may have cut the last line.
        journal.truncate(journal.rfind('\n').map_or(0, |end| end + 1));
        sent.extend(parse(&journal, "sent"));
        acked.extend(parse(&journal, "ack"));
        compare(&log, &sent, &acked, cycle);
    }
    acked.len()
}

fn compare(
    log: &Path,
    sent: &BTreeSet<(String, i64, Option<u64>)>,
    acked: &BTreeSet<(String, i64, Option<u64>)>,
    cycle: u64,
) {
    let epochs = match content(Arc::new(RealDisk), log) {
        Ok(epochs) => epochs,
        // Killed before the log was there at all.
        Err(error) if error.is_missing() && acked.is_empty() => return,
        Err(error) => panic!("cycle {cycle}: {error}"),
    };
    let mut found = BTreeSet::new();
    for (epoch, events) in epochs.iter().enumerate() {
        for (stream, number, _) in events {
            let event = (stream.clone(), *number, Some(epoch as u64));
            assert!(sent.contains(&(stream.clone(), *number, None)), "invented: {event:?}");
            assert!(found.insert(event), "cycle {cycle}: {stream} {number} is there twice");
        }
    }
    let lost: Vec<_> = acked.difference(&found).collect();
    assert!(lost.is_empty(), "cycle {cycle}: acknowledged and lost: {lost:?}");
}
