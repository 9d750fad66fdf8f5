//! Promise 12: clock jumps move nothing.
//!
//! The clock of the machine jumps years ahead and back, stops, and creeps. Epochs, answers,
//! producers and segments equal those under a right clock, and the epoch of a moment is always the
//! last one whose clock is at or before it; a loop over all clocks finds the same one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use dataflows::word_count;
use diptych::System;
use diptych::dataflow::Definition;
use diptych::io::{Clock, Random, SimClock, SimDisk, SimRandom};
use diptych::log::{Append, AtTime, Chunk, Reader, Writer};
use diptych::serving::{Index, Read};
use diptych::system::{BatchOptions, Cluster};
use diptych::time::Epoch;
use logs::{scaled, steady};

const ROOT: &str = "data";
const LOG: &str = "data/log";
const TEN_YEARS_US: i64 = 10 * 365 * 24 * 3600 * 1_000_000;
const NOW_US: i64 = 1_790_000_000_000_000;

fn open(disk: &SimDisk, clock: &Arc<SimClock>, rotate_bytes: u64) -> Writer {
    let (disk, clock) = (Arc::new(disk.clone()), Arc::clone(clock) as Arc<dyn Clock>);
    Writer::open(disk, clock, LOG, steady(rotate_bytes)).unwrap()
}

fn lines(words: &[String]) -> RecordBatch {
    let text: ArrayRef = Arc::new(StringArray::from(words.to_vec()));
    RecordBatch::try_from_iter([("text", text)]).unwrap()
}

/// Moves a clock between two epochs.
fn turn(clock: &SimClock, random: &SimRandom) {
    let far = random.below(2 * TEN_YEARS_US as u64 + 1) as i64 - TEN_YEARS_US;
    match random.below(8) {
        0 => clock.advance(far),
        1 => clock.set(NOW_US),
        // A few microseconds back: what a correction over the network does.
        2 => clock.advance(-(random.below(50) as i64)),
        // It stands still.
        3 | 4 => {}
        _ => clock.advance(random.below(20_000) as i64),
    }
}

/// The naive twin: the last epoch below `below` whose clock is at or before `at`, and the first one
/// before it whose clock is later.
fn naive(clocks: &[i64], at: i64, below: Epoch) -> AtTime {
    let below = clocks.len().min(usize::try_from(below).unwrap_or(usize::MAX));
    let epoch = clocks[..below].iter().rposition(|clock| *clock <= at);
    let before = epoch.map_or(&[][..], |epoch| &clocks[..epoch]);
    let jumped = before.iter().position(|clock| *clock > at);
    AtTime { epoch: epoch.map(|at| at as Epoch), jumped: jumped.map(|at| at as Epoch) }
}

/// The words of each epoch, in order.
fn texts(disk: &SimDisk) -> Vec<Vec<String>> {
    let reader = Reader::open(Arc::new(disk.clone()), LOG).unwrap();
    let text = |chunk: &Chunk| -> Vec<String> {
        let column = chunk.rows.column(0).as_string::<i32>();
        column.iter().flatten().map(str::to_owned).collect()
    };
    let epochs = reader.epochs(0, reader.upper().unwrap()).unwrap();
    epochs.map(|sealed| sealed.unwrap().chunks.iter().flat_map(text).collect()).collect()
}

fn counts(index: &Index) -> BTreeMap<String, i64> {
    let rows = index.snapshot(Read::Latest).unwrap().rows::<String, i64>("counts").unwrap();
    rows.into_iter().map(|(row, _)| row).collect()
}

/// The log of a history under a clock, and the clocks of its epochs. Requests are repeated and the
/// process restarts at the same places, whatever the clock does.
fn written(seed: u64, clock: impl Fn(&SimClock, &SimRandom)) -> (SimDisk, Vec<i64>, Vec<String>) {
    let (random, turns) = (SimRandom::new(seed), SimRandom::new(seed ^ 0xC10C));
    let (disk, machine) = (SimDisk::new(), Arc::new(SimClock::at(NOW_US)));
    let rotate = 200 + random.below(4_000);
    let mut writer = open(&disk, &machine, rotate);
    let (mut clocks, mut all) = (Vec::new(), Vec::new());
    for sequence in 0..10 + random.below(40) {
        clock(&machine, &turns);
        let words: Vec<_> = (0..random.below(4)).map(|_| format!("w{}", random.below(9))).collect();
        let append = Append::rows("lines", lines(&words)).by("p", sequence);
        let ack = writer.append(append.clone()).unwrap().wait().unwrap();
        assert_eq!((ack.epoch, ack.repeated), (sequence, false), "seed {seed}");
        clocks.push(machine.now_us());
        all.extend(words);
        if random.below(6) == 0 {
            clock(&machine, &turns);
            let again = writer.append(append).unwrap().wait().unwrap();
            assert_eq!((again.epoch, again.repeated), (sequence, true), "seed {seed}");
        }
        if random.below(12) == 0 {
            drop(writer);
            clock(&machine, &turns);
            writer = open(&disk, &machine, rotate);
        }
    }
    writer.close().unwrap();
    (disk, clocks, all)
}

fn times(clocks: &[i64], random: &SimRandom) -> Vec<i64> {
    let near = clocks.iter().flat_map(|clock| [clock - 1, *clock, clock + 1]);
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, NOW_US, i64::MAX - 1, i64::MAX];
    let some = (0..20).map(|_| NOW_US + random.below(1 << 50) as i64 - (1 << 49));
    near.chain(ends).chain(some).collect()
}

fn check(seed: u64) {
    let random = SimRandom::new(!seed);
    let (disk, clocks, words) = written(seed, turn);
    let (right, _, _) = written(seed, |clock, _| clock.advance(1_000));
    assert_eq!(texts(&disk), texts(&right), "seed {seed}: a clock moved an event");

    let reader = Reader::open(Arc::new(disk.clone()), LOG).unwrap();
    let upper = reader.upper().unwrap();
    assert_eq!(upper, clocks.len() as Epoch, "seed {seed}");
    let recorded: Vec<_> = (0..upper).map(|epoch| reader.clock(epoch).unwrap()).collect();
    assert_eq!(recorded, clocks, "seed {seed}");
    for at in times(&clocks, &random) {
        let below = if random.below(2) == 0 { Epoch::MAX } else { random.below(upper + 2) };
        let (found, expected) = (reader.at_time(at, below).unwrap(), naive(&clocks, at, below));
        assert_eq!(found, expected, "seed {seed}: time {at} below {below} of {clocks:?}");
        // The frontier of a moment.
        let first = clocks.iter().rposition(|clock| *clock < at).map_or(0, |last| last + 1);
        assert_eq!(reader.epoch_at(at).unwrap(), first as Epoch, "seed {seed}: {at}");
    }

    let mut expected = BTreeMap::new();
    words.into_iter().for_each(|word| *expected.entry(word).or_insert(0) += 1);
    let system = System::with_disk(Arc::new(disk), ROOT);
    let flow = Definition::new("word_count", word_count);
    let batch = system.recompute(&flow, upper, Cluster::local(1), true).unwrap();
    assert_eq!(counts(&batch), expected, "seed {seed}: batch");
    let upto = Some(1 + random.below(upper));
    system.batch(&flow, &BatchOptions { upto, ..BatchOptions::default() }).unwrap();
    let speed = system.recompute(&flow, upper, Cluster::local(1), false).unwrap();
    assert_eq!(counts(&speed), expected, "seed {seed}: continued from {upto:?}");
}

#[test]
fn clock_jumps_move_nothing() {
    for seed in 0..scaled(200, 10_000) {
        check(seed);
    }
}

#[test]
fn an_epoch_of_a_clock_that_was_a_year_ahead_hides_none_that_came_later() {
    let (disk, clock) = (SimDisk::new(), Arc::new(SimClock::at(NOW_US)));
    let writer = open(&disk, &clock, 1 << 20);
    for at in [0, 1, TEN_YEARS_US / 10, 3, 4] {
        clock.set(NOW_US + at);
        writer.append(Append::rows("lines", lines(&["x".into()]))).unwrap().wait().unwrap();
    }
    let reader = Reader::open(Arc::new(disk), LOG).unwrap();
    let at = |time| reader.at_time(NOW_US + time, Epoch::MAX).unwrap();
    assert_eq!(at(-1), AtTime { epoch: None, jumped: None });
    assert_eq!(at(1), AtTime { epoch: Some(1), jumped: None });
    assert_eq!(at(4), AtTime { epoch: Some(4), jumped: Some(2) });
    assert_eq!(at(TEN_YEARS_US), AtTime { epoch: Some(4), jumped: None });
    assert!(reader.clock(Epoch::MAX).unwrap_err().is_missing());
}
