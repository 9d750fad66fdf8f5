//! A writer whose open files are removed, renamed, replaced or cut stops before it acknowledges an
//! event that others do not find, notices the change while nothing is appended, and puts back what
//! it holds. One call that fails for a temporary lack of resources stops nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diptych::Result;
use diptych::io::{Fault, RealClock, RealDisk, SimDisk};
use diptych::log::{Pending, Reader, Writer, WriterOptions};
use logs::{content, content_of, one, steady};

/// More time than any machine needs.
const PATIENCE: Duration = Duration::from_mins(1);

/// What happens to a file below its writer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Removed,
    Renamed,
    Replaced,
    Cut,
}

const FATES: [Fate; 4] = [Fate::Removed, Fate::Renamed, Fate::Replaced, Fate::Cut];

impl Fate {
    fn strike(self, path: &Path) {
        match self {
            Fate::Removed => std::fs::remove_file(path).unwrap(),
            Fate::Renamed => std::fs::rename(path, path.with_extension("away")).unwrap(),
            Fate::Replaced => {
                let draft = path.with_extension("draft");
                std::fs::copy(path, &draft).unwrap();
                std::fs::rename(&draft, path).unwrap();
            }
            Fate::Cut => {
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(70).unwrap();
            }
        }
    }

    /// Whether the next start finds every acknowledged event.
    fn is_mended(self) -> bool {
        // A replaced file is left as it is, and here it is a copy. One that was cut has lost bytes.
        self != Fate::Cut
    }
}

fn open(dir: &Path, background: bool) -> Writer {
    let options = WriterOptions { background, ..WriterOptions::default() };
    Writer::open(Arc::new(RealDisk), Arc::new(RealClock), dir, options).unwrap()
}

fn append(writer: &Writer, n: i64) -> Result<u64> {
    Ok(writer.append(one("s", n)).and_then(Pending::wait)?.epoch)
}

fn numbers(dir: &Path) -> Result<Vec<i64>> {
    let all = content(Arc::new(RealDisk), dir)?;
    Ok(all.into_iter().flatten().map(|event| event.1).collect())
}

/// The files that a writer has open.
fn open_files(dir: &Path) -> [PathBuf; 2] {
    [dir.join("00000000000000000000.frames"), dir.join("MARK")]
}

/// The events after the next start, or the error when it fails.
fn restarted(dir: &Path) -> Result<Vec<i64>> {
    let (disk, clock) = (Arc::new(RealDisk), Arc::new(RealClock));
    Writer::open(disk, clock, dir, WriterOptions::default())?.close()?;
    numbers(dir)
}

fn check_said(text: &str, path: &Path, what: &str) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let told = text.contains(name) && text.contains("stopped") && text.contains("restart");
    assert!(told, "{what}: {text}");
}

#[test]
fn nothing_is_acknowledged_that_others_do_not_find() {
    for fate in FATES {
        for which in 0..2 {
            let what = format!("{fate:?}, file {which}");
            let place = tempfile::tempdir().unwrap();
            let dir = place.path().join("log");
            let writer = open(&dir, false);
            (0..3).for_each(|n| assert_eq!(append(&writer, n).unwrap(), n as u64));
            let path = &open_files(&dir)[which];
            fate.strike(path);
            let error = append(&writer, 3).unwrap_err();
            check_said(&error.to_string(), path, &what);
            // It stays stopped.
            check_said(&append(&writer, 4).unwrap_err().to_string(), path, &what);
            drop(writer);
            match restarted(&dir) {
                Ok(kept) => {
                    assert!(kept.starts_with(&[0, 1, 2]), "{what}: {kept:?}");
                    assert!(fate.is_mended() || which == 1, "{what}");
                }
                Err(error) => assert!(error.is_damaged() && !fate.is_mended(), "{what}: {error}"),
            }
        }
    }
}

#[test]
fn a_lost_file_is_noticed_while_nothing_is_appended() {
    for fate in FATES {
        for which in 0..2 {
            let what = format!("{fate:?}, file {which}");
            let place = tempfile::tempdir().unwrap();
            let dir = place.path().join("log");
            let writer = open(&dir, true);
            (0..3).for_each(|n| assert_eq!(append(&writer, n).unwrap(), n as u64));
            let path = &open_files(&dir)[which];
            fate.strike(path);
            let begun = Instant::now();
            let error = loop {
                if let Some(error) = writer.failure() {
                    break error;
                }
                assert!(begun.elapsed() < PATIENCE, "{what}: nobody notices");
                std::thread::sleep(Duration::from_millis(5));
            };
            println!("{what}: noticed after {:.0?}", begun.elapsed());
            check_said(&error.to_string(), path, &what);
            if fate.is_mended() {
                // Readers go on, also before the next start.
                assert_eq!(numbers(&dir).unwrap(), [0, 1, 2], "{what}");
                drop(writer);
                assert_eq!(restarted(&dir).unwrap(), [0, 1, 2], "{what}");
            }
        }
    }
}

#[test]
fn what_a_replaced_file_held_is_put_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("log");
    let writer = open(&dir, false);
    (0..3).for_each(|n| assert_eq!(append(&writer, n).unwrap(), n as u64));
    let [frames, _] = open_files(&dir);
    let before = std::fs::read(&frames).unwrap();
    std::fs::remove_file(&frames).unwrap();
    std::fs::write(&frames, "something else").unwrap();
    let error = append(&writer, 3).unwrap_err().to_string();
    let rescued = dir.join("00000000000000000000.frames.rescued");
    assert!(error.contains(rescued.to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read(&rescued).unwrap(), before);
    assert_eq!(std::fs::read(&frames).unwrap(), b"something else", "it is left as it is");
    drop(writer);
    assert!(restarted(&dir).unwrap_err().is_damaged());
    std::fs::rename(&rescued, &frames).unwrap();
    assert_eq!(restarted(&dir).unwrap(), [0, 1, 2]);
}

#[test]
fn a_directory_that_is_moved_is_noticed_while_nothing_is_appended() {
    let place = tempfile::tempdir().unwrap();
    let (dir, away) = (place.path().join("log"), place.path().join("away"));
    let writer = open(&dir, true);
    (0..3).for_each(|n| assert_eq!(append(&writer, n).unwrap(), n as u64));
    std::fs::rename(&dir, &away).unwrap();
    let begun = Instant::now();
    while writer.failure().is_none() {
        assert!(begun.elapsed() < PATIENCE, "nobody notices");
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = writer.failure().unwrap().to_string();
    assert!(text.contains("moved, removed or replaced"), "{text}");
    drop(writer);
    assert_eq!(numbers(&away).unwrap(), [0, 1, 2]);
}

/// The calls of an append and of the rotation that follows it, each failing as when too many files
/// are open: only a sync is not tried again.
#[test]
fn too_many_open_files_for_a_moment_stop_nothing_but_a_sync() {
    let script = |disk: &SimDisk| {
        let writer = logs::open(disk, steady(300)).unwrap();
        let begun = disk.calls();
        (writer, begun)
    };
    let whole = SimDisk::new();
    let (writer, begun) = script(&whole);
    (0..6).for_each(|n| assert_eq!(append(&writer, n).unwrap(), n as u64));
    let calls = whole.calls() - begun;
    let mut went_on = 0;
    for call in 0..calls {
        let disk = SimDisk::new();
        let (writer, begun) = script(&disk);
        disk.fail_at(begun + call, Fault::Crowded);
        let mut acked = Vec::new();
        for n in 0..6 {
            match writer.append(one("s", n)).and_then(Pending::wait) {
                Ok(_) => acked.push(n),
                Err(error) => assert!(error.to_string().contains("stopped"), "{call}: {error}"),
            }
        }
        went_on += u64::from(acked.len() == 6 && writer.failure().is_none());
        drop(writer);
        let restarted = disk.kill();
        drop(logs::open(&restarted, steady(300)).unwrap());
        let kept: Vec<_> = content_of(&restarted).unwrap();
        let kept: Vec<_> = kept.into_iter().flatten().map(|event| event.1).collect();
        assert!(kept.starts_with(&acked), "{call}: {kept:?} {acked:?}");
    }
    println!("{went_on} of {calls} calls failed and stopped nothing");
    assert!(went_on * 3 > calls, "{went_on} of {calls}");
}

/// The mark is the last call of an append.
#[test]
fn a_mark_that_fails_for_a_moment_stops_nothing_and_one_that_goes_on_failing_acknowledges_nothing()
{
    for (failures, stops) in [(1, false), (4, false), (20, true)] {
        let disk = SimDisk::new();
        let writer = logs::open(&disk, steady(1 << 20)).unwrap();
        for n in 0..2 {
            writer.append(one("s", n)).unwrap().wait().unwrap();
        }
        let before = disk.calls();
        // Write, sync, mark.
        (0..failures).for_each(|call| disk.fail_at(before + 2 + call, Fault::Broken));
        let outcome = writer.append(one("s", 2)).and_then(Pending::wait);
        assert_eq!(outcome.is_err(), stops, "{failures} failures: {outcome:?}");
        // The writer is told a moment after the client.
        let patience = Instant::now() + Duration::from_secs(10);
        while stops && writer.failure().is_none() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(writer.failure().is_some(), stops);
        let upper = Reader::open(Arc::new(disk.clone()), logs::DIR).unwrap().upper().unwrap();
        assert_eq!(upper, if stops { 2 } else { 3 }, "readers see what was acknowledged");
    }
}
