//! Promise 1, for state in files: a dataflow whose accumulations stay in the files of its batch
//! views answers as one that has all of them in memory: through checkpoints of any kind, restarts
//! with other worker counts, keys that vanish and come back, and values at the ends of their types.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use diptych::System;
use diptych::batch_view::{BatchView, Identity};
use diptych::dataflow::Definition;
use diptych::io::{Disk, SimDisk};
use diptych::log::Writer;
use diptych::prelude::*;
use diptych::serving::{Digest, Index, IndexOptions, Read};
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster, RebuildOptions, Rebuilt, ServeOptions, Served};

const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Event, Clone, Debug)]
struct Entry {
    account: i64,
    note: String,
    amount: i64,
    times: i64,
}

/// Accumulations of every kind that has an inverse, and one that has none, with nothing behind them
/// that keeps state.
fn ledger(df: &mut Dataflow) {
    let entries = df.events::<Entry>("entries");
    let weighted = entries.clone().weighted(|entry| entry.times);
    let sums = weighted.clone().map(|entry| (entry.account, entry.amount)).sum("sums");
    let notes = weighted.clone().map(|entry| entry.note.to_owned()).count("notes");
    let seen = weighted.map(|entry| entry.account).distinct("seen");
    let last = entries
        .map(|entry| (entry.note.to_owned(), (entry.amount, entry.account)))
        .latest("last", |(amount, _)| *amount);
    df.view("sums", sums);
    df.view("notes", notes.filter(|(_, n)| *n != 7));
    df.view("seen", seen.map(|account| (account % 3, account)));
    df.view("last", last);
    df.version("1");
}

/// The same with a join, which keeps state.
fn joined(df: &mut Dataflow) {
    let entries = df.events::<Entry>("entries");
    let sums = entries.clone().map(|entry| (entry.account, entry.amount)).sum("sums");
    let notes = entries.map(|entry| (entry.account, entry.note.to_owned())).keyed("notes");
    df.view("notes", notes.join(sums));
}

/// What the views of `ledger` hold, computed from all entries one by one.
#[derive(Default)]
struct Expected {
    sums: BTreeMap<i64, (i128, i64)>,
    notes: BTreeMap<String, i64>,
    seen: BTreeMap<i64, i64>,
    last: BTreeMap<String, (i64, i64)>,
}

impl Expected {
    fn add(&mut self, entries: &[Entry]) {
        for Entry { account, note, amount, times } in entries {
            let sum = self.sums.entry(*account).or_default();
            sum.0 += i128::from(*amount) * i128::from(*times);
            sum.1 += times;
            *self.notes.entry(note.clone()).or_default() += times;
            *self.seen.entry(*account).or_default() += times;
            let last = self.last.entry(note.clone()).or_insert((*amount, *account));
            *last = (*last).max((*amount, *account));
        }
    }

    fn check(&self, index: &Index, what: &str) {
        let snapshot = index.snapshot(Read::Latest).unwrap();
        let rows = |view: &str| snapshot.rows::<i64, i64>(view).unwrap();
        let (there, beyond): (Vec<_>, Vec<_>) = self
            .sums
            .iter()
            .filter(|(_, (sum, times))| (*sum, *times) != (0, 0))
            .partition(|(_, (sum, _))| i64::try_from(*sum).is_ok());
        let sums: Vec<_> =
            there.iter().map(|(account, (sum, _))| ((**account, *sum as i64), 1)).collect();
        assert_eq!(rows("sums"), sums, "{what}: sums");
        let errors = snapshot.scan(snapshot.view("errors").unwrap()).count();
        assert_eq!(errors, beyond.len(), "{what}: errors");
        let notes = self.notes.iter().filter(|(_, n)| **n != 0 && **n != 7);
        let notes: Vec<_> = notes.map(|(note, n)| ((note.clone(), *n), 1)).collect();
        assert_eq!(snapshot.rows::<String, i64>("notes").unwrap(), notes, "{what}: notes");
        let mut seen: Vec<_> = self.seen.iter().filter(|(_, n)| **n > 0).collect();
        seen.sort_by_key(|(account, _)| (*account % 3, **account));
        let seen: Vec<_> = seen.iter().map(|(one, _)| ((*one % 3, **one), 1)).collect();
        assert_eq!(rows("seen"), seen, "{what}: seen");
        let last: Vec<_> =
            self.last.iter().map(|(note, last)| ((note.clone(), *last), 1)).collect();
        assert_eq!(snapshot.rows::<String, (i64, i64)>("last").unwrap(), last, "{what}: last");
    }
}

/// A small generator, the same on every run of a seed (`SplitMix64`).
struct Seed(u64);

impl Seed {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn entry(&mut self, accounts: u64) -> Entry {
        let account = self.below(accounts) as i64 - 2;
        let amount = match self.below(12) {
            0 => i64::MAX,
            1 => i64::MIN,
            n => n as i64 - 6,
        };
        let times = [1, 1, 1, -1, -1, 2][self.below(6) as usize];
        Entry { account, note: format!("note {}", self.below(accounts)), amount, times }
    }
}

fn served(system: &System, writer: &Writer, flow: &Definition, workers: usize) -> Served {
    let index = IndexOptions { views_in_files: true, ..IndexOptions::default() };
    let cluster = Cluster::local(workers);
    let options = ServeOptions::default().writer(writer).cluster(cluster).index(index);
    system.serve(std::slice::from_ref(flow), options).unwrap()
}

#[test]
fn a_dataflow_without_other_state_can_stay_in_files() {
    assert!(Definition::new("ledger", ledger).describe().unwrap().state_in_files);
    assert!(!Definition::new("joined", joined).describe().unwrap().state_in_files);
    let kept: Vec<_> = dataflows::all()
        .into_iter()
        .filter(|flow| flow.describe().unwrap().state_in_files)
        .map(|flow| flow.name().to_owned())
        .collect();
    assert!(kept.iter().any(|name| name == "word_count"), "{kept:?}");
    assert!(kept.iter().all(|name| name != "bank" && name != "orders"), "{kept:?}");
}

/// A checkpoint of state in files has the files of the one before, and what has changed since: the
/// contents of one that is written whole.
#[test]
fn a_checkpoint_has_what_changed() {
    let flow = Definition::new("ledger", ledger);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let system = System::with_disk(Arc::clone(&disk), "data");
    let writer = system.writer().unwrap();
    let entry = |account: i64, amount| {
        let note = format!("note {account}");
        Entry { account, note, amount, times: 1 }
    };
    let mut all: Vec<_> = (0..3_000).map(|account| entry(account, 5)).collect();
    append(&writer, "entries", &all).unwrap();
    let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
    system.batch(&flow, &options).unwrap();
    let identity = Identity::new("ledger", "1");
    let open = |at| BatchView::open(Arc::clone(&disk), system.root(), &identity, at).unwrap();
    let mut last = open(1);
    assert!(!last.has_changes());
    for round in 0..5 {
        let served = served(&system, &writer, &flow, 1 + round % 3);
        let few = [entry(7, round as i64), entry(8, -5), entry(5_000 + round as i64, 1)];
        let epoch = append(&writer, "entries", &few).unwrap();
        let index = served.index("ledger").unwrap();
        assert!(index.wait_beyond(epoch, PATIENCE) > epoch);
        let made = system.conclude(served).unwrap();
        let now = open(made[0].boundary);
        assert!(now.has_changes(), "round {round}");
        now.verify().unwrap();
        last = now;
    }
    for round in 0..5 {
        all.extend([entry(7, round), entry(8, -5), entry(5_000 + round, 1)]);
    }
    assert_eq!(last.digest(), digest_of_all(&flow, &all));
}

#[test]
fn answers_are_those_of_all_entries_through_checkpoints_and_restarts() {
    for seed in 0..8 {
        lived_through(seed);
    }
}

/// Restarts three times; between, appends, and makes and takes up batch views.
fn lived_through(number: u64) {
    let mut seed = Seed(number);
    let flow = Definition::new("ledger", ledger);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let system = System::with_disk(Arc::clone(&disk), "data");
    let writer = system.writer().unwrap();
    let mut expected = Expected::default();
    let mut all = Vec::new();
    let accounts = 2 + seed.below(40);
    let mut newest = 0;
    for start in 0..4 {
        let workers = 1 + seed.below(3) as usize;
        let served = served(&system, &writer, &flow, workers);
        let index = served.index("ledger").unwrap();
        let (tell, told) = mpsc::channel();
        let look = Duration::from_millis(2);
        let options = RebuildOptions { look, ..RebuildOptions::default() };
        let flows = std::slice::from_ref(&flow);
        let send = move |outcome| tell.send(outcome).unwrap();
        let rebuilds = system.rebuild_under_readers(&served, flows, options, send).unwrap();
        for round in 0..6 {
            let what = format!("seed {number}, start {start}, {workers} workers, round {round}");
            let entries: Vec<_> = (0..seed.below(30)).map(|_| seed.entry(accounts)).collect();
            append(&writer, "entries", &entries).unwrap();
            expected.add(&entries);
            all.extend(entries);
            if seed.below(2) == 0 {
                let cluster = Cluster::local(1 + seed.below(3) as usize);
                let incremental = seed.below(3) > 0;
                // Often there are epochs behind the batch view that are in memory already.
                let upto = writer.upper().checked_sub(seed.below(3)).filter(|upto| *upto > newest);
                if upto.is_some() {
                    served.wait_beyond("ledger", writer.upper() - 1).unwrap();
                }
                let options =
                    BatchOptions { cluster, upto, incremental, ..BatchOptions::default() };
                match system.batch(&flow, &options) {
                    Ok(report) => match told.recv_timeout(PATIENCE).unwrap() {
                        Rebuilt::Swapped { boundary, .. } => {
                            assert_eq!(boundary, report.boundary, "{what}");
                            newest = boundary;
                        }
                        other => panic!("{what}: {other:?}"),
                    },
                    // There is one already.
                    Err(error) => assert!(error.is_conflict(), "{what}: {error}"),
                }
            }
            let upper = writer.upper();
            if upper > 0 {
                served.wait_beyond("ledger", upper - 1).unwrap();
            }
            expected.check(&index, &what);
        }
        drop(rebuilds);
        if seed.below(2) == 0 {
            system.conclude(served).unwrap();
            newest = writer.upper();
        } else {
            served.stop().unwrap();
        }
    }
    let upper = writer.upper();
    if newest < upper {
        let options = BatchOptions { incremental: true, ..BatchOptions::default() };
        system.batch(&flow, &options).unwrap();
    }
    let found = digest_at(disk, &system, upper);
    assert_eq!(found, digest_of_all(&flow, &all), "seed {number}");
}

fn digest_at(disk: Arc<dyn Disk>, system: &System, boundary: u64) -> Digest {
    let identity = Identity::new("ledger", "1");
    BatchView::open(disk, system.root(), &identity, boundary).unwrap().digest()
}

/// The digest of a batch view that is computed from all entries and written whole.
fn digest_of_all(flow: &Definition, all: &[Entry]) -> Digest {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let system = System::with_disk(Arc::clone(&disk), "data");
    let writer = system.writer().unwrap();
    append(&writer, "entries", all).unwrap();
    let report = system.batch(flow, &BatchOptions::default()).unwrap();
    digest_at(disk, &system, report.boundary)
}

/// The least budget: history is read in steps, and checkpoints are made for memory's sake alone.
#[test]
fn a_budget_of_64_kib_changes_no_answer() {
    for seed in 0..2 {
        lived_through_within(64 << 10, seed);
    }
}

fn lived_through_within(budget: u64, number: u64) {
    let memory = Some(budget);
    let mut seed = Seed(number);
    let flow = Definition::new("ledger", ledger);
    let flows = std::slice::from_ref(&flow);
    let system = System::in_memory();
    let writer = system.writer().unwrap();
    let mut expected = Expected::default();
    let mut add = |expected: &mut Expected, epochs| {
        for _ in 0..epochs {
            let entries: Vec<_> = (0..100).map(|_| seed.entry(1_000)).collect();
            append(&writer, "entries", &entries).unwrap();
            expected.add(&entries);
        }
    };
    add(&mut expected, 20);
    for start in 0..3 {
        let what = format!("seed {number}, start {start}");
        let index = IndexOptions { views_in_files: true, ..IndexOptions::default() };
        let cluster = Cluster::local(1 + (number as usize + start) % 3);
        let options = ServeOptions::default().writer(&writer).cluster(cluster);
        let served = system.serve(flows, options.index(index).memory(memory)).unwrap();
        let index = served.index("ledger").unwrap();
        let from = index.boundary();
        assert_eq!(from, writer.upper(), "{what}: history goes to a batch view first");
        let (tell, told) = mpsc::channel();
        let look = Duration::from_millis(2);
        let options = RebuildOptions { look, memory, ..RebuildOptions::default() };
        let rebuilds = system
            .rebuild_under_readers(&served, flows, options, move |outcome| {
                tell.send(outcome).unwrap();
            })
            .unwrap();
        for _ in 0..5 {
            add(&mut expected, 4);
            served.wait_beyond("ledger", writer.upper() - 1).unwrap();
            expected.check(&index, &what);
        }
        let begun = Instant::now();
        loop {
            let state = served.state_size("ledger");
            let views: usize = index.status().views.iter().map(|view| view.memory_bytes).sum();
            if index.boundary() > from && state.resident_bytes + views as u64 <= budget {
                assert!(state.stored > 1_000, "{what}: {state:?}");
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {state:?} and {views} bytes of views");
            std::thread::sleep(look);
        }
        expected.check(&index, &what);
        drop(rebuilds);
        let all_taken_up = told.iter().all(|one| matches!(one, Rebuilt::Swapped { .. }));
        assert!(all_taken_up, "{what}: a checkpoint was refused");
        if start == 0 {
            served.stop().unwrap();
        } else {
            system.conclude(served).unwrap();
        }
        add(&mut expected, 10);
    }
}

/// Damage that the start does not see ends the dataflow at the epoch before, and is named.
#[test]
fn a_damaged_entry_is_an_error_that_names_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let system = System::open(directory.path());
    let writer = system.writer().unwrap();
    let mut seed = Seed(1);
    let entries: Vec<_> = (0..2_000).map(|_| seed.entry(500)).collect();
    append(&writer, "entries", &entries).unwrap();
    let flow = Definition::new("ledger", ledger);
    system.batch(&flow, &BatchOptions::default()).unwrap();
    let served = served(&system, &writer, &flow, 1);
    served.wait_beyond("ledger", 0).unwrap();
    let views = directory.path().join("views/ledger/1");
    let part = std::fs::read_dir(&views).unwrap().map(|file| file.unwrap().path());
    let part = part.into_iter().find(|path| path.to_string_lossy().contains("accumulation.notes"));
    let part = part.unwrap();
    let mut bytes = std::fs::read(&part).unwrap();
    // In place: the server has mapped the file.
    for byte in bytes.iter_mut().skip(100).step_by(1_000) {
        *byte ^= 1;
    }
    let file = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    append(&writer, "entries", &entries[..200]).unwrap();
    let begun = Instant::now();
    let error = loop {
        match served.failure("ledger") {
            Some(error) => break error,
            None => assert!(begun.elapsed() < PATIENCE, "no failure"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = error.to_string();
    assert!(error.is_damaged() && text.contains("accumulation.notes"), "{text}");
    assert!(text.contains("epoch 1"), "{text}");
    let index = served.index("ledger").unwrap();
    assert_eq!(index.frontier(), 1, "nothing of the epoch is shown");
    let mut expected = Expected::default();
    expected.add(&entries);
    expected.check(&index, "after the damage");
    served.stop().unwrap();
    drop(writer);
}
