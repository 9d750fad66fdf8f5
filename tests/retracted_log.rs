//! Retractions in the log itself: durable once acknowledged, at every point, and copied whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::path::Path;
use std::sync::Arc;

use diptych::io::{Fault, Random, SimDisk, SimRandom};
use diptych::log::{Append, Reader, inspect};
use logs::{Content, DIR, content_of, one, open, retract, rows, scaled, steady};

/// Appends, retracts and seals until a call fails; returns the number of acknowledged epochs.
fn script(disk: &SimDisk) -> u64 {
    let mut acked = 0;
    let mut run = || {
        let writer = open(disk, steady(1 << 40))?;
        let many: Vec<_> = (0..40).map(|n| (n, "text")).collect();
        for first in 0..3 {
            let append = Append::rows("a", rows(&many[first * 10..][..10]));
            acked = writer.append(append)?.wait()?.epoch + 1;
        }
        acked = retract(disk, &writer, "a", &[3, 11, 25])? + 1;
        acked = writer.append(one("b", 100))?.wait()?.epoch + 1;
        writer.seal()?;
        acked = retract(disk, &writer, "b", &[100])? + 1;
        acked = retract(disk, &writer, "a", &[4])? + 1;
        writer.seal()?;
        // The frame file is empty now, and of the format that knows retractions.
        acked = retract(disk, &writer, "a", &[5, 26])? + 1;
        writer.close()
    };
    let _: diptych::Result<()> = run();
    acked
}

/// A log that the first release wrote, whose first retraction finds an empty frame file.
fn after_seal(disk: &SimDisk) -> u64 {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    for file in std::fs::read_dir(golden).unwrap().map(Result::unwrap) {
        let (name, bytes) = (file.file_name(), std::fs::read(file.path()).unwrap());
        disk.tamper(&Path::new(DIR).join(name), Some(&bytes));
    }
    let mut acked = 0;
    let mut run = || {
        let writer = open(disk, steady(1 << 40))?;
        writer.seal()?;
        acked = retract(disk, &writer, "tweets", &[1])? + 1;
        writer.close()
    };
    let _: diptych::Result<()> = run();
    acked
}

fn survives(script: impl Fn(&SimDisk) -> u64, expected: &Content, crashes: u64) {
    let calls = {
        let disk = SimDisk::new();
        assert_eq!(script(&disk), expected.len() as u64);
        assert_eq!(content_of(&disk).unwrap(), *expected);
        disk.calls()
    };
    let random = SimRandom::new(5);
    let mut cut = 0;
    for call in 0..calls {
        for fault in [Fault::Broken, Fault::Full] {
            let disk = SimDisk::new();
            disk.fail_at(call, fault);
            let acked = script(&disk);
            for crash in 0..crashes {
                let what = format!("call {call} of {calls}, {fault:?}, crash {crash}");
                let crashed = disk.crash(random.next());
                let writer = open(&crashed, steady(1 << 40));
                let writer = writer.unwrap_or_else(|error| panic!("{what}: {error}"));
                let content = content_of(&crashed).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert!(content.len() as u64 >= acked, "{what}: {} of {acked}", content.len());
                // On a full disk the frame file went on, and needed no empty epoch to be replaced.
                let (found, all) = (filled(&content), filled(expected));
                assert_eq!(found[..], all[..found.len()], "{what}");
                cut += u64::from(content.len() < expected.len());
                // It goes on, and knows what stands.
                let epoch = writer.append(one("a", 77)).unwrap().wait().unwrap().epoch;
                assert_eq!(epoch, content.len() as u64, "{what}");
                assert!(retract(&crashed, &writer, "a", &[77]).unwrap() > epoch, "{what}");
                writer.close().unwrap();
                let check = inspect::check(Arc::new(crashed.clone()), DIR).unwrap();
                assert!(check.damage.is_empty(), "{what}: {:?}", check.damage);
            }
        }
    }
    println!("{calls} calls, {cut} shorter");
    assert!(cut > calls);
}

/// The epochs that are not empty.
fn filled(content: &Content) -> Content {
    content.iter().filter(|epoch| !epoch.is_empty()).cloned().collect()
}

#[test]
fn an_acknowledged_retraction_survives_a_failure_at_every_call() {
    let disk = SimDisk::new();
    script(&disk);
    let content = content_of(&disk).unwrap();
    let taken: Vec<_> = content.iter().flatten().filter(|e| e.0.starts_with('-')).collect();
    assert_eq!((content.len(), taken.len()), (8, 7), "{content:?}");
    survives(script, &content, scaled(2, 20));
}

#[test]
fn the_first_retraction_behind_a_segment_survives_too() {
    let disk = SimDisk::new();
    after_seal(&disk);
    let content = content_of(&disk).unwrap();
    // An empty frame file gets an empty epoch before one of the next format begins.
    let lens: Vec<_> = content.iter().map(Vec::len).collect();
    assert_eq!(lens, [3, 0, 1, 1, 1, 0, 1]);
    survives(after_seal, &content, scaled(2, 20));
}

/// A copy taken during writes has the retractions, in segments and frames.
#[test]
fn a_copy_knows_what_was_retracted() {
    let disk = SimDisk::new();
    script(&disk);
    let reader = Reader::open(Arc::new(disk.clone()), DIR).unwrap();
    let to = SimDisk::new();
    let copied = reader.copy_to(Arc::new(to.clone()), Path::new(DIR), &SimRandom::new(9)).unwrap();
    assert_eq!(copied.upper, 8);
    assert_eq!(content_of(&to).unwrap(), content_of(&disk).unwrap());
    let writer = open(&to, steady(1 << 40)).unwrap();
    assert!(retract(&to, &writer, "a", &[3, 4, 5]).unwrap_err().is_missing());
}

/// A reader opened before sees retractions come, and the events that count as of any frontier.
#[test]
fn what_stands_is_asked_for_by_frontier() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let reader = Reader::open(Arc::new(disk.clone()), DIR).unwrap();
    // More than a block, so that an epoch lies in two.
    let many: Vec<_> = (0..70_000).map(|n| (n, "")).collect();
    for part in many.chunks(35_000) {
        writer.append(Append::rows("a", rows(part))).unwrap().wait().unwrap();
    }
    let gone = [0, 34_999, 35_000, 65_535, 65_536, 69_999];
    for (step, n) in gone.iter().enumerate() {
        assert_eq!(retract(&disk, &writer, "a", &[*n]).unwrap(), 2 + step as u64);
        if step == 2 {
            writer.seal().unwrap();
        }
    }
    let upper = reader.upper().unwrap();
    for at in 2..=upper {
        let parts = reader.standing(0, 2, at).unwrap();
        let chunks = parts.iter().flat_map(diptych::log::Part::chunks);
        let numbers = chunks.flat_map(|chunk| logs::events(&chunk.unwrap())).map(|event| event.1);
        let taken = &gone[..(at as usize).saturating_sub(2)];
        let expected = (0..70_000).filter(|n| !taken.contains(n));
        assert!(numbers.eq(expected), "as of {at}");
    }
    assert!(reader.standing(0, 2, upper + 1).unwrap_err().is_missing());
}
