//! Batch views come back as they were written, damage is found wherever it is, and an unfinished
//! batch view does not exist for readers.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diptych::batch_view::{BarrierInfo, BatchView, BatchViewWriter, Identity, Meta, remove_before};
use diptych::io::{Disk, Fault, RealDisk, SimDisk};
use diptych::row::{self, ByteRange, RowSchema, ViewInfo};
use diptych::serving::{Digest, Index, IndexOptions, Read, StoredView, shard_of};
use diptych::{Error, Result};
use proptest::prelude::*;

type Rows = BTreeMap<(Vec<u8>, Vec<u8>), isize>;

const ROOT: &str = "data";

fn identity() -> Identity {
    Identity::new("tweets per hour", "3")
}

fn meta() -> Meta {
    let schema = RowSchema::of::<u64, String>();
    Meta {
        log_identity: "the log".into(),
        barriers: vec![BarrierInfo { name: "words".into(), types: "count(String)".into() }],
        views: vec![ViewInfo { name: "a view".into(), schema }],
        sealed_us: Some(1_234_567),
        branch: Some(diptych::time::Branch(77)),
    }
}

fn blocks(boundary: u64, worker: usize) -> Vec<Vec<u8>> {
    (0..3 + worker).map(|n| vec![n as u8; (boundary as usize * 7 + n) % 50]).collect()
}

/// Writes a batch view by `workers` workers, each with the rows of its keys.
fn write(disk: Arc<dyn Disk>, boundary: u64, workers: usize, rows: &Rows) -> Result<()> {
    let writer = BatchViewWriter::create(disk, Path::new(ROOT), identity(), boundary, workers)?;
    for worker in 0..workers {
        let mut accumulation = writer.accumulation("words", worker)?;
        for block in blocks(boundary, worker) {
            accumulation.block(&block, 1)?;
        }
        accumulation.finish()?;
        let mut view = writer.view("a view", worker)?;
        for ((key, value), times) in rows {
            if shard_of(key, workers) == worker {
                view.push(key, value, *times)?;
            }
        }
        view.finish()?;
    }
    writer.finish(meta())
}

fn rows(count: u64) -> Rows {
    let text = |n: u64| format!("value {}", n * n);
    (0..count)
        .flat_map(|n| (0..=n % 3).map(move |m| (n, m)))
        .map(|(n, m)| ((row::encode(&(n * 37 % 1000)), row::encode(&text(n + m))), 1 + m as isize))
        .collect()
}

/// Everything in a batch view; the first damage otherwise.
fn read_all(view: &BatchView) -> Result<(Rows, Vec<Vec<u8>>)> {
    let mut rows = Rows::new();
    view.for_each_row("a view", |key, value, times| {
        rows.insert((key.to_vec(), value.to_vec()), times);
    })?;
    view.view_batches("a view", 2)?;
    let blocks = view.accumulation("words", 0, 1)?.map(|block| block.map(|b| b.to_vec()));
    Ok((rows, blocks.collect::<Result<_>>()?))
}

fn open(disk: &SimDisk, boundary: u64) -> Result<BatchView> {
    BatchView::open(Arc::new(disk.clone()), Path::new(ROOT), &identity(), boundary)
}

fn newest(disk: &SimDisk) -> (Option<u64>, Vec<Error>) {
    let disk = Arc::new(disk.clone());
    let newest = BatchView::newest(disk, Path::new(ROOT), &identity(), u64::MAX).unwrap();
    (newest.found.map(|view| view.boundary()), newest.damaged)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(
        rows in prop::collection::btree_map(
            (
                prop::collection::vec(0u8..4, 0..4),
                prop_oneof![
                    8 => prop::collection::vec(any::<u8>(), 0..4),
                    1 => Just(vec![7; 30_000]),
                ],
            ),
            prop_oneof![Just(1isize), Just(-2), Just(isize::MAX)],
            0..40,
        ),
        workers in 1usize..4, readers in 1usize..4, shards in 1usize..4,
        key in prop::collection::vec(0u8..4, 0..4), end in prop::collection::vec(0u8..4, 0..4),
        limit in 0usize..10,
    ) {
        let disk = SimDisk::new();
        write(Arc::new(disk.clone()), 9, workers, &rows).unwrap();
        let view = open(&disk, 9).unwrap();
        view.verify().unwrap();
        let (found, all_blocks) = read_all(&view).unwrap();
        prop_assert_eq!(&found, &rows);
        prop_assert_eq!(view.log_identity(), "the log");
        prop_assert_eq!((view.barriers(), view.views()), (&meta().barriers[..], &meta().views[..]));

        let mut expected: Vec<_> = (0..workers).flat_map(|worker| blocks(9, worker)).collect();
        prop_assert_eq!(&all_blocks, &expected);
        let mut shared: Vec<Vec<u8>> = Vec::new();
        for reader in 0..readers {
            let blocks = view.accumulation("words", reader, readers).unwrap();
            shared.extend(blocks.map(|block| block.unwrap().to_vec()));
        }
        shared.sort();
        expected.sort();
        prop_assert_eq!(shared, expected);

        let of_key: Vec<_> = view.get("a view", &key).unwrap();
        let expected: Vec<_> = rows.iter().filter(|((k, _), _)| *k == key).collect();
        prop_assert_eq!(of_key.len(), expected.len());
        for (row, ((key, value), times)) in of_key.iter().zip(expected) {
            prop_assert_eq!((&row.key, &row.value, &row.multiplicity), (key, value, times));
        }
        let range = ByteRange::between(key.clone()..end);
        let in_range = view.range("a view", &range, limit).unwrap();
        let expected = rows.keys().filter(|(k, _)| range.contains(k)).take(limit);
        let found = in_range.into_iter().map(|row| (row.key, row.value));
        prop_assert!(found.eq(expected.cloned()));

        // Served, it has the digest that was written.
        let info = ViewInfo { name: "a view".into(), schema: RowSchema::default() };
        let index = Index::new("3", vec![info], shards, IndexOptions::default()).unwrap();
        index.install_base(9, view.base(&["a view"], shards).unwrap()).unwrap();
        let snapshot = index.snapshot(Read::AsOf(8)).unwrap();
        let mut digest = Digest::default();
        for ((key, value), times) in &rows {
            digest.add(key, value, *times);
        }
        let stated = view.view_size("a view").unwrap();
        prop_assert_eq!(stated.1, digest);
        // Each as often as it is there, as far as that can be counted.
        if rows.values().all(|times| *times != isize::MAX) {
            let times = rows.values().sum::<isize>();
            prop_assert_eq!(stated.0, u64::try_from(times).unwrap_or(0));
        }
        prop_assert_eq!(snapshot.digest(0).unwrap(), digest);
        prop_assert_eq!(snapshot.scan(0).count(), rows.len());
    }
}

#[test]
fn every_flipped_bit_and_cut_of_every_file_is_found() {
    let disk = SimDisk::new();
    write(Arc::new(disk.clone()), 5, 2, &rows(10)).unwrap();
    write(Arc::new(disk.clone()), 8, 2, &rows(12)).unwrap();
    let whole = read_all(&open(&disk, 8).unwrap()).unwrap();
    let files: Vec<(PathBuf, Vec<u8>)> = disk
        .files()
        .into_iter()
        .filter(|(path, _)| path.file_name().unwrap().to_string_lossy().starts_with("0000"))
        .filter(|(path, _)| path.to_string_lossy().contains("00008."))
        .collect();
    assert_eq!(files.len(), 6, "{files:?}");
    let mut mutations = 0;
    for (path, content) in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut check = |what: String, bytes: Option<&[u8]>| {
            disk.tamper(path, bytes);
            let (found, damaged) = newest(&disk);
            let named = damaged.iter().any(|error| error.to_string().contains(&name));
            let gone = bytes.is_none() && name.ends_with("manifest");
            assert_eq!(found, Some(5), "{what}: not passed over");
            assert!(named || gone, "{what}: {damaged:?} do not name the file");
            // Read without the check of all bytes, it is an error or the very same.
            if let Ok(view) = open(&disk, 8)
                && let Ok(read) = read_all(&view)
            {
                assert_eq!(read, whole, "{what}: silently different");
            }
            mutations += 1;
        };
        for at in 0..content.len() {
            let mut bytes = content.clone();
            bytes[at] ^= 1 << (at % 8);
            check(format!("{name}, byte {at} flipped"), Some(&bytes));
            check(format!("{name} cut at {at}"), Some(&content[..at]));
        }
        check(format!("{name} longer"), Some(&[&content[..], &[0]].concat()));
        if name.ends_with(".sealed") {
            // As batch views were before there was such a file.
            disk.tamper(path, None);
            assert_eq!(open(&disk, 8).unwrap().sealed_us(), None);
        } else {
            check(format!("{name} removed"), None);
        }
        disk.tamper(path, Some(content));
    }
    println!("{mutations} mutations");
    assert_eq!(newest(&disk).0, Some(8), "all put back");
    assert_eq!(open(&disk, 8).unwrap().branch(), meta().branch);
    // A part of the older one in the place of the newer one's.
    let part = "00000000000000000008.accumulation.words.0";
    let (path, _) = files.iter().find(|(path, _)| path.ends_with(part)).unwrap();
    let other = path.with_file_name(part.replace("08.", "05."));
    let older = disk.files().into_iter().find(|(path, _)| *path == other).unwrap();
    assert_ne!(older.1, files.iter().find(|(p, _)| p == path).unwrap().1);
    disk.tamper(path, Some(&older.1));
    assert_eq!(newest(&disk).0, Some(5));
}

#[test]
fn what_is_not_finished_is_not_there() {
    // One image per changing call: the process dies there, or the power fails.
    let calls = {
        let disk = SimDisk::new();
        write(Arc::new(disk.clone()), 5, 1, &rows(5)).unwrap();
        let before = disk.calls();
        write(Arc::new(disk.clone()), 8, 2, &rows(9)).unwrap();
        before..disk.calls()
    };
    let mut unfinished = 0;
    for call in calls {
        let disk = SimDisk::new();
        write(Arc::new(disk.clone()), 5, 1, &rows(5)).unwrap();
        // And every call after it: a process that dies cannot clean up.
        (call..call + 1_000).for_each(|call| disk.fail_at(call, Fault::Broken));
        let result = write(Arc::new(disk.clone()), 8, 2, &rows(9));
        for image in [disk.kill(), disk.crash(call), disk.crash(call + 1_000)] {
            let (found, damaged) = newest(&image);
            assert!(damaged.is_empty(), "call {call}: {damaged:?}");
            match found {
                Some(8) => assert_eq!(read_all(&open(&image, 8).unwrap()).unwrap().0, rows(9)),
                other => {
                    assert_eq!(other, Some(5), "call {call}");
                    assert!(result.is_err(), "call {call}: finished, and gone");
                    unfinished += 1;
                    // The next try removes what is there, and completes.
                    write(Arc::new(image.clone()), 8, 1, &rows(3)).unwrap();
                    assert_eq!(newest(&image).0, Some(8));
                    let parts = |(path, _): &(PathBuf, Vec<u8>)| path.ends_with("8.1");
                    assert_eq!(image.files().iter().filter(|file| parts(file)).count(), 0);
                    assert!(!image.files().iter().any(|(p, _)| p.ends_with(".tmp")));
                }
            }
        }
    }
    assert!(unfinished > 20, "{unfinished} images were unfinished");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let disk = SimDisk::new();
    write(Arc::new(disk.clone()), 5, 1, &rows(5)).unwrap();
    let before = disk.files();
    let calls = {
        let other = disk.kill();
        write(Arc::new(other.clone()), 8, 2, &rows(9)).unwrap();
        // The last three make it count, and remove the mark that it was begun.
        other.calls() - 3
    };
    assert!(calls > 20, "{calls}");
    for call in 0..calls {
        let disk = disk.kill();
        disk.fail_at(call, Fault::Full);
        let error = write(Arc::new(disk.clone()), 8, 2, &rows(9)).unwrap_err();
        assert!(error.is_full(), "call {call}: {error}");
        assert_eq!(disk.files(), before, "call {call}");
    }
}

#[test]
fn strangers_and_second_writers_are_refused_by_name() {
    let disk = SimDisk::new();
    write(Arc::new(disk.clone()), 5, 1, &rows(5)).unwrap();
    let again = write(Arc::new(disk.clone()), 5, 1, &rows(5)).unwrap_err();
    assert!(again.is_conflict() && again.to_string().contains("epoch 5 already"), "{again}");

    // The files of another version, moved here by hand.
    let other = Identity::new("tweets per hour", "4");
    let (from, to) = (identity().dir(Path::new(ROOT)), other.dir(Path::new(ROOT)));
    for (path, content) in disk.files() {
        disk.tamper(&to.join(path.strip_prefix(&from).unwrap()), Some(&content));
    }
    let stranger = BatchView::open(Arc::new(disk.clone()), Path::new(ROOT), &other, 5).unwrap_err();
    assert!(stranger.is_conflict(), "{stranger}");
    assert!(stranger.to_string().contains("version 3, not of"), "{stranger}");

    let view = open(&disk, 5).unwrap();
    assert!(view.get("no view", b"").unwrap_err().to_string().contains("no view \"no view\""));
    assert!(view.accumulation("no", 0, 1).err().unwrap().is_missing());
    assert!(open(&disk, 6).unwrap_err().is_missing());

    let root = Path::new(ROOT);
    let writing = BatchViewWriter::create(Arc::new(disk.clone()), root, identity(), 9, 1).unwrap();
    let second = BatchViewWriter::create(Arc::new(disk.clone()), root, identity(), 10, 1);
    assert!(second.unwrap_err().is_conflict());
    assert!(remove_before(&disk, root, &identity(), 9).unwrap_err().is_conflict());
    drop(writing);
    write(Arc::new(disk.clone()), 10, 1, &rows(5)).unwrap();
    remove_before(&disk, root, &identity(), 10).unwrap();
    assert_eq!(BatchView::boundaries(&disk, root, &identity()).unwrap(), [10]);
    let left = disk.files().into_iter().filter(|(path, _)| path.starts_with(&from)).count();
    assert_eq!(left, 5, "two parts, a clock, a manifest and the lock");
    assert!(newest(&SimDisk::new()).0.is_none());
}

#[test]
fn it_works_on_a_real_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let id = identity();
    let writer = BatchViewWriter::create(disk.clone(), dir.path(), id.clone(), 3, 1).unwrap();
    writer.accumulation("words", 0).unwrap().finish().unwrap();
    let mut view = writer.view("a view", 0).unwrap();
    let all = rows(20_000);
    for ((key, value), times) in &all {
        view.push(key, value, *times).unwrap();
    }
    view.finish().unwrap();
    writer.finish(meta()).unwrap();
    let newest = BatchView::newest(disk, dir.path(), &id, 3).unwrap();
    let view = newest.found.unwrap();
    assert_eq!(read_all(&view).unwrap().0, all);
    let ((key, _), _) = all.iter().nth(all.len() / 2).unwrap();
    let expected = all.keys().filter(|(k, _)| k == key).count();
    assert_eq!(view.get("a view", key).unwrap().len(), expected);
}

/// Rows of several blocks, keys that begin alike, and a key that goes on in the next block.
fn golden_rows() -> Rows {
    let text = |length: usize, end: &str| row::encode(&format!("{}{end}", "k".repeat(length)));
    let mut rows = Rows::new();
    for n in 0..9_u8 {
        let value = row::encode(&vec![n; 7_000]);
        rows.insert((text(300, &n.to_string()), value.clone()), 1 + isize::from(n));
        rows.insert((text(1, "again"), value), -2);
    }
    rows
}

/// Format 1: `tests/golden/blocks-v1` was written by the release that had it, and never changes.
#[test]
fn a_batch_view_of_format_1_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/blocks-v1");
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        let disk = SimDisk::new();
        write(Arc::new(disk.clone()), 9, 2, &golden_rows()).unwrap();
        let dir = identity().dir(&golden);
        std::fs::create_dir_all(&dir).unwrap();
        for (path, bytes) in disk.files() {
            let name = path.file_name().unwrap();
            if name != "lock" {
                std::fs::write(dir.join(name), bytes).unwrap();
            }
        }
    }
    let view = BatchView::open(Arc::new(RealDisk), &golden, &identity(), 9).unwrap();
    view.verify().unwrap();
    let (rows, all_blocks) = read_all(&view).unwrap();
    assert!(rows == golden_rows(), "other rows");
    assert_eq!(all_blocks, [blocks(9, 0), blocks(9, 1)].concat());
    assert_eq!((view.log_identity(), view.sealed_us()), ("the log", Some(1_234_567)));
    assert_eq!(view.branch(), None, "of before there were any");
    assert_eq!((view.barriers(), view.views()), (&meta().barriers[..], &meta().views[..]));
    for (key, _) in rows.keys() {
        let of_key: Vec<_> = rows.iter().filter(|((other, _), _)| other == key).collect();
        let found = view.get("a view", key).unwrap();
        assert_eq!(found.len(), of_key.len());
        for (row, ((_, value), times)) in found.iter().zip(of_key) {
            assert_eq!((&row.value, &row.multiplicity), (value, times));
        }
    }
    let half = row::encode(&format!("{}4", "k".repeat(300)));
    let range = ByteRange::between(half.clone()..);
    let expected = rows.keys().filter(|(key, _)| *key >= half).count();
    assert_eq!(view.range("a view", &range, usize::MAX).unwrap().len(), expected);
}

/// Writes a view of these rows by one worker; the batch view, and the bytes of the view's part.
fn one_part(rows: &Rows) -> (BatchView, usize) {
    let disk = SimDisk::new();
    write(Arc::new(disk.clone()), 9, 1, rows).unwrap();
    let files = disk.files();
    let is_part = |path: &Path| path.to_string_lossy().contains(".view.");
    let (_, part) = files.iter().find(|(path, _)| is_part(path)).unwrap();
    (open(&disk, 9).unwrap(), part.len())
}

/// The index held each block's first key whole, in one block: more than some long keys were never
/// written.
#[test]
fn the_index_of_blocks_is_small_however_long_the_keys() {
    let long = |n: u8| ([vec![7; 1_900_000], vec![n]].concat(), vec![n]);
    let rows: Rows = (0..40).map(|n| (long(n), 1)).collect();
    let (view, bytes) = one_part(&rows);
    let of_rows: usize = rows.keys().map(|(key, value)| 16 + key.len() + value.len()).sum();
    assert!(bytes - of_rows < 64 << 10, "{bytes} bytes, {of_rows} of them of rows");
    for n in [0, 1, 20, 39] {
        let (key, value) = long(n);
        let found = view.get("a view", &key).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value, value);
        assert!(view.get("a view", &[&key[..], &[0]].concat()).unwrap().is_empty());
        assert!(view.get("a view", &key[..1_900_000]).unwrap().is_empty());
    }
    let range = ByteRange::between(long(37).0..);
    assert_eq!(view.range("a view", &range, usize::MAX).unwrap().len(), 3);
}

#[test]
fn an_index_of_blocks_has_levels() {
    // A separator of these is as long as one can be, so a block of the index has few.
    let key = |n: u16| [&[7; 1_100][..], &(2 * n + 1).to_be_bytes()].concat();
    let rows: Rows = (0..1_100).map(|n| ((key(n), vec![0; 33_000]), 1)).collect();
    let (view, _) = one_part(&rows);
    view.verify().unwrap();
    let mapped = view.mapped("a view").unwrap();
    let values = |key: &[u8]| {
        let mut found = 0;
        mapped.get(key, &mut |_, _| found += 1).unwrap();
        found
    };
    let keys = |range: ByteRange, limit: usize| -> Vec<Vec<u8>> {
        let page = mapped.page(&range, None, limit).unwrap();
        page.rows.into_iter().map(|row| row.key).collect()
    };
    for n in (0..1_100).step_by(7).chain([1_099]) {
        assert_eq!(values(&key(n)), 1, "key {n}");
        let between = [&[7; 1_100][..], &(2 * n).to_be_bytes()].concat();
        assert_eq!(values(&between), 0, "before key {n}");
        let expected: Vec<_> = (n..1_100).take(3).map(key).collect();
        assert_eq!(keys(ByteRange::between(between..), 3), expected, "from {n}");
    }
    // What has less, as much and more in common with them than a separator holds.
    let first = |start: Vec<u8>| keys(ByteRange::between(start..), 1);
    assert_eq!(first(vec![7; 1_000]), [key(0)]);
    assert_eq!(first(vec![7; 1_024]), [key(0)]);
    assert_eq!(first(vec![7; 1_101]), [key(896)]);
    assert_eq!(first(vec![8]), [] as [Vec<u8>; 0]);
    assert_eq!(view.range("a view", &ByteRange::all(), usize::MAX).unwrap().len(), 1_100);
}

/// A row of a view and an entry of an accumulation were in memory: they can be written, or no
/// checkpoint would succeed any more.
#[test]
fn a_row_and_an_entry_may_be_large() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let writer = BatchViewWriter::create(shared, Path::new(ROOT), identity(), 9, 1).unwrap();
    let block = vec![7; 70 << 20];
    let mut accumulation = writer.accumulation("words", 0).unwrap();
    accumulation.block(&block, 1).unwrap();
    accumulation.finish().unwrap();
    let mut view = writer.view("a view", 0).unwrap();
    view.push(&[1], &block, 1).unwrap();
    view.push(&[2], &[7], 1).unwrap();
    view.finish().unwrap();
    writer.finish(meta()).unwrap();
    let view = open(&disk, 9).unwrap();
    let found = view.get("a view", &[1]).unwrap();
    assert!(found.len() == 1 && found[0].value == block, "another row");
    assert_eq!(view.get("a view", &[2]).unwrap()[0].value, [7]);
    let read: Vec<_> = view.accumulation("words", 0, 1).unwrap().map(Result::unwrap).collect();
    assert!(read.len() == 1 && read[0].as_slice() == &block[..], "another block");
}
