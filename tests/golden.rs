//! Promise 21: data written by any released format version opens.
//!
//! `tests/golden/vN` is a log as release N wrote it, and is never written again. When the format
//! changes, `DIPTYCH_BLESS=1 cargo test --test golden` writes the directory of the new version.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use diptych::io::{Disk, RealDisk, SimClock, SimDisk, SimRandom};
use diptych::log::{
    Append, Chooser, EraseRequest, Reader, Writer, WriterOptions, erase, inspect, producers,
};
use logs::{Content, DIR, content, content_of, one, open, retract, rows, rows_evolved, steady};

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}"))
}

/// Two segments and frames behind; two streams, two schemas, an empty epoch, producers, offsets.
fn script() -> (SimDisk, Content) {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let mut both = Append::rows("tweets", rows(&[(1, "one"), (2, "zwei")])).by("file", 0);
    both.batches.push(("users".into(), rows(&[(7, "Ünal")])));
    both.offsets.push(("topic/0".into(), "42".into()));
    writer.append(both).unwrap().wait().unwrap();
    writer.tick().unwrap();
    writer.seal().unwrap();
    let evolved = Append::rows("tweets", rows_evolved(&[(3, "three")])).by("file", 1);
    writer.append(evolved).unwrap().wait().unwrap();
    writer.seal().unwrap();
    writer.append(one("tweets", 4)).unwrap().wait().unwrap();
    writer.append(one("users", 8).by("file", 2)).unwrap().wait().unwrap();
    writer.close().unwrap();
    let event = |stream: &str, n, text: &str| (stream.to_owned(), n, text.to_owned());
    let content = vec![
        vec![event("tweets", 1, "one"), event("tweets", 2, "zwei"), event("users", 7, "Ünal")],
        vec![],
        vec![event("tweets", 3, "three")],
        vec![event("tweets", 4, "text of 4")],
        vec![event("users", 8, "text of 8")],
    ];
    (disk, content)
}

fn bless(disk: &SimDisk, version: u32) {
    let dir = golden(version);
    assert!(!dir.exists(), "{} is released and stays as it is", dir.display());
    std::fs::create_dir_all(&dir).unwrap();
    for (path, bytes) in disk.files() {
        // The lock holds a process id and is no data.
        if path.file_name().is_some_and(|name| name != "LOCK") {
            std::fs::write(dir.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
}

#[test]
fn a_log_of_format_1_opens() {
    let (disk, expected) = script();
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        bless(&disk, 1);
    }
    assert_eq!(content_of(&disk).unwrap(), expected, "the script itself");

    let dir = golden(1);
    assert_eq!(content(Arc::new(RealDisk), &dir).unwrap(), expected, "read in place");
    let reader = Reader::open(Arc::new(RealDisk), &dir).unwrap();
    let schemas: Vec<_> =
        reader.streams().iter().map(|s| (s.name.to_string(), s.schemas.len(), s.rows)).collect();
    assert_eq!(schemas, [("tweets".into(), 2, 4), ("users".into(), 1, 2)]);
    assert_eq!(reader.clock(4).unwrap(), 1_000_000);
    let check = inspect::check(Arc::new(RealDisk), &dir).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    assert_eq!((check.epochs, check.rows), (5, 6));

    // A copy goes on being written.
    let copy = SimDisk::new();
    for name in RealDisk.list(&dir).unwrap() {
        copy.tamper(&Path::new(DIR).join(&name), Some(&std::fs::read(dir.join(&name)).unwrap()));
    }
    let writer = open(&copy, steady(1 << 40)).unwrap();
    assert_eq!((writer.upper(), writer.next_sequence("file").unwrap()), (5, 3));
    assert_eq!(writer.offsets().get("topic/0").map(String::as_str), Some("42"));
    let repeat = writer.append(one("users", 8).by("file", 2)).unwrap().wait().unwrap();
    assert_eq!((repeat.epoch, repeat.repeated), (4, true));
    writer.append(one("tweets", 5)).unwrap().wait().unwrap();
    writer.seal().unwrap();
    let content = content_of(&copy).unwrap();
    assert_eq!((&content[..5], content.len()), (&expected[..], 6));
}

/// The same log after two erasures: one takes all rows of a schema out of a segment, the other two
/// rows of two segments.
fn erased() -> (SimDisk, Content) {
    let (disk, mut content) = script();
    let random = SimRandom::new(11);
    for (stream, numbers) in [("users", vec![7]), ("tweets", vec![2, 4])] {
        let goes = numbers.clone();
        let choose = move |_: &arrow_schema::SchemaRef| -> diptych::Result<Option<Chooser>> {
            let goes = goes.clone();
            Ok(Some(Box::new(move |rows| {
                let column = rows.column_by_name("n").unwrap().as_primitive::<Int64Type>();
                Ok(column.values().iter().map(|n| goes.contains(n)).collect())
            })))
        };
        let shared = Arc::new(disk.clone());
        let (clock, why) = (SimClock::at(2_000_000), format!("{stream} asked"));
        let ready = &mut || Ok(());
        let request = EraseRequest { stream, reason: &why, choose: &choose, ready };
        erase(shared, DIR, &clock, &random, request).unwrap().unwrap();
        for epoch in &mut content {
            epoch.retain(|event| event.0 != stream || !numbers.contains(&event.1));
        }
    }
    (disk, content)
}

/// Format 3 of the manifest, which a log has from its first erasure on.
#[test]
fn a_log_of_format_3_opens() {
    let (disk, expected) = erased();
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        bless(&disk, 3);
    }
    assert_eq!(content_of(&disk).unwrap(), expected, "the script itself");
    let dir = golden(3);
    assert_eq!(content(Arc::new(RealDisk), &dir).unwrap(), expected, "read in place");
    let check = inspect::check(Arc::new(RealDisk), &dir).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    let reader = Reader::open(Arc::new(RealDisk), &dir).unwrap();
    let erasures = reader.erasures();
    let told: Vec<_> = erasures
        .iter()
        .map(|e| (&*e.stream, e.events, e.first, e.last, e.upper, e.clock_us, &*e.reason))
        .collect();
    let expected_erasures = [
        ("users", 1, 0, 0, 5, 2_000_000, "users asked"),
        ("tweets", 2, 0, 3, 5, 2_000_000, "tweets asked"),
    ];
    assert_eq!(told, expected_erasures);
    let original = Reader::open(Arc::new(RealDisk), golden(1)).unwrap().identity();
    assert_eq!(erasures[0].former(), original);
    assert!(erasures[1].former() != original && reader.identity() != erasures[1].former());

    // A copy goes on being written.
    let copy = SimDisk::new();
    for name in RealDisk.list(&dir).unwrap() {
        copy.tamper(&Path::new(DIR).join(&name), Some(&std::fs::read(dir.join(&name)).unwrap()));
    }
    let writer = open(&copy, steady(1 << 40)).unwrap();
    assert_eq!((writer.upper(), writer.next_sequence("file").unwrap()), (5, 3));
    let repeat = writer.append(one("users", 8).by("file", 2)).unwrap().wait().unwrap();
    assert_eq!((repeat.epoch, repeat.repeated), (4, true));
    writer.append(one("tweets", 5)).unwrap().wait().unwrap();
    writer.seal().unwrap();
    let content = content_of(&copy).unwrap();
    assert_eq!((&content[..5], content.len()), (&expected[..], 6));
}

/// Format 2: the log of format 1, and retractions in a segment and in frames.
#[test]
fn a_log_of_format_2_opens() {
    let (disk, mut expected) = script();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    assert_eq!(retract(&disk, &writer, "tweets", &[2, 3]).unwrap(), 5);
    writer.seal().unwrap();
    writer.append(one("tweets", 9)).unwrap().wait().unwrap();
    assert_eq!(retract(&disk, &writer, "users", &[8]).unwrap(), 7);
    writer.close().unwrap();
    let event = |stream: &str, n, text: &str| (stream.to_owned(), n, text.to_owned());
    expected.extend([
        vec![event("-tweets", 2, "zwei"), event("-tweets", 3, "three")],
        vec![event("tweets", 9, "text of 9")],
        vec![event("-users", 8, "text of 8")],
    ]);
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        bless(&disk, 2);
    }
    assert_eq!(content_of(&disk).unwrap(), expected, "the script itself");
    let dir = golden(2);
    assert_eq!(content(Arc::new(RealDisk), &dir).unwrap(), expected, "read in place");
    let reader = Reader::open(Arc::new(RealDisk), &dir).unwrap();
    let retractions = reader.retractions(0, 8).unwrap();
    let shown: Vec<_> = retractions.iter().map(|r| (r.epoch, &*r.reason, r.events.len())).collect();
    assert_eq!(shown, [(5, "a mistake", 1), (5, "a mistake", 1), (7, "a mistake", 1)]);
    let check = inspect::check(Arc::new(RealDisk), &dir).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");

    // A copy goes on being written, and knows what was retracted.
    let copy = SimDisk::new();
    for name in RealDisk.list(&dir).unwrap() {
        copy.tamper(&Path::new(DIR).join(&name), Some(&std::fs::read(dir.join(&name)).unwrap()));
    }
    let writer = open(&copy, steady(1 << 40)).unwrap();
    assert!(retract(&copy, &writer, "tweets", &[2]).unwrap_err().is_missing());
    assert_eq!(retract(&copy, &writer, "tweets", &[4]).unwrap(), 8);
    writer.seal().unwrap();
    assert_eq!(content_of(&copy).unwrap()[..8], expected[..]);
}

/// Formats of today: frame files of format 3, and a state file of format 2, with the fingerprints
/// of producers' requests.
#[test]
fn a_log_with_fingerprints_opens() {
    let (disk, expected) = script();
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        bless(&disk, 4);
    }
    let dir = golden(4);
    assert_eq!(content(Arc::new(RealDisk), &dir).unwrap(), expected, "read in place");
    let check = inspect::check(Arc::new(RealDisk), &dir).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    let copy = SimDisk::new();
    for name in RealDisk.list(&dir).unwrap() {
        copy.tamper(&Path::new(DIR).join(&name), Some(&std::fs::read(dir.join(&name)).unwrap()));
    }
    let writer = open(&copy, steady(1 << 40)).unwrap();
    let send = |n, sequence| writer.append(one("users", n).by("file", sequence)).unwrap().wait();
    assert_eq!(send(8, 2).map(|ack| (ack.epoch, ack.repeated)).unwrap(), (4, true));
    // One is known from a frame, the other from the state file.
    assert!(send(9, 2).unwrap_err().is_conflict());
    assert!(send(9, 1).unwrap_err().is_conflict());
    let evolved = Append::rows("tweets", rows_evolved(&[(3, "three")])).by("file", 1);
    let repeat = writer.append(evolved).unwrap().wait().unwrap();
    assert_eq!((repeat.epoch, repeat.repeated), (2, true));
    assert!(!send(9, 3).unwrap().repeated);
}

/// A manifest that says which writers wrote the log: two, the second after one that wrote nothing.
#[test]
fn a_log_with_branches_opens() {
    let seeded = |seed| {
        let random = Arc::new(SimRandom::new(seed));
        WriterOptions { random, ..steady(1 << 40) }
    };
    let disk = SimDisk::new();
    open(&disk, seeded(1)).unwrap().append(one("tweets", 1)).unwrap().wait().unwrap();
    open(&disk, seeded(2)).unwrap().close().unwrap();
    open(&disk, seeded(3)).unwrap().append(one("tweets", 2)).unwrap().wait().unwrap();
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        bless(&disk, 5);
    }
    let dir = golden(5);
    let expected = content_of(&disk).unwrap();
    assert_eq!(content(Arc::new(RealDisk), &dir).unwrap(), expected, "read in place");
    let branches = Reader::open(Arc::new(RealDisk), &dir).unwrap().branches();
    let of = [0, 1, 2].map(|epoch| branches.of(epoch).unwrap().to_string());
    assert_eq!(of, BRANCHES);
    // A log of before there were any is one branch for all readers until a writer opens it.
    let before = Reader::open(Arc::new(RealDisk), golden(1)).unwrap();
    let branches = before.branches();
    assert_eq!(branches.of(0).unwrap().to_string(), before.identity());
    assert_eq!(branches.of(0), branches.of(4));
}

/// What wrote the epochs of the log above.
const BRANCHES: [&str; 3] = ["f893a2eefb32555e", "1d0b14e4db018fed", "1d0b14e4db018fed"];

/// Format 6: a log with producers that are known from files of silent ones, and from frames behind.
#[test]
fn a_log_with_files_of_silent_producers_opens() {
    let few = || WriterOptions { named_producers: 4, ..steady(1 << 40) };
    let send = |writer: &Writer, producer: i64, sequence| {
        let request = one("tweets", producer * 10 + sequence as i64);
        writer.append(request.by(format!("p{producer}"), sequence)).unwrap().wait().unwrap()
    };
    let disk = SimDisk::new();
    let writer = open(&disk, few()).unwrap();
    for producer in 0..12 {
        send(&writer, producer, 0);
    }
    writer.seal().unwrap();
    for producer in 12..15 {
        send(&writer, producer, 0);
    }
    writer.seal().unwrap();
    send(&writer, 1, 1);
    send(&writer, 15, 0);
    writer.close().unwrap();
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        bless(&disk, 6);
    }
    let dir = golden(6);
    let expected = content_of(&disk).unwrap();
    assert_eq!(content(Arc::new(RealDisk), &dir).unwrap(), expected, "read in place");
    let check = inspect::check(Arc::new(RealDisk), &dir).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    let names = RealDisk.list(&dir).unwrap();
    let silent: Vec<_> = names.iter().filter(|name| name.ends_with(".silent")).collect();
    assert_eq!(silent, ["00000000000000000000.silent", "00000000000000000012.silent"]);
    let listed = |disk: Arc<dyn Disk>, dir: &Path| -> Vec<_> {
        producers(disk, dir).unwrap().map(|one| one.unwrap()).collect()
    };
    let all = listed(Arc::new(RealDisk), &dir);
    assert_eq!(all, listed(Arc::new(disk), Path::new(DIR)));
    assert_eq!((all.len(), all.iter().filter(|one| one.silent).count()), (16, 12));
    let copy = SimDisk::new();
    for name in names {
        copy.tamper(&Path::new(DIR).join(&name), Some(&std::fs::read(dir.join(&name)).unwrap()));
    }
    let writer = open(&copy, few()).unwrap();
    for producer in 0..16 {
        let last = u64::from(producer == 1);
        assert!(send(&writer, producer, last).repeated, "p{producer}");
        assert!(!send(&writer, producer, last + 1).repeated, "p{producer}");
    }
    writer.seal().unwrap();
    assert_eq!(content_of(&copy).unwrap()[..17], expected);
}

/// A log that an earlier release wrote goes on: what it remembers answers as it did, and what is
/// appended from now on is told from other requests.
#[test]
fn a_log_without_fingerprints_begins_to_take_them() {
    let dir = golden(1);
    let copy = SimDisk::new();
    for name in RealDisk.list(&dir).unwrap() {
        copy.tamper(&Path::new(DIR).join(&name), Some(&std::fs::read(dir.join(&name)).unwrap()));
    }
    for restarted in [false, true] {
        let writer = open(&copy, steady(1 << 40)).unwrap();
        let send =
            |n, sequence| writer.append(one("users", n).by("file", sequence)).unwrap().wait();
        for sequence in 0..3 {
            assert!(send(70, sequence).unwrap().repeated, "nobody knows what it was");
        }
        assert_eq!(send(9, 3).unwrap().repeated, restarted);
        assert!(send(70, 3).unwrap_err().is_conflict());
        writer.close().unwrap();
    }
    assert_eq!(content_of(&copy).unwrap().len(), 6, "no epoch more");
}

/// What an older release reads of segments does not change until there is a retraction; then it
/// refuses. It refuses the frames of a log that a producer has appended to, and a manifest that
/// says which writers wrote the log: what it would append would be taken for another's.
#[test]
fn only_what_needs_format_2_has_it() {
    let version = |disk: &SimDisk, of: &str| {
        let files = disk.files();
        let found = files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(of));
        found.map(|(_, bytes)| u32::from_le_bytes(bytes[8..12].try_into().unwrap())).max().unwrap()
    };
    let (disk, _) = script();
    assert_eq!((version(&disk, "MANIFEST"), version(&disk, "frames")), (3, 3));
    let writer = open(&disk, steady(1 << 40)).unwrap();
    retract(&disk, &writer, "tweets", &[2]).unwrap();
    assert_eq!((version(&disk, "MANIFEST"), version(&disk, "frames")), (3, 3));
    writer.seal().unwrap();
    assert_eq!((version(&disk, "MANIFEST"), version(&disk, "frames")), (3, 3));
}
