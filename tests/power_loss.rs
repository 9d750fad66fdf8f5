//! Promise 4: acknowledged epochs survive a power failure at any moment.
//!
//! A simulated disk keeps what was synced and drops, reorders or tears the rest. After each of many
//! failures the log must open and hold a prefix of the sent epochs with every acknowledged one; it
//! must then go on, and survive a second failure during the recovery.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::sync::Arc;

use diptych::io::{Random, SimDisk, SimRandom};
use diptych::log::{Append, Reader, WriterOptions};
use logs::{Content, DIR, content_of, events, open, read_parts, replay, rows, scaled, steady};

/// More producers than are kept by name: the others are in files of silent producers, from which
/// they return with their next request.
const PRODUCERS: u64 = 7;

fn few_named(rotate_bytes: u64, named_producers: usize) -> WriterOptions {
    WriterOptions { named_producers, ..steady(rotate_bytes) }
}

/// Whether there is a file of silent producers.
fn has_silent(disk: &SimDisk) -> bool {
    disk.files().iter().any(|(path, _)| path.extension().is_some_and(|end| end == "silent"))
}

/// The requests that were sent, epoch by epoch, with the number acknowledged when the image was
/// taken.
struct Sent {
    epochs: Content,
    acked: usize,
}

fn request(random: &SimRandom, number: i64) -> Append {
    let stream = format!("s{}", random.below(2));
    let len = random.below(40) as i64;
    let texts: Vec<_> =
        (number..number + len).map(|n| (n, "x".repeat((n % 90) as usize))).collect();
    let texts: Vec<_> = texts.iter().map(|(n, text)| (*n, text.as_str())).collect();
    let number = number as u64 / 1000;
    let producer = format!("p{}", number % PRODUCERS);
    Append::rows(&stream, rows(&texts)).by(producer, number / PRODUCERS)
}

fn content_sent(append: &Append) -> Vec<logs::Event> {
    let mut all = Vec::new();
    for (stream, rows) in &append.batches {
        let (stream, rows) = (stream.clone(), rows.clone());
        let epochs = diptych::log::Epochs::One(0);
        all.extend(events(&diptych::log::Chunk { stream, rows, epochs }));
    }
    all.sort();
    all
}

/// Checks a disk after a failure: it has a prefix, and no acknowledged epoch is missing.
fn check(disk: &SimDisk, sent: &Sent, options: &WriterOptions, what: &str) {
    // A reader that comes before any writer sees a prefix too, or says what is wrong with MARK.
    match Reader::open(Arc::new(disk.clone()), DIR) {
        Ok(reader) => {
            let upper = reader.upper().unwrap();
            let seen = replay(&reader, 0, upper).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(seen[..], sent.epochs[..seen.len()], "{what}: reader before recovery");
        }
        Err(error) => assert!(
            error.to_string().contains("MARK") || error.is_missing() && sent.acked == 0,
            "{what}: {error}"
        ),
    }
    let writer = open(disk, options.clone()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let content = content_of(disk).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(content.len() >= sent.acked, "{what}: {} of {} acked", content.len(), sent.acked);
    assert_eq!(content[..], sent.epochs[..content.len()], "{what}");
    // The table of producers is that of the recovered prefix.
    for number in 0..PRODUCERS {
        let due = (content.len() as u64 + PRODUCERS - 1 - number) / PRODUCERS;
        let found = writer.next_sequence(&format!("p{number}"));
        assert_eq!(found.unwrap_or_else(|e| panic!("{what}: {e}")), due, "{what}: p{number}");
    }
}

/// Returns the number of images with a file of silent producers.
fn images(seed: u64, count: u64) -> usize {
    let random = SimRandom::new(seed);
    let options = few_named(1 + random.below(6_000), 4);
    let mut disk = SimDisk::new();
    let mut writer = open(&disk, options.clone()).unwrap();
    let mut sent = Sent { epochs: Vec::new(), acked: 0 };
    let (mut taken, mut silent) = (0, 0);
    while taken < count {
        let number = sent.epochs.len() as i64 * 1000;
        let append = request(&random, number);
        sent.epochs.push(content_sent(&append));
        // The failure comes at some call in the middle of the append: the calls after it fail, so
        // the image has whatever was under way.
        let mut image = disk.kill();
        if random.below(2) == 0 {
            let probe = open(&image, options.clone()).unwrap();
            let from = image.calls();
            image.fail_at(from + random.below(30), diptych::io::Fault::Broken);
            let acked = probe.append(append.clone()).and_then(diptych::log::Pending::wait).is_ok();
            let so_far =
                Sent { epochs: sent.epochs.clone(), acked: sent.acked + usize::from(acked) };
            let crashed = image.crash(random.next());
            check(
                &crashed,
                &so_far,
                &options,
                &format!("seed {seed}, image {taken}, in an append"),
            );
            image = crashed;
            taken += 1;
            drop(probe);
        }
        writer.append(append).unwrap().wait().unwrap();
        sent.acked = sent.epochs.len();
        let crashed = disk.crash(random.next());
        silent += usize::from(has_silent(&crashed));
        let what = format!("seed {seed}, image {taken}");
        check(&crashed, &sent, &options, &what);
        check(&crashed.crash(random.next()), &sent, &options, &format!("{what}, twice"));
        taken += 1;
        drop(image);
        // Now and then the run goes on from the image, so that damage could add up.
        if random.below(8) == 0 {
            disk = crashed;
            writer = open(&disk, options.clone()).unwrap();
            assert_eq!(writer.upper(), sent.acked as u64);
        }
        if sent.epochs.len() > 60 {
            let reader = Reader::open(Arc::new(disk.clone()), DIR).unwrap();
            assert_eq!(read_parts(&reader, 0, reader.upper().unwrap()).unwrap(), sent.epochs);
            disk = SimDisk::new();
            writer = open(&disk, options.clone()).unwrap();
            sent = Sent { epochs: Vec::new(), acked: 0 };
        }
    }
    silent
}

#[test]
fn what_was_acknowledged_survives_a_power_failure() {
    let images_wanted = scaled(5_000, 200_000);
    let per_seed = 100;
    let silent: usize =
        (0..images_wanted.div_ceil(per_seed)).map(|seed| images(seed, per_seed)).sum();
    println!("{silent} images with files of silent producers");
    assert!(silent as u64 > images_wanted / 8, "{silent} of {images_wanted}");
}

/// The same at every single disk call of one script, not at random ones.
#[test]
fn a_power_failure_after_each_disk_call_loses_nothing() {
    let options = few_named(700, 1);
    let script = |disk: &SimDisk| {
        let mut sent = Sent { epochs: Vec::new(), acked: 0 };
        let Ok(writer) = open(disk, options.clone()) else { return sent };
        let random = SimRandom::new(3);
        for number in 0..8 {
            let append = request(&random, number * 1000);
            sent.epochs.push(content_sent(&append));
            if writer.append(append).and_then(diptych::log::Pending::wait).is_err() {
                break;
            }
            sent.acked += 1;
        }
        sent
    };
    let whole = SimDisk::new();
    assert_eq!(script(&whole).acked, 8);
    assert!(has_silent(&whole));
    let calls = whole.calls();
    assert!(calls > 60, "{calls} calls: the script should seal segments");
    for call in 0..calls {
        let disk = SimDisk::new();
        disk.fail_at(call, diptych::io::Fault::Broken);
        let sent = script(&disk);
        for seed in 0..4 {
            check(&disk.crash(seed), &sent, &options, &format!("call {call}, seed {seed}"));
        }
        check(&disk.kill(), &sent, &options, &format!("call {call}, killed"));
    }
}

/// After a failed sync the page cache may hold what the disk never got. A recovery that trusted the
/// cache would acknowledge it by sealing the next epoch on top of it, and lose it.
#[test]
fn what_a_failed_sync_lost_is_written_again_before_it_counts() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 20)).unwrap();
    writer.append(logs::one("s", 0)).unwrap().wait().unwrap();
    disk.fail_at(disk.calls() + 1, diptych::io::Fault::Broken); // write, then the failing sync
    let error = writer.append(logs::one("s", 1)).unwrap().wait().unwrap_err();
    assert!(error.to_string().contains("restart"), "{error}");
    drop(writer);
    let restarted = disk.kill();
    let writer = open(&restarted, steady(1 << 20)).unwrap();
    assert_eq!(writer.upper(), 2, "the frame was in the page cache");
    for seed in 0..50 {
        let content = content_of(&restarted.crash(seed)).unwrap();
        assert_eq!(content.len(), 2, "seed {seed}: the second epoch was given out by recovery");
    }
}

/// A new log in new directories, three levels of them: the log is lost with any directory whose
/// entry is not durable. Also when the process that made them died before they were durable.
#[test]
fn a_power_failure_takes_no_new_directory_away() {
    let place = "srv/a/b/log";
    let open = |disk: &SimDisk| {
        let clock = Arc::new(diptych::io::SimClock::at(1_000_000));
        diptych::log::Writer::open(Arc::new(disk.clone()), clock, place, steady(700))
    };
    let acked = |disk: &SimDisk| {
        let writer = open(disk)?;
        writer.append(logs::one("s", 1))?.wait()
    };
    let check = |disk: &SimDisk, what: &str| {
        for seed in 0..20 {
            let after = disk.crash(seed);
            let writer = open(&after).unwrap_or_else(|e| panic!("{what}, seed {seed}: {e}"));
            assert_eq!(writer.upper(), 1, "{what}, seed {seed}");
        }
    };
    let whole = SimDisk::new();
    acked(&whole).unwrap();
    check(&whole, "a new log");
    for call in 0..whole.calls() {
        let disk = SimDisk::new();
        disk.fail_at(call, diptych::io::Fault::Broken);
        if acked(&disk).is_ok() {
            check(&disk, &format!("call {call} failed"));
        }
        // Whoever comes next finds directories, and does not know how durable they are.
        let next = disk.kill();
        if open(&next).is_ok_and(|writer| writer.upper() == 0) && acked(&next).is_ok() {
            check(&next, &format!("killed at call {call}"));
        }
    }
}
