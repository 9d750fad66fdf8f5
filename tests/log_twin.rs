//! The log against its naive twin, a vector of epochs: after any appends, seals, reopenings and
//! kills, every way of reading gives the same epochs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::sync::Arc;

use diptych::io::SimDisk;
use diptych::limits::FOLLOWER_EPOCHS_MAX;
use diptych::log::{Append, Heard, Reader};
use logs::{DIR, content_of, one, open, replay, rows, rows_evolved, steady};
use proptest::prelude::*;

/// How long the test waits for an event that is due at once.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// One step of a random program.
#[derive(Clone, Debug)]
enum Step {
    /// Appends rows to one of three streams, under one of two schemas.
    Append {
        stream: u8,
        evolved: bool,
        rows: u16,
    },
    /// Appends to two streams at once.
    Both,
    Tick,
    Seal,
    Reopen,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (0..3u8, any::<bool>(), prop_oneof![9 => 0..20u16, 1 => 300..2000u16])
        .prop_map(|(stream, evolved, rows)| Step::Append { stream, evolved, rows });
    let step = prop_oneof![
        12 => append,
        2 => Just(Step::Both),
        2 => Just(Step::Tick),
        1 => Just(Step::Seal),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 0..40)
}

fn batch(from: i64, len: u16, evolved: bool) -> arrow_array::RecordBatch {
    let texts: Vec<_> = (from..from + i64::from(len)).map(|n| (n, format!("é{n}"))).collect();
    let events: Vec<_> = texts.iter().map(|(n, text)| (*n, text.as_str())).collect();
    if evolved { rows_evolved(&events) } else { rows(&events) }
}

fn run(program: &[Step], rotate_bytes: u64) -> diptych::Result<()> {
    let mut disk = SimDisk::new();
    let mut writer = open(&disk, steady(rotate_bytes))?;
    let mut live = writer.follow();
    assert_eq!(live.join(), Some(0));
    let mut twin: logs::Content = Vec::new();
    let mut number = 0;
    for step in program {
        let append = match step {
            Step::Append { stream, evolved, rows } => {
                number += 10_000;
                Append::rows(&format!("s{stream}"), batch(number, *rows, *evolved))
            }
            Step::Both => {
                number += 10_000;
                let mut append = Append::rows("s0", batch(number, 3, false));
                append.batches.push(("s1".into(), batch(number, 2, true)));
                append
            }
            Step::Tick => Append::default(),
            Step::Seal => {
                assert_eq!(writer.seal()?, twin.len() as u64);
                continue;
            }
            Step::Reopen | Step::Kill => {
                if matches!(step, Step::Kill) {
                    disk = disk.kill();
                }
                writer.close()?;
                writer = open(&disk, steady(rotate_bytes))?;
                assert_eq!(writer.upper(), twin.len() as u64);
                live = writer.follow();
                assert_eq!(live.join(), Some(twin.len() as u64));
                continue;
            }
        };
        let mut expected = Vec::new();
        for (stream, rows) in &append.batches {
            let (stream, rows) = (stream.clone(), rows.clone());
            let epochs = diptych::log::Epochs::One(0);
            expected.extend(logs::events(&diptych::log::Chunk { stream, rows, epochs }));
        }
        expected.sort();
        let epoch = writer.append(append)?.wait()?.epoch;
        assert_eq!(epoch, twin.len() as u64);
        let Heard::Epoch(sealed) = live.next(PATIENCE) else {
            panic!("epoch {epoch} is not heard")
        };
        assert_eq!((sealed.epoch, logs::events_of(&sealed)), (epoch, expected.clone()));
        twin.push(expected);
    }
    assert_eq!(content_of(&disk)?, twin);
    // Any interval, not only all of it.
    let reader = Reader::open(Arc::new(disk), DIR)?;
    let upper = twin.len() as u64;
    for (lower, upper) in [(upper / 3, upper / 2), (upper / 2, upper), (upper, upper)] {
        let expected = &twin[lower as usize..upper as usize];
        assert_eq!(replay(&reader, lower, upper)?, expected);
        assert_eq!(logs::read_parts(&reader, lower, upper)?, expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_way_of_reading_gives_back_what_was_appended(
        program in steps(), rotate_bytes in prop_oneof![Just(1u64), 1_000..20_000u64]
    ) {
        run(&program, rotate_bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
    }
}

/// A part is the same rows in a frame file and in the segment it becomes, and a list of parts that
/// was made before the sealing stays readable after it.
#[test]
fn the_list_of_parts_does_not_change_when_a_segment_is_sealed() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    for n in 0..40 {
        let stream = format!("s{}", n % 3);
        writer
            .append(Append::rows(&stream, batch(n * 10_000, 9_000, n % 5 == 0)))
            .unwrap()
            .wait()
            .unwrap();
    }
    let reader = || Reader::open(Arc::new(disk.clone()), DIR).unwrap();
    let list = |parts: &[diptych::log::Part]| -> Vec<Vec<(u64, logs::Event)>> {
        let rows = |part: &diptych::log::Part| {
            let chunks = part.chunks().map(|chunk| chunk.unwrap());
            chunks
                .flat_map(|c| {
                    let epochs = c.epochs.clone();
                    logs::events(&c).into_iter().enumerate().map(move |(i, e)| (epochs.at(i), e))
                })
                .collect()
        };
        parts.iter().map(rows).collect()
    };
    for (lower, upper) in [(0, 40), (0, 17), (13, 29), (39, 40)] {
        let before = reader().parts(lower, upper).unwrap();
        let expected = list(&before);
        let sealed = SimDisk::kill(&disk);
        let again = open(&sealed, steady(1 << 40)).unwrap();
        assert_eq!(again.seal().unwrap(), 40);
        let after = Reader::open(Arc::new(sealed), DIR).unwrap().parts(lower, upper).unwrap();
        assert_eq!(list(&after), expected, "[{lower}, {upper})");
    }
    let before = reader().parts(0, 40).unwrap();
    let expected = list(&before);
    writer.seal().unwrap();
    assert_eq!(list(&before), expected);
    assert!(before.len() > 6, "{} parts: the big stream should have several", before.len());
}

#[test]
fn wrong_input_is_refused_by_name() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 20)).unwrap();
    let refused = |append: Append| writer.append(append).expect_err("refused").to_string();
    assert!(refused(one("no/such", 1)).contains("\"no/such\""));
    assert!(refused(one("", 1)).contains("no name for a stream"));
    let column: arrow_array::ArrayRef = Arc::new(arrow_array::UInt64Array::from(vec![1]));
    let reserved = arrow_array::RecordBatch::try_from_iter([("_epoch", column.clone())]).unwrap();
    assert!(refused(Append::rows("s", reserved)).contains("_epoch is reserved"));
    let twice = [("a", column.clone()), ("a", column)];
    let twice = arrow_array::RecordBatch::try_from_iter(twice).unwrap();
    assert!(refused(Append::rows("s", twice)).contains("two columns are named \"a\""));
    let words: arrow_array::DictionaryArray<arrow_array::types::Int8Type> =
        vec!["x", "y"].into_iter().collect();
    let words: arrow_array::ArrayRef = Arc::new(words);
    let words = arrow_array::RecordBatch::try_from_iter([("word", words)]).unwrap();
    let error = refused(Append::rows("s", words));
    assert!(error.contains("\"word\"") && error.contains("cast"), "{error}");
    assert_eq!(writer.upper(), 0);
}

#[test]
fn a_second_writer_is_told_who_has_the_lock() {
    let disk = SimDisk::new();
    let _writer = open(&disk, steady(1 << 20)).unwrap();
    let error = open(&disk, steady(1 << 20)).expect_err("locked");
    let pid = std::process::id().to_string();
    assert!(error.is_conflict() && error.to_string().contains(&pid), "{error}");
    assert!(error.to_string().contains("log/LOCK"), "{error}");
}

#[test]
fn a_clock_that_jumps_back_moves_no_epoch() {
    let disk = SimDisk::new();
    let clock = Arc::new(diptych::io::SimClock::at(500));
    let shared: Arc<dyn diptych::io::Clock> = clock.clone();
    let writer = diptych::log::Writer::open(Arc::new(disk.clone()), shared, DIR, steady(600));
    let writer = writer.unwrap();
    for now in [500, 900, -70, 2_000] {
        clock.set(now);
        writer.append(one("s", now)).unwrap().wait().unwrap();
    }
    let reader = Reader::open(Arc::new(disk), DIR).unwrap();
    assert_eq!(reader.upper().unwrap(), 4);
    let clocks: Vec<_> = (0..4).map(|epoch| reader.clock(epoch).unwrap()).collect();
    assert_eq!(clocks, [500, 900, -70, 2_000]);
    // From epoch 3 on all are later, though epoch 1 was, too.
    assert_eq!(reader.epoch_at(501).unwrap(), 3);
    assert_eq!(reader.epoch_at(1_000).unwrap(), 3);
    assert_eq!(reader.epoch_at(3_000).unwrap(), 4);
}

#[test]
fn epochs_that_are_not_sealed_are_missing() {
    let disk = SimDisk::new();
    assert!(Reader::open(Arc::new(disk.clone()), DIR).unwrap_err().is_missing());
    let writer = open(&disk, steady(1 << 20)).unwrap();
    let reader = Reader::open(Arc::new(disk), DIR).unwrap();
    assert_eq!(reader.upper().unwrap(), 0);
    assert_eq!(writer.tick().unwrap(), 0);
    assert!(reader.epochs(0, 2).unwrap_err().is_missing());
    assert!(reader.clock(1).unwrap_err().is_missing());
    assert_eq!(reader.epochs(0, 1).unwrap().count(), 1);
}

/// Readers follow while segments are sealed and frame files vanish under them, on a real disk.
#[test]
fn readers_follow_a_writer_that_seals() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn diptych::io::Disk> = Arc::new(diptych::io::RealDisk);
    let options = diptych::log::WriterOptions { rotate_bytes: 3_000, ..Default::default() };
    let clock = Arc::new(diptych::io::RealClock);
    let writer = diptych::log::Writer::open(disk.clone(), clock, dir.path(), options).unwrap();
    let count = 400;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = Reader::open(disk.clone(), dir.path()).unwrap();
                let mut next = 0;
                while next < count {
                    let upper = reader.upper().unwrap();
                    for (epoch, events) in (next..).zip(replay(&reader, next, upper).unwrap()) {
                        assert_eq!((events.len(), events[0].1), (1, epoch as i64));
                    }
                    next = upper;
                    // A reader that opens in the middle of a sealing sees at least as much.
                    let other = Reader::open(disk.clone(), dir.path()).unwrap();
                    assert!(other.upper().unwrap() >= upper);
                    let content = logs::read_parts(&other, 0, upper).unwrap();
                    let numbers = content.iter().map(|events| events[0].1 as u64);
                    assert!(numbers.eq(0..upper), "epoch {upper}: {content:?}");
                }
            });
        }
        for n in 0..count {
            writer.append(one("s", n as i64)).unwrap().wait().unwrap();
        }
    });
    let stat = diptych::log::inspect::stat(disk, dir.path()).unwrap();
    assert!(stat.segments > 20, "{stat:?}");
}

/// A follower that does not keep up delays no append, and loses nothing: it is detached, reads the
/// log, and joins again at its end.
#[test]
fn appends_wait_for_nobody_who_follows() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let (slow, fast) = (writer.follow(), writer.follow());
    assert_eq!((slow.join(), fast.join()), (Some(0), Some(0)));
    let upper = 2 * FOLLOWER_EPOCHS_MAX as u64;
    for n in 0..upper {
        let ack = writer.append(one("s", n as i64)).unwrap().wait().unwrap();
        let Heard::Epoch(heard) = fast.next(PATIENCE) else { panic!("epoch {n} is not heard") };
        assert_eq!((ack.epoch, heard.epoch), (n, n));
    }
    assert!(matches!(slow.next(PATIENCE), Heard::Behind));
    let reader = Reader::open(Arc::new(disk), DIR).unwrap();
    assert_eq!(replay(&reader, 0, upper).unwrap().len() as u64, upper);
    assert_eq!(slow.join(), Some(upper));
    assert_eq!(writer.append(one("s", 0)).unwrap().wait().unwrap().epoch, upper);
    writer.close().unwrap();
    for follower in [slow, fast] {
        let Heard::Epoch(last) = follower.next(PATIENCE) else { panic!("what waited is lost") };
        assert_eq!(last.epoch, upper);
        assert!(matches!(follower.next(PATIENCE), Heard::Closed), "it ends with the writer");
        assert_eq!(follower.join(), None);
    }
}
