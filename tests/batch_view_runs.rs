//! Promise 24, for the files of state: a batch view that continues an earlier one by its changes is
//! the one that is written whole: whatever changes, however often, with any number of workers; and
//! without the earlier one.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use diptych::Result;
use diptych::batch_view::{BarrierInfo, BatchView, BatchViewWriter, Identity, Meta, remove_before};
use diptych::io::{Disk, Fault, RealDisk, SimDisk};
use diptych::limits::RUNS_MAX;
use diptych::row::{
    AccumulationPiece, ByteRange, EntryBefore, RowSchema, StoredAccumulation, StoredPartial,
    ViewInfo, encode,
};
use diptych::serving::{Digest, StoredView};
use proptest::prelude::*;

const NAME: &str = "words";
const VIEW: &str = "counts";

/// By place: the partial, and whether it is wide.
type Entries = BTreeMap<Vec<u8>, (Vec<u8>, bool)>;
/// By key and value: the multiplicity.
type Rows = BTreeMap<(Vec<u8>, Vec<u8>), isize>;

#[derive(Clone, Debug, Default, PartialEq)]
struct Contents {
    entries: Entries,
    rows: Rows,
}

/// A change: a key, what is there then, and whether the partial is wide.
type Change = (u8, Option<u16>, bool);

fn identity() -> Identity {
    Identity::new("words", "1")
}

/// The place of a key, which is spread over all owners.
fn place(key: u8) -> Vec<u8> {
    let hash = u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [&hash.to_be_bytes()[..], &[key]].concat()
}

/// The worker that owns a place: as many buckets for each.
fn owner(place: &[u8], workers: usize) -> usize {
    (usize::from(place[0]) << 4 | usize::from(place[1]) >> 4) * workers / 4_096
}

impl Contents {
    fn change(&mut self, changes: &[Change]) {
        for (key, now, wide) in changes {
            let row = |value: u16| (encode(&i64::from(*key)), encode(&i64::from(value)));
            let old = self.rows.keys().find(|(one, _)| *one == row(0).0).cloned();
            if let Some(old) = old {
                self.rows.remove(&old);
            }
            match now {
                Some(value) => {
                    let bytes = value.to_le_bytes().repeat(usize::from(*key) % 5 + 1);
                    self.entries.insert(place(*key), (bytes, *wide));
                    self.rows.insert(row(*value), isize::from(*value as i16 % 7).abs() + 1);
                }
                None => drop(self.entries.remove(&place(*key))),
            }
        }
    }
}

fn stored(entry: &(Vec<u8>, bool)) -> StoredPartial<'_> {
    StoredPartial { bytes: &entry.0, wide: entry.1 }
}

/// Writes `now` at `boundary`: over `before`, as changes where the writer asks for them.
fn write(
    disk: &Arc<dyn Disk>,
    (boundary, workers): (u64, usize),
    (earlier, before): (Option<&BatchView>, &Contents),
    now: &Contents,
) -> Result<BatchView> {
    let root = Path::new("data");
    let mut writer =
        BatchViewWriter::create(Arc::clone(disk), root, identity(), boundary, workers)?;
    if let Some(earlier) = earlier {
        writer.continues(earlier)?;
    }
    let since = writer.accumulation_since(NAME);
    let files = earlier.and_then(|earlier| earlier.mapped_accumulation(NAME).ok().flatten());
    for worker in 0..workers {
        let mut part = writer.accumulation(NAME, worker)?;
        let own = |place: &&Vec<u8>| owner(place, workers) == worker;
        if since.is_some() {
            let all: Entries = before
                .entries
                .iter()
                .chain(&now.entries)
                .map(|(place, entry)| (place.clone(), entry.clone()))
                .collect();
            for place in all.keys().filter(own) {
                let (old, new) = (before.entries.get(place), now.entries.get(place));
                // One that is as it was may be among the changes, too.
                if old != new || place[8].is_multiple_of(3) {
                    let partial = new.map(stored);
                    // What was there before is known of some.
                    let before = match (old, &files) {
                        (None, _) if place[8].is_multiple_of(2) => EntryBefore::Absent,
                        (Some(old), Some(files)) if place[8].is_multiple_of(2) => {
                            EntryBefore::There(files.digest_of(place, stored(old)))
                        }
                        _ => EntryBefore::Unknown,
                    };
                    part.put(AccumulationPiece::Change { place, partial, before })?;
                }
            }
        } else {
            for place in now.entries.keys().filter(own) {
                let partial = stored(&now.entries[place]);
                part.put(AccumulationPiece::Entry { place, partial })?;
            }
        }
        part.finish()?;
        let mut part = writer.view(VIEW, worker)?;
        if worker == 0 && writer.view_since(VIEW).is_some() {
            let mut changes = now.rows.clone();
            for (row, times) in &before.rows {
                *changes.entry(row.clone()).or_default() -= times;
            }
            for ((key, value), change) in changes.iter().filter(|(_, change)| **change != 0) {
                part.push(key, value, *change)?;
            }
        } else if worker == 0 {
            now.rows.iter().try_for_each(|((key, value), times)| part.push(key, value, *times))?;
        }
        part.finish()?;
    }
    let barriers = vec![BarrierInfo { name: NAME.into(), types: "count".into() }];
    let views = vec![ViewInfo { name: VIEW.into(), schema: RowSchema::of::<i64, i64>() }];
    writer.finish(Meta { barriers, views, ..Meta::default() })?;
    BatchView::open(Arc::clone(disk), root, &identity(), boundary)
}

/// Checks every way of reading a batch view.
fn check(view: &BatchView, all: &Contents) {
    view.verify().unwrap();
    let mapped = view.mapped_accumulation(NAME).unwrap().unwrap();
    let mut found = Entries::new();
    mapped
        .for_each(&ByteRange::all(), &mut |place, partial| {
            found.insert(place.to_vec(), (partial.bytes.to_vec(), partial.wide));
            Ok(())
        })
        .unwrap();
    assert_eq!(found, all.entries);
    assert_eq!(mapped.entries(), all.entries.len() as u64);
    for key in 0..=255 {
        let mut found = None;
        let mut keep = |partial: StoredPartial<'_>| {
            found = Some((partial.bytes.to_vec(), partial.wide));
            Ok(())
        };
        mapped.get(&place(key), &mut keep).unwrap();
        assert_eq!(found.as_ref(), all.entries.get(&place(key)), "key {key}");
    }
    let mut count = 0;
    for reader in 0..3 {
        for block in view.accumulation(NAME, reader, 3).unwrap() {
            let head = block.unwrap()[..8].try_into().unwrap();
            count += u64::from_le_bytes(head) & !(1 << 63);
        }
    }
    assert_eq!(count, all.entries.len() as u64);
    let mut rows = Rows::new();
    let mut digest = Digest::default();
    view.for_each_row(VIEW, |key, value, times| {
        digest.add(key, value, times);
        assert!(rows.insert((key.to_vec(), value.to_vec()), times).is_none());
    })
    .unwrap();
    assert_eq!(rows, all.rows);
    assert_eq!(view.view_size(VIEW).unwrap().1, digest);
    let mapped = view.mapped(VIEW).unwrap();
    assert_eq!((mapped.rows(), mapped.digest()), view.view_size(VIEW).unwrap());
    for key in 0..=255_u8 {
        let key = encode(&i64::from(key));
        let mut found = Vec::new();
        mapped.get(&key, &mut |value, times| found.push((value.to_vec(), times))).unwrap();
        let expected = all.rows.iter().filter(|((one, _), _)| *one == key);
        let expected: Vec<_> =
            expected.map(|((_, value), times)| (value.clone(), *times)).collect();
        assert_eq!(found, expected);
    }
}

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(
        (any::<u8>(), prop::option::weighted(0.7, any::<u16>()), any::<bool>()),
        0..most,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn changes_make_the_batch_view_that_is_written_whole(
        first in changes(300),
        later in prop::collection::vec((changes(40), 1_usize..4), 1..12),
    ) {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let mut all = Contents::default();
        all.change(&first);
        let mut view = write(&disk, (1, 2), (None, &Contents::default()), &all).unwrap();
        for (number, (changes, workers)) in later.into_iter().enumerate() {
            let boundary = number as u64 + 2;
            let before = all.clone();
            all.change(&changes);
            let earlier = view.clone();
            view = write(&disk, (boundary, workers), (Some(&earlier), &before), &all).unwrap();
            // Nothing of it is needed any more.
            remove_before(&*disk, Path::new("data"), &identity(), boundary).unwrap();
            check(&view, &all);
            let elsewhere: Arc<dyn Disk> = Arc::new(SimDisk::new());
            let nothing = (None, &Contents::default());
            let whole = write(&elsewhere, (boundary, 1), nothing, &all).unwrap();
            prop_assert_eq!(view.digest(), whole.digest());
            let rows = all.rows.values().sum::<isize>() as u64;
            prop_assert_eq!(view.view_size(VIEW).unwrap().0, rows);
            prop_assert_eq!(whole.view_size(VIEW).unwrap().0, rows);
        }
    }
}

/// Some keys, and then a few changes at a time.
fn some(disk: &Arc<dyn Disk>, times: u64) -> (BatchView, Contents) {
    let mut all = Contents::default();
    let first: Vec<Change> = (0..=255).map(|key| (key, Some(u16::from(key)), false)).collect();
    all.change(&first);
    let mut view = write(disk, (1, 1), (None, &Contents::default()), &all).unwrap();
    for boundary in 2..2 + times {
        let before = all.clone();
        all.change(&[(boundary as u8, None, false), (7, Some(boundary as u16), true)]);
        view = write(disk, (boundary, 1), (Some(&view), &before), &all).unwrap();
    }
    (view, all)
}

fn parts(disk: &SimDisk, boundary: u64) -> Vec<(String, usize)> {
    let files = disk.files().into_iter();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let files = files.map(|(path, bytes)| (name(&path), bytes.len()));
    let prefix = format!("{boundary:020}.");
    files.filter(|(name, _)| name.starts_with(&prefix) && name.contains(".accumulation.")).collect()
}

#[test]
fn a_change_costs_a_change() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    some(&shared, 1);
    let used = disk.used();
    let runs = parts(&disk, 2);
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs[1].1 * 4 < runs[0].1, "{runs:?}");
    for times in (1..12).chain([60]) {
        let (view, all) = some(&(Arc::new(SimDisk::new()) as Arc<dyn Disk>), times);
        check(&view, &all);
    }
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    some(&shared, 60);
    let runs = parts(&disk, 61);
    assert!(runs.len() < RUNS_MAX, "{runs:?}");
    // All batch views share what has not changed.
    assert!(disk.used() < used * 20, "{} bytes, {used} at first", disk.used());
}

/// A file that the new batch view takes over is not there any more: it is written whole.
#[test]
fn an_earlier_batch_view_that_is_gone_is_no_error() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (view, mut all) = some(&disk, 2);
    remove_before(&*disk, Path::new("data"), &identity(), 100).unwrap();
    let before = all.clone();
    all.change(&[(9, Some(1), false)]);
    let view = write(&disk, (9, 2), (Some(&view), &before), &all).unwrap();
    check(&view, &all);
}

/// Whatever call fails, the earlier batch view is as it was, and a second try succeeds.
#[test]
fn any_failing_call_leaves_the_earlier_batch_view() {
    let begun = SimDisk::new();
    let (view, before) = some(&(Arc::new(begun.clone()) as Arc<dyn Disk>), 3);
    let at = view.boundary();
    let mut all = before.clone();
    all.change(&[(3, Some(70), true), (200, None, false), (7, Some(8), false)]);
    let calls = begun.calls();
    let again = |disk: &Arc<dyn Disk>, earlier: &BatchView| {
        write(disk, (at + 1, 2), (Some(earlier), &before), &all)
    };
    let open = |disk: &Arc<dyn Disk>, at| {
        BatchView::open(Arc::clone(disk), Path::new("data"), &identity(), at)
    };
    let mut made = 0;
    for fault in [Fault::Broken, Fault::Full] {
        for call in 0.. {
            let disk = begun.kill();
            assert_eq!(disk.calls(), 0);
            disk.fail_at(call, fault);
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let earlier = open(&shared, at).unwrap();
            let outcome = again(&shared, &earlier);
            check(&open(&shared, at).unwrap(), &before);
            if disk.calls() <= call {
                break;
            }
            made += 1;
            if outcome.is_err() && open(&shared, at + 1).is_err() {
                check(&again(&shared, &earlier).unwrap(), &all);
            }
            for seed in 0..2 {
                let after: Arc<dyn Disk> = Arc::new(disk.crash(seed + call));
                check(&open(&after, at).unwrap(), &before);
                if let Ok(view) = open(&after, at + 1) {
                    check(&view, &all);
                }
            }
        }
    }
    assert!(made > 40 && calls > 40, "{made} calls failed");
}

#[test]
fn any_flipped_byte_is_found_or_changes_nothing() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (view, all) = some(&shared, 3);
    let at = view.boundary();
    let files = disk.files();
    let prefix = format!("{at:020}.");
    let own = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(&prefix);
    for (path, bytes) in files.iter().filter(|(path, _)| own(path)) {
        for place in (0..bytes.len()).step_by(61) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 0x20;
            disk.tamper(path, Some(&flipped));
            let read = || -> Result<Entries> {
                let root = Path::new("data");
                let view = BatchView::open(Arc::clone(&shared), root, &identity(), at)?;
                let mut found = Entries::new();
                if let Some(mapped) = view.mapped_accumulation(NAME)? {
                    mapped.for_each(&ByteRange::all(), &mut |place, partial| {
                        found.insert(place.to_vec(), (partial.bytes.to_vec(), partial.wide));
                        Ok(())
                    })?;
                    assert_eq!(found, all.entries, "{}, byte {place}", path.display());
                }
                view.for_each_row(VIEW, |_, _, _| ())?;
                Ok(found)
            };
            if let Err(error) = read() {
                assert!(error.is_damaged() || error.is_conflict(), "byte {place}: {error}");
            }
        }
        disk.tamper(path, Some(bytes));
    }
}

/// Fingerprints tell that a key is not there without reading any row: damage in the rows, which
/// every read of them reports, is not met.
#[test]
fn a_key_that_is_not_there_reads_no_rows() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut all = Contents::default();
    all.change(&(0..=255).map(|key| (key, Some(u16::from(key)), false)).collect::<Vec<_>>());
    let view = write(&shared, (1, 1), (None, &Contents::default()), &all).unwrap();
    let behind_the_magic_and_a_frame = 8 + 8 + 20;
    for (path, mut bytes) in disk.files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains(".accumulation.") || name.contains(".view.") {
            // The first row of the first block, which is the only one.
            bytes[behind_the_magic_and_a_frame] ^= 0x20;
            disk.tamper(&path, Some(&bytes));
        }
    }
    let accumulation_of_damage = view.mapped_accumulation(NAME);
    assert!(accumulation_of_damage.is_err_and(|error| error.is_damaged()), "its ends are read");
    let damaged = view.mapped(VIEW).unwrap();
    let mut vain = 0;
    for key in 256..10_000_i64 {
        let get = damaged.get(&encode(&key), &mut |_, _| panic!("{key} is not there"));
        vain += usize::from(get.is_err_and(|error| error.is_damaged()));
    }
    // Each of 256 fingerprints is that of one in 65,536 keys: about 38 are expected.
    assert!((1..150).contains(&vain), "{vain} of 9,744 reads met rows");
    for key in 0..=255_i64 {
        assert!(damaged.get(&encode(&key), &mut |_, _| ()).is_err_and(|one| one.is_damaged()));
    }
}

/// A batch view of format 4, whose rows are counted otherwise and whose parts have no fingerprints,
/// is continued.
#[test]
fn a_batch_view_of_format_4_is_continued() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/runs-v1");
    let (_, before) = some(&(Arc::new(SimDisk::new()) as Arc<dyn Disk>), 3);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let view = BatchView::open(Arc::new(RealDisk), &golden, &identity(), 4).unwrap();
    view.copy_to(&disk, Path::new("data")).unwrap();
    let mut view = BatchView::open(Arc::clone(&disk), Path::new("data"), &identity(), 4).unwrap();
    let mut all = before.clone();
    for boundary in 5..20 {
        let before = all.clone();
        all.change(&[(boundary as u8, Some(9), false), (200 + boundary as u8, None, true)]);
        view = write(&disk, (boundary, 2), (Some(&view), &before), &all).unwrap();
        check(&view, &all);
        let rows = all.rows.values().sum::<isize>() as u64;
        assert_eq!(view.view_size(VIEW).unwrap().0, rows);
    }
}

/// `tests/golden/fingerprints-v1` was written by the release that had fingerprints first, and never
/// changes.
#[test]
fn a_batch_view_with_fingerprints_opens() {
    opens("fingerprints-v1");
}

/// `tests/golden/runs-v1` was written by the release that had runs first, and never changes.
#[test]
fn a_batch_view_with_runs_opens() {
    opens("runs-v1");
}

fn opens(name: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let memory = SimDisk::new();
    let (view, all) = some(&(Arc::new(memory) as Arc<dyn Disk>), 3);
    if std::env::var_os("DIPTYCH_BLESS").is_some() && !golden.exists() {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        view.copy_to(&disk, &golden).unwrap();
    }
    let at = view.boundary();
    let view = BatchView::open(Arc::new(RealDisk), &golden, &identity(), at).unwrap();
    check(&view, &all);
}
