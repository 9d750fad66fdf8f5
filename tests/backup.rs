//! A backup taken while the log is written is a whole data directory at one epoch.

mod stop;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use dataflows::{Line, word_count};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::io::RealClock;
use diptych::log::WriterOptions;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster};
use stop::Stop;

fn line(number: u64) -> Line {
    Line { text: format!("word{} word{}", number % 7, number % 100) }
}

/// The words counted at the frontier `upper`, from the events alone.
fn counts(system: &System, upper: u64) -> Vec<((String, i64), isize)> {
    let flow = Definition::new("word_count", word_count);
    let index = system.recompute(&flow, upper, Cluster::local(1), true).expect("computed");
    index.snapshot(Read::Latest).expect("a snapshot").rows("counts").expect("rows")
}

#[test]
fn a_backup_under_writes_is_a_prefix_that_opens_and_goes_on() {
    let place = tempfile::tempdir().expect("a directory");
    let system = System::open(place.path().join("data"));
    // Small frame files: they are sealed and removed while they are copied.
    let options = WriterOptions { rotate_bytes: 64 << 10, ..WriterOptions::default() };
    let clock = std::sync::Arc::new(RealClock);
    let writer = system.writer_with(clock, options).expect("a writer");
    append(&writer, "lines", &[line(0)]).expect("appended");
    let flows = [Definition::new("word_count", word_count)];
    system.batch(&flows[0], &BatchOptions::default()).expect("a batch view");
    let (stop, acked) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let lines: Vec<_> = (0..50).map(|n| line(number * n)).collect();
                let epoch = append(&writer, "lines", &lines).expect("appended");
                acked.store(epoch, Ordering::Release);
            }
        });
        // Also when an assertion fails: the scope waits for its threads.
        let _stop = Stop(&stop);
        for number in 0..10 {
            let before = acked.load(Ordering::Acquire);
            let to = place.path().join(format!("backup{number}"));
            let made = system.backup(&flows, &to).expect("a backup");
            assert!(made.upper > before, "{} was acknowledged, upper {}", before, made.upper);
            assert_eq!(made.batch_views, [("word_count".to_owned(), version(&flows[0]), 1)]);
            let copy = System::open(&to);
            assert_eq!(copy.reader().expect("a log").upper().expect("read"), made.upper);
            if number % 5 == 0 {
                assert_eq!(counts(&copy, made.upper), counts(&system, made.upper));
            }
            // It is a log like any other: it goes on.
            let writer = copy.writer().expect("a writer of the copy");
            let next = append(&writer, "lines", &[line(1)]).expect("appended");
            assert_eq!(next, made.upper);
            writer.close().expect("closed");
        }
    });
    let error = system.backup(&flows, &place.path().join("backup1")).expect_err("taken");
    assert!(error.is_conflict() && error.to_string().contains("not empty"), "{error}");
}

fn version(flow: &Definition) -> String {
    flow.describe().expect("it compiles").version
}

#[test]
fn empty_and_sealed_logs_are_copied_too() {
    let place = tempfile::tempdir().expect("a directory");
    let system = System::open(place.path().join("data"));
    let writer = system.writer().expect("a writer");
    let mut number = 0;
    let mut check = |upper: u64| {
        number += 1;
        let to = place.path().join(format!("copy{number}"));
        assert_eq!(system.backup(&[], &to).expect("a backup").upper, upper);
        let copy = System::open(&to).writer().expect("a writer");
        assert_eq!(append(&copy, "lines", &[line(1)]).expect("appended"), upper);
    };
    check(0);
    append(&writer, "lines", &[line(1)]).expect("appended");
    check(1);
    writer.seal().expect("sealed");
    check(1);
    append(&writer, "lines", &[line(2)]).expect("appended");
    check(2);
}

#[test]
fn damage_is_found_while_it_is_copied() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("data");
    let system = System::open(&data);
    let writer = system.writer().expect("a writer");
    append(&writer, "lines", &(0..1000).map(line).collect::<Vec<_>>()).expect("appended");
    writer.seal().expect("sealed");
    writer.close().expect("closed");
    let file = std::fs::read_dir(data.join("log")).expect("listed");
    let file = file.map(|entry| entry.expect("an entry").path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|e| e == "arrow"));
    let file = file.expect("a segment");
    let mut bytes = std::fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let error = system.backup(&[], &place.path().join("copy")).expect_err("damaged");
    assert!(error.is_damaged() && error.to_string().contains("the copy"), "{error}");
}
