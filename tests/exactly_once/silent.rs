//! Producers that are silent for long are known by a digest, and later from files: their requests
//! still count once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use diptych::io::{SimClock, SimDisk, SimRandom};
use diptych::limits::PRODUCER_NAMES_BYTES_MAX;
use diptych::log::{
    Ack, Append, Chooser, EraseRequest, Pending, ProducerInfo, Reader, Writer, WriterOptions,
    erase, inspect, producers,
};

use crate::logs::{DIR, content_of, is_long, one, open, steady};

/// Ids of producers are kept in full while they have few bytes together; then those silent longest
/// are known by a digest, and their requests are still appended once.
#[test]
fn a_producer_that_was_silent_for_long_returns_exactly_once() {
    const LONG: usize = 4_000;
    let count = (PRODUCER_NAMES_BYTES_MAX / LONG) as i64 + 1_000;
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let request = |n: i64| one("s", n).by(format!("{n:0>LONG$}"), 0);
    let numbers: Vec<i64> = (0..count).collect();
    let mut first = None;
    for some in numbers.chunks(500) {
        let pending: Vec<_> = some.iter().map(|n| writer.append(request(*n)).unwrap()).collect();
        for one in pending {
            let ack = one.wait().unwrap();
            first.get_or_insert(ack.epoch);
        }
    }
    writer.seal().unwrap();
    drop(writer);
    let disk = disk.kill();
    let files = disk.files();
    let state = files.iter().find(|(path, _)| path.extension().is_some_and(|e| e == "state"));
    let len = state.expect("a state file").1.len();
    println!("{count} producers with ids of {LONG} bytes: a state of {len} bytes");
    assert!(len < PRODUCER_NAMES_BYTES_MAX * 5 / 4, "{len} bytes");

    let writer = open(&disk, steady(1 << 40)).unwrap();
    let listed = list(&disk);
    let silent = listed.iter().filter(|one| one.silent).count();
    assert_eq!(listed.len() as i64, count, "nobody is forgotten");
    assert!(silent > 0 && listed.iter().all(|one| one.last == 0), "{silent} are silent");
    // All of them repeat what they may not have been answered; the first goes on.
    for some in numbers.chunks(500) {
        let pending: Vec<_> = some.iter().map(|n| writer.append(request(*n)).unwrap()).collect();
        assert!(pending.into_iter().all(|one| one.wait().unwrap().repeated));
    }
    let repeat = writer.append(request(0)).unwrap().wait().unwrap();
    assert_eq!((Some(repeat.epoch), repeat.repeated), (first, true));
    let id = format!("{:0>LONG$}", 0);
    let other = writer.append(one("s", -1).by(id.clone(), 0)).unwrap().wait();
    assert!(other.unwrap_err().is_conflict(), "another request under its number");
    let next = writer.append(one("s", -2).by(id.clone(), 1)).unwrap().wait().unwrap();
    assert!(!next.repeated);
    writer.close().unwrap();
    let all: usize = content_of(&disk).unwrap().iter().map(Vec::len).sum();
    assert_eq!(all as i64, count + 1);
    let listed = list(&disk);
    let returned = listed.iter().find(|one| one.id == id).expect("it has its id again");
    assert_eq!((returned.last, returned.silent), (1, false));
    let check = inspect::check(Arc::new(disk.clone()), DIR).unwrap();
    assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");

    // What is erased was appended nevertheless, also by one that is silent.
    let silent = (1..count).find(|n| !listed.iter().any(|one| one.id == format!("{n:0>LONG$}")));
    let silent = silent.expect("one is silent still");
    erase_event(&disk, silent);
    assert_eq!(list(&disk), listed);
    let writer = open(&disk, steady(1 << 40)).unwrap();
    assert!(writer.append(request(silent)).unwrap().wait().unwrap().repeated);
    let all: usize = content_of(&disk).unwrap().iter().map(Vec::len).sum();
    assert_eq!(all as i64, count);
}

fn list(disk: &SimDisk) -> Vec<ProducerInfo> {
    producers(Arc::new(disk.clone()), DIR).unwrap().collect::<diptych::Result<_>>().unwrap()
}

/// Erases event `n` of stream `s`.
fn erase_event(disk: &SimDisk, n: i64) {
    let choose = |_: &arrow_schema::SchemaRef| -> diptych::Result<Option<Chooser>> {
        Ok(Some(Box::new(move |rows| {
            let column = rows.column_by_name("n").unwrap().as_primitive::<Int64Type>();
            Ok(column.values().iter().map(|value| *value == n).collect())
        })))
    };
    let (clock, random) = (SimClock::at(2_000_000), SimRandom::new(11));
    let (shared, ready) = (Arc::new(disk.clone()), &mut || Ok(()));
    let request = EraseRequest { stream: "s", reason: "asked", choose: &choose, ready };
    let erased = erase(shared, DIR, &clock, &random, request).unwrap();
    assert!(erased.is_some());
}

/// Options under which few producers keep their names.
fn few_named(rotate_bytes: u64, named_producers: usize) -> WriterOptions {
    WriterOptions { named_producers, ..steady(rotate_bytes) }
}

/// The files of silent producers.
fn silent_files(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let files = disk.files().into_iter();
    files.filter(|(path, _)| path.extension().is_some_and(|end| end == "silent")).collect()
}

fn id(producer: u64) -> String {
    format!("producer {producer}")
}

fn send(writer: &Writer, producer: u64, sequence: u64) -> diptych::Result<Ack> {
    let number = (producer * 10 + sequence) as i64;
    writer.append(one("s", number).by(id(producer), sequence)).and_then(Pending::wait)
}

/// Makes all producers repeat their last request, which appends nothing; then all go on.
fn repeat_and_go_on(writer: &Writer, epochs: &mut [u64], sequence: u64, what: &str) {
    let upper = writer.upper();
    for (producer, epoch) in (0..).zip(epochs.iter()) {
        assert_eq!(writer.next_sequence(&id(producer)).unwrap(), sequence + 1, "{what}");
        let ack = send(writer, producer, sequence).unwrap();
        assert_eq!((ack.epoch, ack.repeated), (*epoch, true), "{what}: {producer}");
        let gap = send(writer, producer, sequence + 2).unwrap_err();
        assert!(gap.is_conflict(), "{what}: {gap}");
    }
    assert_eq!(writer.upper(), upper, "{what}: a repeat was appended");
    for (producer, epoch) in (0..).zip(epochs.iter_mut()) {
        let ack = send(writer, producer, sequence + 1).unwrap();
        assert!(!ack.repeated, "{what}: {producer}");
        *epoch = ack.epoch;
    }
}

#[test]
fn producers_in_files_count_once_after_restarts_kills_backups_and_restores() {
    const PRODUCERS: u64 = 120;
    let options = few_named(2_000, 8);
    let mut disk = SimDisk::new();
    let mut writer = open(&disk, options.clone()).unwrap();
    let mut epochs: Vec<_> =
        (0..PRODUCERS).map(|producer| send(&writer, producer, 0).unwrap().epoch).collect();
    for sequence in 0..6 {
        let what = format!("round {sequence}");
        repeat_and_go_on(&writer, &mut epochs, sequence, &what);
        match sequence {
            0 => {}
            1 | 4 => {
                writer.close().unwrap();
                writer = open(&disk, options.clone()).unwrap();
            }
            2 => {
                drop(writer);
                disk = disk.kill();
                writer = open(&disk, options.clone()).unwrap();
            }
            _ => {
                // The backup goes on in the place of the log; a default writer reads it as well.
                let copy = SimDisk::new();
                let reader = Reader::open(Arc::new(disk.clone()), DIR).unwrap();
                let random = SimRandom::new(sequence);
                reader.copy_to(Arc::new(copy.clone()), Path::new(DIR), &random).unwrap();
                assert_eq!(list(&copy), list(&disk));
                disk = copy;
                open(&disk, steady(2_000)).unwrap().close().unwrap();
                writer = open(&disk, options.clone()).unwrap();
            }
        }
        assert!(!silent_files(&disk).is_empty());
        let listed = list(&disk);
        assert_eq!(listed.len() as u64, PRODUCERS, "each once");
        assert!(listed.iter().all(|one| one.last == sequence + 1), "{listed:?}");
        assert!(listed.iter().filter(|one| one.silent).count() as u64 >= PRODUCERS - 8);
        let check = inspect::check(Arc::new(disk.clone()), DIR).unwrap();
        assert!(check.damage.is_empty() && check.unlisted.is_empty(), "{check:?}");
    }
    writer.close().unwrap();
    let all: usize = content_of(&disk).unwrap().iter().map(Vec::len).sum();
    assert_eq!(all as u64, PRODUCERS * 7);
    let files = inspect::ls(Arc::new(disk.clone()), DIR).unwrap();
    assert!(files.iter().any(|file| file.kind == "silent" && file.listed), "{files:?}");
}

/// A producer that cannot be looked up is not taken for a new one: its requests could count twice.
#[test]
fn a_damaged_file_refuses_those_it_may_have_and_nobody_else() {
    let disk = SimDisk::new();
    let writer = open(&disk, few_named(1 << 40, 8)).unwrap();
    for producer in 0..300 {
        send(&writer, producer, 0).unwrap();
    }
    writer.seal().unwrap();
    let files = silent_files(&disk);
    let [(path, whole)] = &files[..] else { panic!("{} files", files.len()) };
    let mut damaged = whole.clone();
    damaged[4096..].iter_mut().skip(100).step_by(4096).for_each(|byte| *byte ^= 1);
    // The writer has the file open: its bytes rot under it.
    disk.tamper(path, Some(&damaged));
    let restarted = open(&disk.kill(), steady(1 << 40)).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    for (producer, sequence) in [(7, 0), (7, 1), (299_999, 0)] {
        let error = send(&restarted, producer, sequence).unwrap_err();
        assert!(error.is_damaged() && error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("at byte"), "{error}");
        assert!(restarted.next_sequence(&id(producer)).unwrap_err().is_damaged());
    }
    assert!(send(&restarted, 299, 0).unwrap().repeated, "it has its name");
    assert!(!send(&restarted, 299, 1).unwrap().repeated);
    restarted.append(one("s", -1)).unwrap().wait().unwrap();
    assert_eq!(restarted.upper(), 302);
    let check = inspect::check(Arc::new(disk.clone()), DIR).unwrap();
    assert!(check.damage.iter().any(|error| error.to_string().contains(name)), "{check:?}");
    let read = producers(Arc::new(disk.clone()), DIR).unwrap();
    assert!(read.last().unwrap().unwrap_err().is_damaged());
}

/// More producers than a log could once know at all, through the log itself; fewer in the short
/// run.
#[test]
fn a_log_knows_more_producers_than_fit_its_memory() {
    let count = if is_long() { (1 << 20) + 50_000 } else { 30_000 };
    // Large groups: what is tested is how many producers there are.
    let linger = Duration::from_millis(5);
    let options = WriterOptions { linger, ..few_named(1 << 20, count as usize / 50) };
    let disk = SimDisk::new();
    let writer = open(&disk, options.clone()).unwrap();
    let request = |producer: u64, sequence| Append::default().by(id(producer), sequence);
    let all: Vec<u64> = (0..count).collect();
    for some in all.chunks(20_000) {
        let pending: Vec<_> =
            some.iter().map(|producer| writer.append(request(*producer, 0)).unwrap()).collect();
        assert!(pending.into_iter().all(|one| !one.wait().unwrap().repeated));
    }
    drop(writer);
    let disk = disk.kill();
    let writer = open(&disk, options).unwrap();
    let files = silent_files(&disk).len();
    println!("{count} producers, {files} files of silent ones");
    assert!((1..20).contains(&files));
    let upper = writer.upper();
    for producer in (0..count).step_by(count as usize / 1_000) {
        let ack = writer.append(request(producer, 0)).unwrap().wait().unwrap();
        assert!(ack.repeated, "{producer}");
    }
    assert_eq!(writer.upper(), upper);
    let listed = producers(Arc::new(disk.clone()), DIR).unwrap();
    assert_eq!(listed.map(|one| one.unwrap().last).filter(|last| *last == 0).count() as u64, count);
}
