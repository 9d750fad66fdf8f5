//! The log against its naive twin, from which the same events are removed.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::SchemaRef;
use diptych::io::{Disk, Fault, RealDisk, SimClock, SimDisk, SimRandom};
use diptych::log::{Append, Chooser, EraseRequest, Erased, Reader, Writer, erase, inspect};
use proptest::prelude::*;

use crate::logs::{Content, DIR, content_of, open, retract, rows, rows_evolved, steady};

/// Chooses the events whose number leaves this remainder.
fn every(modulus: i64, remainder: i64) -> impl Fn(&SchemaRef) -> diptych::Result<Option<Chooser>> {
    move |_| {
        Ok(Some(Box::new(move |rows: &RecordBatch| {
            let numbers = rows.column_by_name("n").unwrap().as_primitive::<Int64Type>();
            Ok(numbers.values().iter().map(|n| n % modulus == remainder).collect())
        })))
    }
}

fn run(disk: &SimDisk, stream: &str, (of, is): (i64, i64)) -> diptych::Result<Option<Erased>> {
    let random = SimRandom::new(disk.calls());
    let (clock, disk) = (SimClock::at(77), Arc::new(disk.clone()));
    let choose = &every(of, is);
    let request = EraseRequest { stream, reason: "why", choose, ready: &mut || Ok(()) };
    erase(disk, DIR, &clock, &random, request)
}

fn without(content: &Content, stream: &str, (of, is): (i64, i64)) -> Content {
    // The copy that a retraction has of an event goes with it.
    let goes = |event: &crate::logs::Event| {
        event.0.trim_start_matches('-') == stream && event.1 % of == is
    };
    content
        .iter()
        .map(|epoch| epoch.iter().filter(|event| !goes(event)).cloned().collect())
        .collect()
}

/// The text of an event, which occurs nowhere else on the disk.
fn text(n: i64) -> String {
    format!("<{n}> {}", "x".repeat((n % 7) as usize))
}

fn batch(from: i64, len: i64, evolved: bool) -> RecordBatch {
    let texts: Vec<_> = (from..from + len).map(|n| (n, text(n))).collect();
    let events: Vec<_> = texts.iter().map(|(n, text)| (*n, text.as_str())).collect();
    if evolved { rows_evolved(&events) } else { rows(&events) }
}

/// One step of a random program; streams are `s0` to `s2`.
#[derive(Clone, Debug)]
enum Step {
    Append { stream: u8, evolved: bool, rows: i64 },
    Both,
    Tick,
    Seal,
    Reopen,
    Retract { stream: u8, modulus: i64, remainder: i64 },
    Erase { stream: u8, modulus: i64, remainder: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = prop_oneof![9 => 0..20i64, 1 => 300..2000i64];
    let append = (0..3u8, any::<bool>(), rows).prop_map(|(stream, evolved, rows)| Step::Append {
        stream,
        evolved,
        rows,
    });
    let erase = (0..3u8, 1..6i64, 0..3i64).prop_map(|(stream, modulus, remainder)| Step::Erase {
        stream,
        modulus,
        remainder: remainder % modulus,
    });
    let retract = (0..3u8, 2..9i64, 0..3i64).prop_map(|(stream, modulus, remainder)| {
        Step::Retract { stream, modulus, remainder: remainder % modulus }
    });
    let step = prop_oneof![
        12 => append,
        2 => Just(Step::Both),
        2 => Just(Step::Tick),
        2 => Just(Step::Seal),
        1 => Just(Step::Reopen),
        3 => erase,
        2 => retract,
    ];
    prop::collection::vec(step, 0..40)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// Checks that no file of the disk has the text of these events, and that the log is whole.
fn check_gone(disk: &SimDisk, erased: &[i64]) {
    for (path, bytes) in disk.files() {
        for n in erased {
            assert!(!contains(&bytes, &format!("<{n}>")), "{n} is in {}", path.display());
        }
    }
    let check = inspect::check(Arc::new(disk.clone()), DIR).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
}

/// The number of events that were appended and are still there.
fn appended(content: &Content) -> u64 {
    content.iter().flatten().filter(|event| !event.0.starts_with('-')).count() as u64
}

/// Takes back those of these events that still count; gives the epoch of the retraction, if there
/// is one, which follows the empty epoch that a frame file may need first.
fn taken_back(
    disk: &SimDisk,
    writer: &Writer,
    twin: &Content,
    stream: &str,
    (of, is): (i64, i64),
) -> diptych::Result<Content> {
    let negative = format!("-{stream}");
    let gone: Vec<i64> =
        twin.iter().flatten().filter(|event| event.0 == negative).map(|event| event.1).collect();
    let stands = |event: &&crate::logs::Event| {
        event.0 == stream && event.1 % of == is && !gone.contains(&event.1)
    };
    let mut taken: Vec<_> = twin.iter().flatten().filter(stands).cloned().collect();
    if taken.is_empty() {
        return Ok(Content::new());
    }
    let numbers: Vec<_> = taken.iter().map(|event| event.1).collect();
    let epoch = retract(disk, writer, stream, &numbers)?;
    let empty = epoch as usize - twin.len();
    assert!(empty <= 1, "{empty} epochs before it");
    taken.iter_mut().for_each(|event| event.0.clone_from(&negative));
    taken.sort();
    Ok([vec![Vec::new(); empty], vec![taken]].concat())
}

fn program(steps: &[Step], rotate_bytes: u64) -> diptych::Result<()> {
    let disk = SimDisk::new();
    let mut writer = open(&disk, steady(rotate_bytes))?;
    let (mut twin, mut number, mut erased, mut sent) = (Content::new(), 0, Vec::new(), Vec::new());
    for step in steps {
        let mut append = match step {
            Step::Append { stream, evolved, rows } => {
                number += 10_000;
                Append::rows(&format!("s{stream}"), batch(number, *rows, *evolved))
            }
            Step::Both => {
                number += 10_000;
                let mut append = Append::rows("s0", batch(number, 3, false));
                append.batches.push(("s1".into(), batch(number + 5_000, 2, true)));
                append
            }
            Step::Tick => Append::default(),
            Step::Seal => {
                writer.seal()?;
                continue;
            }
            Step::Reopen => {
                writer.close()?;
                writer = open(&disk, steady(rotate_bytes))?;
                continue;
            }
            Step::Retract { stream, modulus, remainder } => {
                let stream = format!("s{stream}");
                twin.extend(taken_back(&disk, &writer, &twin, &stream, (*modulus, *remainder))?);
                continue;
            }
            Step::Erase { stream, modulus, remainder } => {
                let (stream, which) = (format!("s{stream}"), (*modulus, *remainder));
                writer.close()?;
                let before = appended(&twin);
                let expected = without(&twin, &stream, which);
                for (old, new) in twin.iter().zip(&expected) {
                    erased.extend(old.iter().filter(|e| !new.contains(e)).map(|event| event.1));
                }
                let done = run(&disk, &stream, which)?;
                let gone = before - appended(&expected);
                assert_eq!(done.map_or(0, |done| done.erasure.events), gone);
                assert_eq!(content_of(&disk)?, expected);
                check_gone(&disk, &erased);
                twin = expected;
                writer = open(&disk, steady(rotate_bytes))?;
                continue;
            }
        };
        // Producers and offsets go on as if nothing had been.
        let (sequence, epoch) = (sent.len() as u64, twin.len() as u64);
        assert_eq!(writer.next_sequence("p").unwrap(), sequence);
        append.offsets.push(("source".into(), sequence.to_string()));
        let mut expected = Vec::new();
        for (stream, rows) in &append.batches {
            let epochs = diptych::log::Epochs::One(0);
            let chunk = diptych::log::Chunk { stream: stream.clone(), rows: rows.clone(), epochs };
            expected.extend(crate::logs::events(&chunk));
        }
        expected.sort();
        let append = append.by("p", sequence);
        assert_eq!(writer.append(append.clone())?.wait()?.epoch, epoch);
        sent.push((epoch, append));
        twin.push(expected);
    }
    writer.close()?;
    goes_on(&disk, rotate_bytes, (&twin, &sent))
}

/// Checks that producers and offsets are as without any erasure; `sent` has each append of the
/// producer, with its epoch.
fn goes_on(
    disk: &SimDisk,
    rotate_bytes: u64,
    (twin, sent): (&Content, &[(u64, Append)]),
) -> diptych::Result<()> {
    let writer = open(disk, steady(rotate_bytes))?;
    let next = sent.len() as u64;
    assert_eq!((writer.upper(), writer.next_sequence("p").unwrap()), (twin.len() as u64, next));
    let offset = next.checked_sub(1).map(|last| last.to_string());
    assert_eq!(writer.offsets().get("source").cloned(), offset);
    if let Some((last, again)) = sent.last() {
        let ack = writer.append(again.clone())?.wait()?;
        assert_eq!((ack.epoch, ack.repeated), (*last, true), "a repeat is still one");
    }
    drop(writer);
    assert_eq!(content_of(disk)?, *twin);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_left_is_what_was_there_without_the_erased(
        steps in steps(), rotate_bytes in prop_oneof![Just(1u64), 1_000..20_000u64]
    ) {
        program(&steps, rotate_bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
    }
}

/// Three segments and frames behind them.
fn some() -> (SimDisk, Content) {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    for k in 0..8 {
        let mut append = Append::rows("s0", batch(100 * k, 9, k % 3 == 0)).by("p", k as u64);
        append.batches.push(("s1".into(), batch(100 * k + 50, 4, false)));
        writer.append(append).unwrap().wait().unwrap();
        if k % 2 == 1 && k < 6 {
            writer.seal().unwrap();
        }
    }
    writer.close().unwrap();
    let content = content_of(&disk).unwrap();
    (disk, content)
}

fn matching(content: &Content, stream: &str, (of, is): (i64, i64)) -> Vec<i64> {
    let events = content.iter().flatten();
    events.filter(|e| e.0 == stream && e.1 % of == is).map(|event| event.1).collect()
}

/// Whichever call fails, and whatever a power failure then leaves: the history is the old one or
/// the new one, says which, and has no remains of the other once a writer has opened it.
#[test]
fn a_failure_at_each_disk_call_leaves_the_old_or_the_new_history() {
    let (disk, old) = some();
    let which = (3, 1);
    let (new, gone) = (without(&old, "s0", which), matching(&old, "s0", which));
    let whole = disk.kill();
    let from = whole.calls();
    run(&whole, "s0", which).unwrap().unwrap();
    let calls = whole.calls() - from;
    assert!(calls > 30, "{calls} calls");
    let (mut olds, mut news) = (0, 0);
    for call in 0..calls {
        for fault in [Fault::Broken, Fault::Full] {
            let hurt = disk.kill();
            hurt.fail_at(hurt.calls() + call, fault);
            let outcome = run(&hurt, "s0", which);
            let images = (0..6).map(|seed| hurt.crash(seed)).chain([hurt.kill(), hurt.clone()]);
            for (number, image) in images.enumerate() {
                let what = format!("call {call} {fault:?}, image {number}");
                let read = content_of(&image);
                if let Ok(read) = &read {
                    assert!(*read == old || *read == new, "{what}: a reader sees a mixture");
                }
                let writer = open(&image, steady(1 << 40));
                let writer = writer.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!((writer.upper(), writer.next_sequence("p").unwrap()), (8, 8), "{what}");
                let reader = Reader::open(Arc::new(image.clone()), DIR).unwrap();
                let found = content_of(&image).unwrap();
                if reader.erasures().is_empty() {
                    assert_eq!(found, old, "{what}");
                    assert!(outcome.is_err(), "{what}: reported as done");
                    olds += 1;
                } else {
                    assert_eq!(found, new, "{what}");
                    check_gone(&image, &gone);
                    news += 1;
                }
                // What the removal left to the power failure does not come back either.
                for seed in 0..2 {
                    let again = image.crash(seed);
                    if !reader.erasures().is_empty() {
                        assert_eq!(content_of(&again).unwrap(), new, "{what}, twice");
                        check_gone(&again, &gone);
                    }
                }
            }
        }
    }
    assert!(olds > 100 && news > 20, "{olds} times the old history, {news} times the new one");
}

/// The same without a fault: the power fails right after each call.
#[test]
fn once_it_has_returned_nothing_comes_back() {
    let (disk, old) = some();
    let which = (2, 0);
    run(&disk, "s1", which).unwrap().unwrap();
    let gone = matching(&old, "s1", which);
    for seed in 0..50 {
        let image = disk.crash(seed);
        assert_eq!(content_of(&image).unwrap(), without(&old, "s1", which));
        check_gone(&image, &gone);
    }
}

#[test]
fn places_move_with_what_is_erased_before_them() {
    let (disk, old) = some();
    let reader = || Reader::open(Arc::new(disk.clone()), DIR).unwrap();
    // By schema: the events of each epoch in the order of the log.
    let ordered = || {
        let mut all = std::collections::BTreeMap::<(u64, String), Vec<i64>>::new();
        let reader = reader();
        for part in reader.parts(0, reader.upper().unwrap()).unwrap() {
            let names: Vec<_> = part.schema().fields().iter().map(|f| f.name().clone()).collect();
            for chunk in part.chunks() {
                let chunk = chunk.unwrap();
                for (index, event) in crate::logs::events(&chunk).into_iter().enumerate() {
                    let key = (chunk.epochs.at(index), format!("{}.{}", event.0, names.join(".")));
                    all.entry(key).or_default().push(event.1);
                }
            }
        }
        all
    };
    let before = ordered();
    let done = run(&disk, "s0", (3, 1)).unwrap().unwrap();
    let after = ordered();
    // Numbers of schemas go by first appearance: s0 swapped, s1, s0 plain.
    let numbers = [(0, "s0.text.n"), (1, "s1.n.text"), (2, "s0.n.text")];
    let mut moved = 0;
    for (number, name) in numbers {
        for epoch in 0..old.len() as u64 {
            let Some(events) = before.get(&(epoch, name.to_owned())) else { continue };
            for (ordinal, event) in events.iter().enumerate() {
                match done.places.moved(number, epoch, ordinal as u64) {
                    Some(to) => {
                        assert_eq!(after[&(epoch, name.to_owned())][to as usize], *event);
                        moved += u64::from(to != ordinal as u64);
                    }
                    None => assert!(name.starts_with("s0") && event % 3 == 1, "{name} {event}"),
                }
            }
        }
    }
    assert!(moved > 20, "{moved} events have moved");
}

/// Readers of the old history: their mapped files stay valid, and any other read reports the
/// erasure.
#[test]
fn readers_of_the_history_before_are_told() {
    for opened_late in [false, true] {
        let (disk, old) = some();
        if opened_late {
            // The frames are sealed already, and the newest frame file is empty.
            open(&disk, steady(1 << 40)).unwrap().seal().unwrap();
        }
        let reader = Reader::open(Arc::new(disk.clone()), DIR).unwrap();
        assert_eq!(reader.upper().unwrap(), 8);
        let mapped = reader.parts(0, 2).unwrap();
        let first: Vec<_> = mapped[0].chunks().map(Result::unwrap).collect();
        let unread = reader.parts(2, 4).unwrap();
        let mut replay = reader.epochs(0, 8).unwrap();
        assert!(replay.next().unwrap().is_ok());
        run(&disk, "s0", (3, 1)).unwrap().unwrap();
        let told = |error: diptych::Error| {
            let text = error.to_string();
            assert!(error.is_conflict() && text.contains("events of stream s0 were era"), "{text}");
            assert!(text.contains("1970-01-01T00:00:00.000077Z"), "{text}");
        };
        let again: Vec<_> = mapped[0].chunks().map(Result::unwrap).collect();
        assert_eq!(again, first, "a mapped file is what it was");
        told(unread[0].chunks().next().unwrap().unwrap_err());
        told(replay.find_map(Result::err).unwrap());
        told(reader.upper().unwrap_err());
        told(reader.check_history().unwrap_err());
        told(reader.parts(0, 8).unwrap_err());
        told(reader.epochs(0, 8).unwrap().find_map(Result::err).unwrap());
        // It stays so when the log goes on.
        let writer = open(&disk, steady(1 << 40)).unwrap();
        writer.append(Append::rows("s0", batch(900, 2, false))).unwrap().wait().unwrap();
        told(reader.upper().unwrap_err());
        let reader = Reader::open(Arc::new(disk.clone()), DIR).unwrap();
        assert_eq!(reader.upper().unwrap(), 9);
        let erasure = reader.erasures().pop().unwrap();
        let events = matching(&old, "s0", (3, 1)).len() as u64;
        assert_eq!((erasure.events, erasure.upper, &*erasure.reason), (events, 8, "why"));
        assert_eq!((erasure.first, erasure.last), (0, 7));
    }
}

#[test]
fn a_log_that_is_written_or_not_there_is_left_alone() {
    let (disk, _) = some();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let error = run(&disk, "s0", (3, 1)).unwrap_err();
    let text = error.to_string();
    assert!(error.is_conflict() && text.contains("LOCK") && text.contains("stop the"), "{text}");
    writer.close().unwrap();
    let before = disk.files();
    assert!(run(&disk, "s0", (1_000_000, 17)).unwrap().is_none(), "none matches");
    let same = |name: &str| {
        let of = |files: &[(std::path::PathBuf, Vec<u8>)]| {
            files.iter().filter(|file| !file.0.ends_with(name)).cloned().collect::<Vec<_>>()
        };
        assert!(of(&before) == of(&disk.files()), "files have changed");
    };
    // The mark counts how often it was written.
    same("MARK");
    let empty = SimDisk::new();
    assert!(run(&empty, "s0", (3, 1)).unwrap_err().is_missing());
    assert!(empty.files().is_empty(), "no log is created");
}

/// A full disk refuses the erasure, and it works once there is space.
#[test]
fn a_full_disk_leaves_the_old_history() {
    let (disk, old) = some();
    disk.set_capacity(Some(disk.used() + 600));
    let error = run(&disk, "s0", (3, 1)).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(content_of(&disk).unwrap(), old);
    disk.set_capacity(None);
    run(&disk, "s0", (3, 1)).unwrap().unwrap();
    assert_eq!(content_of(&disk).unwrap(), without(&old, "s0", (3, 1)));
}

#[test]
fn a_manifest_of_a_later_format_is_refused() {
    let (disk, _) = some();
    run(&disk, "s0", (3, 1)).unwrap().unwrap();
    let path = Path::new(DIR).join("MANIFEST");
    let file = disk.open(&path, diptych::io::Open::Write).unwrap();
    assert_eq!(file.read(8, 4).unwrap(), [3, 0, 0, 0], "the format that earlier builds refuse");
    file.write_at(8, &[4, 0, 0, 0]).unwrap();
    let error = Reader::open(Arc::new(disk), DIR).unwrap_err();
    assert!(error.is_newer(), "{error}");
}

/// The same on the machine's own disk.
#[test]
fn on_a_real_disk() {
    let (sim, old) = some();
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in sim.files() {
        std::fs::write(dir.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (clock, random) = (SimClock::at(77), SimRandom::new(5));
    let choose = every(3, 1);
    let ready = &mut || Ok(());
    let request = EraseRequest { stream: "s0", reason: "", choose: &choose, ready };
    let done = erase(disk.clone(), dir.path(), &clock, &random, request);
    assert_eq!(done.unwrap().unwrap().segments, (4, 4));
    let content = crate::logs::content(disk, dir.path()).unwrap();
    assert_eq!(content, without(&old, "s0", (3, 1)));
}
