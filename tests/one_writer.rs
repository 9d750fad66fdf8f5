//! A log has one writer, whatever happens to its files: a removed lock file admits no second one,
//! and a writer whose directory is moved away acknowledges nothing that others do not find.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use diptych::Result;
use diptych::io::{RealClock, RealDisk};
use diptych::log::{Pending, Writer, WriterOptions, inspect};
use logs::{content, one};

fn open(dir: &Path, rotate_bytes: u64) -> Result<Writer> {
    // Sealed between two epochs: nothing is under way when the directory is moved.
    let background = false;
    let options = WriterOptions { rotate_bytes, background, ..WriterOptions::default() };
    Writer::open(Arc::new(RealDisk), Arc::new(RealClock), dir, options)
}

fn append(writer: &Writer, n: i64) -> Result<u64> {
    Ok(writer.append(one("s", n)).and_then(Pending::wait)?.epoch)
}

/// The numbers of all events.
fn numbers(dir: &Path) -> Vec<i64> {
    let check = inspect::check(Arc::new(RealDisk), dir).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    let all = content(Arc::new(RealDisk), dir).unwrap();
    all.into_iter().flatten().map(|event| event.1).collect()
}

#[test]
fn removing_the_lock_file_lets_nobody_in() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("log");
    let first = open(&dir, 1 << 20).unwrap();
    append(&first, 0).unwrap();
    for n in 1..4 {
        std::fs::remove_file(dir.join("LOCK")).unwrap();
        let error = open(&dir, 1 << 20).unwrap_err();
        assert!(error.is_conflict(), "{error}");
        append(&first, n).unwrap();
        // The file is there again, for people and for older releases.
        let text = std::fs::read_to_string(dir.join("LOCK")).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
    }
    // Nor is a server let in by another name of the directory.
    std::fs::remove_file(dir.join("LOCK")).unwrap();
    std::os::unix::fs::symlink(place.path(), place.path().join("link")).unwrap();
    for data in [place.path().to_owned(), place.path().join("link")] {
        let server = Command::new(env!("CARGO_BIN_EXE_diptych"))
            .args(["serve", "word_count", "--listen", "127.0.0.1:0", "--for", "20s", "--data"])
            .arg(data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&server.stderr);
        assert_eq!(server.status.code(), Some(4), "{said}");
        assert!(said.contains("locked by process"), "{said}");
    }
    append(&first, 4).unwrap();
    first.close().unwrap();
    assert_eq!(numbers(&dir), [0, 1, 2, 3, 4]);
    open(&dir, 1 << 20).unwrap();
}

/// Every acknowledged event is in the directory that others find.
#[test]
fn a_writer_whose_directory_is_moved_stops() {
    for rotate_bytes in [1 << 20, 300] {
        let place = tempfile::tempdir().unwrap();
        let (dir, away) = (place.path().join("log"), place.path().join("away"));
        let first = open(&dir, rotate_bytes).unwrap();
        (0..3).for_each(|n| assert_eq!(append(&first, n).unwrap(), n as u64));
        // What it does after an answer is done when this is answered, too.
        first.seal().unwrap();
        std::fs::rename(&dir, &away).unwrap();
        let second = open(&dir, rotate_bytes).unwrap();
        (100..103).for_each(|n| assert_eq!(append(&second, n).unwrap(), n as u64 - 100));
        let error = append(&first, 3).unwrap_err();
        let text = format!("{error}");
        assert!(text.contains("moved, removed or replaced"), "{text}");
        // It stays stopped, also when the directory is there again.
        assert!(append(&first, 4).is_err());
        (103..106).for_each(|n| assert_eq!(append(&second, n).unwrap(), n as u64 - 100));
        drop(first);
        second.close().unwrap();
        assert_eq!(numbers(&dir), [100, 101, 102, 103, 104, 105]);
        let kept = numbers(&away);
        assert!(kept.starts_with(&[0, 1, 2]), "{kept:?}");
    }
}

#[test]
fn a_directory_that_is_moved_and_put_back_is_the_same() {
    let place = tempfile::tempdir().unwrap();
    let (dir, away) = (place.path().join("log"), place.path().join("away"));
    let writer = open(&dir, 300).unwrap();
    for n in 0..20 {
        append(&writer, n).unwrap();
        writer.seal().unwrap();
        std::fs::rename(&dir, &away).unwrap();
        assert!(open(&away, 300).unwrap_err().is_conflict(), "it is locked where it is, too");
        std::fs::rename(&away, &dir).unwrap();
    }
    writer.close().unwrap();
    assert_eq!(numbers(&dir), (0..20).collect::<Vec<_>>());
}
