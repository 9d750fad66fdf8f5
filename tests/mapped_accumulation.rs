//! Accumulations in the order of their places: found by place, read by range, and given as blocks,
//! whatever the number of workers that wrote them; damage is an error.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use diptych::Result;
use diptych::batch_view::{BarrierInfo, BatchView, BatchViewWriter, Identity, Meta};
use diptych::io::{Disk, RealDisk, SimDisk};
use diptych::row::{AccumulationPiece, ByteRange, StoredAccumulation, StoredPartial};
use proptest::prelude::*;

/// By place: the partial, and whether it is wide.
type Entries = BTreeMap<Vec<u8>, (Vec<u8>, bool)>;

const NAME: &str = "words";

fn identity() -> Identity {
    Identity::new("words", "1")
}

/// The place of a key: some hash, and the key.
fn place(key: &[u8]) -> Vec<u8> {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    [&hash.to_be_bytes()[..], key].concat()
}

/// Writes the entries, each worker a range of about the same length.
fn write(disk: Arc<dyn Disk>, root: &Path, entries: &Entries, workers: usize) -> Result<BatchView> {
    let writer = BatchViewWriter::create(Arc::clone(&disk), root, identity(), 5, workers)?;
    let share = entries.len().div_ceil(workers).max(1);
    let mut rest = entries.iter();
    for worker in 0..workers {
        let mut part = writer.accumulation(NAME, worker)?;
        for (place, (bytes, wide)) in rest.by_ref().take(share) {
            let partial = StoredPartial { bytes, wide: *wide };
            part.put(AccumulationPiece::Entry { place, partial })?;
        }
        part.finish()?;
    }
    let barriers = vec![BarrierInfo { name: NAME.into(), types: "count".into() }];
    writer.finish(Meta { barriers, ..Meta::default() })?;
    BatchView::open(disk, root, &identity(), 5)
}

fn read(stored: &impl StoredAccumulation, range: &ByteRange) -> Result<Entries> {
    let mut found = Entries::new();
    stored.for_each(range, &mut |place, partial| {
        assert!(found.keys().next_back().is_none_or(|last| &last[..] < place), "in order");
        found.insert(place.to_vec(), (partial.bytes.to_vec(), partial.wide));
        Ok(())
    })?;
    Ok(found)
}

fn get(stored: &impl StoredAccumulation, place: &[u8]) -> Result<Option<(Vec<u8>, bool)>> {
    let mut found = None;
    stored.get(place, &mut |partial| {
        found = Some((partial.bytes.to_vec(), partial.wide));
        Ok(())
    })?;
    Ok(found)
}

fn entries() -> impl Strategy<Value = Entries> {
    let key = prop::collection::vec(0_u8..4, 0..6);
    let partial = (prop::collection::vec(any::<u8>(), 0..700), any::<bool>());
    prop::collection::btree_map(key.prop_map(|key| place(&key)), partial, 0..120)
}

proptest! {
    #[test]
    fn every_entry_is_found(all in entries(), workers in 1_usize..5, asked in any::<[u8; 2]>()) {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let view = write(disk, Path::new("data"), &all, workers).unwrap();
        view.verify().unwrap();
        let stored = view.mapped_accumulation(NAME).unwrap().unwrap();
        prop_assert_eq!(stored.entries(), all.len() as u64);
        prop_assert_eq!(&read(&stored, &ByteRange::all()).unwrap(), &all);
        for (place, entry) in &all {
            prop_assert_eq!(get(&stored, place).unwrap(), Some(entry.clone()));
            let longer = [&place[..], &[0]].concat();
            prop_assert_eq!(get(&stored, &longer).unwrap(), all.get(&longer).cloned());
        }
        prop_assert_eq!(get(&stored, &place(b"another key")).unwrap(), None);
        let [a, b] = asked.map(|byte| vec![byte]);
        let range = ByteRange::between(a.clone()..b.clone());
        let inside = all.iter().filter(|(place, _)| range.contains(place));
        let inside: Entries = inside.map(|(a, b)| (a.clone(), b.clone())).collect();
        prop_assert_eq!(read(&stored, &range).unwrap(), inside);
    }

    /// What an older way of restoring reads: blocks of keys and partials, the wide ones apart.
    #[test]
    fn every_entry_is_in_one_block(all in entries(), workers in 1_usize..4, readers in 1_usize..4) {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let view = write(disk, Path::new("data"), &all, workers).unwrap();
        let mut counts = [0, 0];
        let mut bytes = [0, 0];
        for reader in 0..readers {
            for block in view.accumulation(NAME, reader, readers).unwrap() {
                let block = block.unwrap();
                let count = u64::from_le_bytes(block[..8].try_into().unwrap());
                let form = usize::from(count >> 63 == 1);
                counts[form] += count & !(1 << 63);
                bytes[form] += block.len() - 8;
            }
        }
        for form in [0, 1] {
            let own = all.iter().filter(|(_, (_, wide))| usize::from(*wide) == form);
            let own = own.map(|(place, (bytes, _))| place.len() - 8 + bytes.len());
            let own: Vec<_> = own.collect();
            prop_assert_eq!(counts[form], own.len() as u64);
            prop_assert_eq!(bytes[form], own.iter().sum::<usize>());
        }
    }
}

/// Some entries, in several blocks.
fn sample() -> Entries {
    let entry = |n: u16| (place(&n.to_le_bytes()), (vec![n as u8; 40], n.is_multiple_of(9)));
    (0..600).map(entry).collect()
}

#[test]
fn any_flipped_byte_is_found_or_changes_nothing() {
    let disk = SimDisk::new();
    let all = sample();
    write(Arc::new(disk.clone()), Path::new("data"), &all, 2).unwrap();
    let files = disk.files();
    let parts = files.iter().filter(|(path, _)| path.to_string_lossy().contains(".accumulation."));
    for (path, bytes) in parts {
        for at in (0..bytes.len()).step_by(97) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x40;
            disk.tamper(path, Some(&flipped));
            let view = BatchView::open(Arc::new(disk.clone()), Path::new("data"), &identity(), 5);
            let mapped = view.unwrap().mapped_accumulation(NAME);
            match mapped {
                Ok(Some(stored)) => match read(&stored, &ByteRange::all()) {
                    Ok(found) => assert!(found == all, "byte {at}: other entries"),
                    Err(error) => assert!(error.is_damaged(), "byte {at}: {error}"),
                },
                Ok(None) => {}
                Err(error) => assert!(error.is_damaged(), "byte {at}: {error}"),
            }
        }
        disk.tamper(path, Some(bytes));
    }
}

/// Parts that overlap were not written by the workers of one run.
#[test]
fn parts_that_overlap_are_damaged() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let root = Path::new("data");
    let writer = BatchViewWriter::create(Arc::clone(&disk), root, identity(), 5, 2).unwrap();
    for worker in 0..2 {
        let mut part = writer.accumulation(NAME, worker).unwrap();
        for key in [1 + worker as u8, 7 + worker as u8] {
            let partial = StoredPartial { bytes: &[], wide: false };
            part.put(AccumulationPiece::Entry { place: &[key; 9], partial }).unwrap();
        }
        part.finish().unwrap();
    }
    let barriers = vec![BarrierInfo { name: NAME.into(), types: "count".into() }];
    writer.finish(Meta { barriers, ..Meta::default() }).unwrap();
    let view = BatchView::open(disk, root, &identity(), 5).unwrap();
    let error = view.mapped_accumulation(NAME).err().unwrap();
    assert!(error.is_damaged() && error.to_string().contains("overlap"), "{error}");
}

/// `tests/golden/entries-v1` was written by the release that had format 3 first, and never changes.
#[test]
fn an_accumulation_of_format_3_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/entries-v1");
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        assert!(!golden.exists(), "it is released and stays as it is");
        write(Arc::new(RealDisk), &golden, &sample(), 2).unwrap();
        std::fs::remove_file(identity().dir(&golden).join("lock")).unwrap();
    }
    let view = BatchView::open(Arc::new(RealDisk), &golden, &identity(), 5).unwrap();
    view.verify().unwrap();
    let stored = view.mapped_accumulation(NAME).unwrap().unwrap();
    assert_eq!(read(&stored, &ByteRange::all()).unwrap(), sample());
}
