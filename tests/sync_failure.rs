//! Promise 5: a failed sync poisons the log; a full disk refuses writes, keeps reads, and lets
//! writes resume when space returns.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use diptych::io::{Fault, RealClock, RealDisk, SimDisk};
use diptych::log::{Append, Pending, Reader, Writer, WriterOptions};
use logs::{DIR, content, content_of, one, open, rows, scaled, steady};

/// The scripts: the number of rows appended, one in each epoch, and the bytes that fill a frame
/// file. The first one runs on each change.
const SCRIPTS: [(i64, u64); 5] = [(6, 600), (9, 300), (12, 900), (5, 1 << 20), (20, 450)];

fn scripts() -> &'static [(i64, u64)] {
    &SCRIPTS[..scaled(1, 5) as usize]
}

/// Appends 0.., one row each; returns what was acknowledged and the first error.
fn run_script(
    disk: &SimDisk,
    (appends, rotate): (i64, u64),
) -> (Vec<i64>, Option<diptych::Error>, Option<Writer>) {
    let writer = match open(disk, steady(rotate)) {
        Ok(writer) => writer,
        Err(error) => return (Vec::new(), Some(error), None),
    };
    let mut acked = Vec::new();
    let mut first = None;
    for n in 0..appends {
        match writer.append(one("s", n)).and_then(Pending::wait) {
            Ok(_) => acked.push(n),
            Err(error) => first = first.or(Some(error)),
        }
    }
    (acked, first, Some(writer))
}

fn numbers(disk: &SimDisk) -> Vec<i64> {
    content_of(disk).unwrap().iter().flatten().map(|event| event.1).collect()
}

fn calls_of(script: (i64, u64)) -> u64 {
    let disk = SimDisk::new();
    let (acked, error, _writer) = run_script(&disk, script);
    assert!(error.is_none() && acked.len() == script.0 as usize, "{error:?}");
    disk.calls()
}

#[test]
fn a_disk_that_fails_at_any_call_stops_the_log_and_loses_nothing() {
    for script in scripts() {
        let calls = calls_of(*script);
        let poisoned = (0..calls).filter(|call| fails_at(*script, *call)).count();
        println!("{script:?}: {calls} calls, {poisoned} stopped a log that was open");
        assert!(poisoned as u64 * 4 > calls, "{poisoned} of {calls}");
    }
}

/// Whether the failure stopped a log that was open.
fn fails_at(script: (i64, u64), call: u64) -> bool {
    let what = format!("script {script:?}, call {call}");
    let disk = SimDisk::new();
    disk.fail_at(call, Fault::Broken);
    let (acked, error, writer) = run_script(&disk, script);
    // A sync that is tried again after it has failed succeeds, and has lost what it was for.
    for seed in 0..4 {
        let after = disk.crash(seed);
        open(&after, steady(script.1)).unwrap_or_else(|e| panic!("{what}, power failed: {e}"));
        let kept = numbers(&after);
        assert!(kept.starts_with(&acked), "{what}, power failed: {kept:?} of {acked:?}");
    }
    let Some(error) = error else {
        // The failing call may be one whose result nobody was waiting for: the last sealing.
        let failed = writer.and_then(|writer| writer.append(one("s", 99)).err());
        assert!(failed.is_some() || acked.len() as i64 == script.0, "{what}");
        return false;
    };
    let open_then = writer.is_some();
    if let Some(writer) = writer {
        // Poisoned: every later append is refused with the way out.
        let again = writer.append(one("s", 99)).and_then(Pending::wait).unwrap_err();
        let text = again.to_string();
        assert!(text.contains("stopped") && text.contains("restart"), "{what}: {text}");
        assert_eq!(again.exit_code(), 10, "{what}: {text}");
        let read = numbers(&disk);
        assert!(read[..] == acked[..], "{what}: reads go on: {read:?} {acked:?}, {error}");
    }
    let restarted = disk.kill();
    let writer = open(&restarted, steady(script.1)).unwrap_or_else(|e| panic!("{what}: {e}"));
    writer.append(one("s", 100)).unwrap().wait().unwrap();
    let mut kept = numbers(&restarted);
    assert_eq!(kept.pop(), Some(100));
    assert!(kept.starts_with(&acked) && kept.len() <= acked.len() + 1, "{what}: {kept:?}");
    open_then
}

#[test]
fn a_disk_that_is_full_at_any_call_refuses_or_stops_and_loses_nothing() {
    for script in scripts() {
        for call in 0..calls_of(*script) {
            is_full_at(*script, call);
        }
    }
}

fn is_full_at(script: (i64, u64), call: u64) {
    let what = format!("script {script:?}, call {call}");
    let disk = SimDisk::new();
    disk.fail_at(call, Fault::Full);
    let (acked, error, writer) = run_script(&disk, script);
    if let (Some(writer), Some(error)) = (writer, error) {
        let next = writer.append(one("s", 100)).and_then(Pending::wait);
        // A full disk is refused and goes on; a sync that found it full stops the log.
        assert_eq!(next.is_ok(), error.is_full(), "{what}: {error}, then {next:?}");
        let read = numbers(&disk);
        assert_eq!(read.iter().filter(|n| **n < 100).count(), acked.len(), "{what}");
    }
    let restarted = disk.kill();
    open(&restarted, steady(script.1)).unwrap_or_else(|e| panic!("{what}: {e}"));
    let kept: Vec<_> = numbers(&restarted).into_iter().filter(|n| *n < 100).collect();
    assert!(acked.iter().all(|n| kept.contains(n)), "{what}: {kept:?} {acked:?}");
}

#[test]
fn a_full_disk_refuses_appends_and_resumes_when_space_returns() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let mut acked = 0;
    for round in 0..5u64 {
        disk.set_capacity(Some(disk.used() + 2_000 + round * 333));
        let error = loop {
            match writer.append(one("s", acked)).and_then(Pending::wait) {
                Ok(_) => acked += 1,
                Err(error) => break error,
            }
        };
        assert!(error.is_full(), "{error}");
        let frames = content_of(&disk).unwrap().len();
        assert_eq!(frames as i64, acked, "reads go on");
        // A refused frame that is larger than the next one leaves nothing behind it.
        let large = "x".repeat(9_000);
        disk.set_capacity(Some(disk.used() + 5_000));
        let large = Append::rows("s", rows(&[(-1, &large)]));
        assert!(writer.append(large).unwrap().wait().unwrap_err().is_full());
        disk.set_capacity(None);
        writer.append(one("s", acked)).unwrap().wait().unwrap();
        acked += 1;
        let check = diptych::log::inspect::check(Arc::new(disk.clone()), DIR).unwrap();
        assert!(check.damage.is_empty() && check.tail_bytes == 0, "{check:?}");
    }
    writer.close().unwrap();
    assert_eq!(numbers(&disk), (0..acked).collect::<Vec<_>>());
}

#[test]
fn sealing_on_a_full_disk_waits_and_loses_nothing() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    for n in 0..10 {
        writer.append(one("s", n)).unwrap().wait().unwrap();
    }
    disk.set_capacity(Some(disk.used() + 100));
    assert!(writer.seal().unwrap_err().is_full());
    assert_eq!(numbers(&disk), (0..10).collect::<Vec<_>>());
    disk.set_capacity(None);
    writer.append(one("s", 10)).unwrap().wait().unwrap();
    assert_eq!(writer.seal().unwrap(), 11);
    assert_eq!(numbers(&disk), (0..11).collect::<Vec<_>>());
}

/// The same on a real file system: 2 MiB of tmpfs, where the machine allows a mount.
#[test]
fn a_full_tmpfs_refuses_appends_and_resumes_when_space_returns() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().join("small");
    std::fs::create_dir(&mount).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&mount).output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: cannot mount a tmpfs here ({mounted:?})");
        return;
    }
    let result = std::panic::catch_unwind(|| fill(&mount));
    Command::new("umount").arg(&mount).status().expect("unmount");
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn fill(mount: &Path) {
    let disk = Arc::new(RealDisk);
    let ballast = mount.join("ballast");
    std::fs::write(&ballast, vec![1; 500_000]).unwrap();
    let dir = mount.join("log");
    let options = WriterOptions { rotate_bytes: 1 << 40, ..WriterOptions::default() };
    let writer = Writer::open(disk.clone(), Arc::new(RealClock), &dir, options).unwrap();
    let big = "y".repeat(40_000);
    let append = |n: i64| {
        let append = Append::rows("s", rows(&[(n, &big)]));
        writer.append(append).and_then(Pending::wait)
    };
    let mut acked = 0;
    let error = loop {
        match append(acked) {
            Ok(_) => acked += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_full() && acked > 10, "{acked}: {error}");
    assert_eq!(content(disk.clone(), &dir).unwrap().len() as i64, acked, "reads go on");
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..5 {
        append(acked).unwrap();
        acked += 1;
    }
    writer.close().unwrap();
    let reader = Reader::open(disk.clone(), &dir).unwrap();
    assert_eq!(reader.upper().unwrap() as i64, acked);
    assert_eq!(content(disk, &dir).unwrap().len() as i64, acked);
}
