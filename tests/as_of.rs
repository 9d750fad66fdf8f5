//! An epoch below the index's `since` is answered by a batch run up to it, whose result is kept: a
//! second request for it costs nothing, and a request for another epoch continues from the nearest
//! one below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use dataflows::{Line, word_count};
use diptych::System;
use diptych::batch_view::{BatchView, Identity};
use diptych::dataflow::Definition;
use diptych::io::{Disk, Open, SimDisk};
use diptych::limits::PAST_VIEWS_KEPT;
use diptych::serving::{Index, Read};
use diptych::sources::append;
use diptych::system::{AnsweredBy, BatchOptions, Cluster, Past};
use diptych::time::Epoch;

const ROOT: &str = "data";

fn flow() -> Definition {
    Definition::new("word_count", word_count)
}

fn line(epoch: Epoch) -> Line {
    Line { text: format!("common w{} e{epoch}", epoch % 5) }
}

fn counts(at: Epoch) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for text in (0..=at).map(|epoch| line(epoch).text) {
        for word in text.split(' ') {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn read(index: &Index, epoch: Epoch) -> BTreeMap<String, i64> {
    let snapshot = index.snapshot(Read::AsOf(epoch)).expect("the epoch");
    assert!(!snapshot.is_stale(), "an answer about the past is what was asked for");
    let rows = snapshot.rows::<String, i64>("counts").expect("rows");
    rows.into_iter().map(|(row, _)| row).collect()
}

fn filled(system: &System, epochs: Epoch) {
    let writer = system.writer().expect("a writer");
    (0..epochs).for_each(|epoch| {
        append(&writer, "lines", &[line(epoch)]).expect("appended");
    });
    writer.close().expect("closed");
}

fn ask(system: &System, epoch: Epoch) -> Past {
    let past = system.as_of(&flow(), epoch, Cluster::local(2)).expect("an answer");
    assert_eq!(read(&past.index, epoch), counts(epoch), "epoch {epoch}");
    past
}

/// The epochs that are kept.
fn kept(disk: &dyn Disk) -> Vec<Epoch> {
    let version = flow().describe().expect("it compiles").version;
    let identity = Identity::new("word_count", version);
    let boundaries = BatchView::boundaries(disk, &Path::new(ROOT).join("past"), &identity);
    boundaries.expect("listed").into_iter().map(|boundary| boundary - 1).collect()
}

#[test]
fn who_asks_again_does_not_pay_again() {
    let disk = SimDisk::new();
    let system = System::with_disk(Arc::new(disk.clone()), ROOT);
    filled(&system, 40);
    assert_eq!(ask(&system, 10).how, AnsweredBy::Recomputed);
    assert_eq!(ask(&system, 10).how, AnsweredBy::Found);
    // The nearest below, of those of the past and of the present.
    assert_eq!(ask(&system, 14).how, AnsweredBy::Continued(11));
    assert_eq!(ask(&system, 12).how, AnsweredBy::Continued(11));
    let options = BatchOptions { upto: Some(31), ..BatchOptions::default() };
    system.batch(&flow(), &options).expect("a batch view");
    assert_eq!(ask(&system, 33).how, AnsweredBy::Continued(31));
    assert_eq!(ask(&system, 30).how, AnsweredBy::Found, "one of the present");
    assert_eq!(ask(&system, 29).how, AnsweredBy::Continued(15));
    assert_eq!(ask(&system, 3).how, AnsweredBy::Recomputed);
    // Also for the next process.
    let next = System::with_disk(Arc::new(disk.clone()), ROOT);
    assert_eq!(ask(&next, 12).how, AnsweredBy::Found);
    assert_eq!(kept(&disk), [3, 10, 12, 14, 29, 33]);
    // What is kept of the past is nothing to start at.
    let described = flow().describe().expect("it compiles");
    let newest = system.newest(&described, Epoch::MAX).expect("read").0.expect("one");
    assert_eq!(newest.boundary(), 31);
}

#[test]
fn few_are_kept_and_their_readers_read_on() {
    let disk = SimDisk::new();
    let system = System::with_disk(Arc::new(disk.clone()), ROOT);
    filled(&system, 40);
    let held = ask(&system, 4);
    for epoch in (6..).step_by(2).take(PAST_VIEWS_KEPT) {
        ask(&system, epoch);
        assert!(kept(&disk).len() <= PAST_VIEWS_KEPT);
    }
    let left = kept(&disk);
    assert_eq!((left.len(), left.first()), (PAST_VIEWS_KEPT, Some(&6)), "the earliest goes first");
    assert_eq!(read(&held.index, 4), counts(4), "who reads it reads on");
    // The one just made stays, however early it is.
    ask(&system, 2);
    assert_eq!(kept(&disk)[..2], [2, 8]);
    assert_eq!(ask(&system, 2).how, AnsweredBy::Found);
}

#[test]
fn what_cannot_be_kept_is_answered_all_the_same() {
    let disk = SimDisk::new();
    let system = System::with_disk(Arc::new(disk.clone()), ROOT);
    filled(&system, 20);
    ask(&system, 7);
    // A damaged one is made again.
    let is = |path: &PathBuf| path.to_string_lossy().contains("past") && is_view(path);
    let (path, bytes) = disk.files().into_iter().find(|(path, _)| is(path)).expect("a part");
    let file = disk.open(&path, Open::Write).expect("a file");
    file.write_at(20, &[bytes[20] ^ 1]).expect("written");
    assert_eq!(ask(&system, 7).how, AnsweredBy::Recomputed);
    assert_eq!(ask(&system, 7).how, AnsweredBy::Found);
    // Somebody else is making one.
    let lock = path.with_file_name("lock");
    let held = disk.lock(&lock).expect("the lock");
    assert_eq!(ask(&system, 9).how, AnsweredBy::Continued(8));
    assert_eq!(kept(&disk), [7]);
    drop(held);
    assert_eq!(ask(&system, 9).how, AnsweredBy::Continued(8));
    assert_eq!(kept(&disk), [7, 9]);
}

fn is_view(path: &Path) -> bool {
    path.to_string_lossy().contains(".view.")
}

#[test]
fn an_epoch_that_is_not_there_is_refused_with_what_is() {
    let system = System::in_memory();
    filled(&system, 5);
    let error = system.as_of(&flow(), 5, Cluster::local(1)).map(|_| ()).expect_err("to come");
    assert!(error.is_missing(), "{error}");
    assert!(error.to_string().contains("epoch 5") && error.to_string().contains("[0, 5)"));
    let error = system.as_of(&flow(), Epoch::MAX, Cluster::local(1)).map(|_| ());
    assert!(error.is_err_and(|error| error.is_missing()));
}

#[test]
fn from_the_command_line_by_number_or_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let system = System::open(data);
    filled(&system, 3);
    let between = diptych::io::Clock::now_us(&diptych::io::RealClock);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let writer = system.writer().expect("a writer");
    append(&writer, "lines", &[line(3)]).expect("appended");
    writer.close().expect("closed");
    let query = |as_of: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_diptych"))
            .args(["query", "word_count", "counts", "--data", data, "--key", "common"])
            .args(["--format", "csv", "--as-of", as_of])
            .output()
            .expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (text(&output.stdout), text(&output.stderr), output.status.code())
    };
    let (rows, said, code) = query("1");
    assert_eq!((rows.as_str(), code), ("word,n\ncommon,2\n", Some(0)));
    assert!(said.contains("recomputed from the events"), "{said}");
    let (rows, said, _) = query("1");
    assert_eq!(rows, "word,n\ncommon,2\n");
    assert!(said.contains("epoch 1, boundary F = 2: read from the batch view"), "{said}");
    let time = diptych::event::Timestamp::from_micros(between).to_string();
    let (rows, said, _) = query(&time);
    assert_eq!(rows, "word,n\ncommon,3\n");
    assert!(said.contains("epoch 2, boundary F = 2: restored at F"), "{said}");
    let refused = [
        ("4", 3, "[0, 4)"),
        ("1999-01-01T00:00:00Z", 3, "no epoch is as old"),
        ("yesterday", 2, "2016-10-01T09:26:31Z"),
    ];
    for (as_of, code, why) in refused {
        let (rows, said, found) = query(as_of);
        assert_eq!((rows.as_str(), found), ("", Some(code)), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

/// Damage in `past/` is named, and the answer is right all the same.
#[test]
fn damage_among_the_views_of_the_past_is_named() {
    let disk = SimDisk::new();
    let system = System::with_disk(Arc::new(disk.clone()), ROOT);
    filled(&system, 30);
    assert!(ask(&system, 9).passed_over.is_empty());
    let past: Vec<_> =
        disk.files().into_iter().filter(|(path, _)| path.starts_with("data/past")).collect();
    let hurt = |end: &str| {
        let mut some = past.iter().filter(|(path, _)| path.to_string_lossy().contains(end));
        let (path, content) = some.next().expect("a file");
        let mut content = content.clone();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        (path.clone(), content)
    };
    for end in [".manifest", ".sealed", ".accumulation.", ".view."] {
        // For itself, and as the one that a later epoch would begin at.
        for epoch in [9, 14] {
            past.iter().for_each(|(path, content)| disk.tamper(path, Some(content)));
            let (path, content) = hurt(end);
            disk.tamper(&path, Some(&content));
            let answer = ask(&system, epoch);
            let named: Vec<_> = answer.passed_over.iter().map(ToString::to_string).collect();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(named.iter().any(|one| one.contains(&name)), "{end}: {named:?}");
            // What is made in its place is whole.
            assert!(ask(&system, epoch).how == AnsweredBy::Found, "{end}");
            disk.files()
                .into_iter()
                .filter(|(path, _)| path.starts_with("data/past"))
                .for_each(|(path, _)| disk.tamper(&path, None));
        }
    }
}
