#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::super::listed_file::FileChecksum;
use super::file::{BLOCK, PER_BLOCK};
use super::*;
use diptych_base::io::{Disk, SimDisk};

fn dir() -> (SimDisk, Dir) {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("log")).unwrap();
    let dir = Dir::new(Arc::new(disk.clone()), Path::new("log"));
    (disk, dir)
}

fn left(next: u64) -> SilentRecord {
    let last = Remembered { epoch: next + 7, fingerprint: Fingerprint::new(next % 3) };
    SilentRecord { next, last }
}

fn id(number: u64) -> String {
    format!("producer {number}")
}

fn some(numbers: impl Iterator<Item = u64>, next: u64) -> RecentlySilent {
    numbers.map(|number| (IdDigest::of(&id(number)), left(next))).collect()
}

#[test]
fn a_file_finds_what_was_written_and_nothing_else() {
    for count in [1, 2, 101, 102, 103, 204, 205, 20_000] {
        let (_, dir) = dir();
        let recent: RecentlySilent =
            (0..count).map(|number| (IdDigest::of(&id(number)), left(number + 1))).collect();
        let files = SilentFiles::default().with(&dir, 5, &recent).unwrap();
        assert_eq!(files.count(), count);
        for number in (0..count).step_by(count as usize / 100 + 1) {
            let found = files.get(IdDigest::of(&id(number))).unwrap();
            assert_eq!(found, Some(left(number + 1)), "{number} of {count}");
        }
        for number in count..count + 100 {
            assert_eq!(files.get(IdDigest::of(&id(number))).unwrap(), None, "{number} of {count}");
        }
        let again = SilentFiles::open(&dir, &files.listed()).unwrap();
        let all: Vec<_> = again.merged(RecentlySilent::new()).map(|one| one.unwrap()).collect();
        let expected =
            recent.iter().map(|(digest, left)| SilentProducer { digest: *digest, left: *left });
        assert_eq!(all, expected.collect::<Vec<_>>());
    }
}

/// Ids may be chosen so that their digests are close to each other.
#[test]
fn digests_that_are_not_spread_are_found_too() {
    let (_, dir) = dir();
    let close = |number: u64| {
        let mut digest = [0xA5; 16];
        digest[8..].copy_from_slice(&number.to_be_bytes());
        if number.is_multiple_of(1_000) {
            digest[0] = (number / 1_000) as u8;
        }
        IdDigest(digest)
    };
    let recent: RecentlySilent =
        (0..30_000).map(|number| (close(number), left(number + 1))).collect();
    let files = SilentFiles::default().with(&dir, 0, &recent).unwrap();
    for number in (0..30_000).step_by(100).chain(0..200) {
        assert_eq!(files.get(close(number)).unwrap(), Some(left(number + 1)));
        assert_eq!(files.get(close(number + 30_001)).unwrap(), None);
    }
}

#[test]
fn the_newest_file_counts_and_files_are_merged_with_those_of_like_size() {
    let (disk, dir) = dir();
    let mut files = SilentFiles::default();
    let mut expected = RecentlySilent::new();
    let mut written = 0;
    for round in 0..200 {
        let recent = some((round * 37..round * 37 + 50).map(|number| number % 3_000), round + 1);
        expected.extend(recent.clone());
        files = files.with(&dir, round, &recent).unwrap();
        let counts: Vec<_> = files.listed().iter().map(|entry| entry.count).collect();
        assert!(counts.is_sorted_by(|older, newer| *older >= 2 * newer), "{counts:?}");
        written += counts.last().unwrap();
        // A merged file stays readable through open handles.
        let open = files.clone();
        for name in disk.list(Path::new("log")).unwrap() {
            if !files.listed().iter().any(|entry| entry.name() == name) {
                disk.remove(&dir.file(&name)).unwrap();
            }
        }
        assert_eq!(SilentFiles::open(&dir, &files.listed()).unwrap(), open);
    }
    assert!(written < 200 * 50 * 12, "{written} written of {}", 200 * 50);
    for (digest, left) in &expected {
        assert_eq!(files.get(*digest).unwrap(), Some(*left));
    }
    let all: Vec<_> = files.merged(RecentlySilent::new()).map(|one| one.unwrap().digest).collect();
    assert!(all.iter().eq(expected.keys()), "each once, in order");
}

/// A damaged block is an error that names file and place, never "this id is unknown".
#[test]
fn damage_of_a_file_is_refused_wherever_it_is() {
    let (disk, dir) = dir();
    let count = 5 * PER_BLOCK as u64 - 7;
    let files = SilentFiles::default().with(&dir, 3, &some(0..count, 4)).unwrap();
    let listed = files.listed();
    let path = dir.file(&listed[0].name());
    let whole = disk.files().into_iter().find(|(other, _)| *other == path).unwrap().1;
    assert_eq!((whole.len(), FileChecksum::of(&whole)), (6 * BLOCK, listed[0].sum));
    // Every digest is looked up, so that every block is read.
    let refused = || -> Result<()> {
        let files = SilentFiles::open(&dir, &listed)?;
        for number in 0..count {
            assert_eq!(files.get(IdDigest::of(&id(number)))?, Some(left(4)), "{number}");
        }
        files.merged(RecentlySilent::new()).try_for_each(|one| one.map(drop))
    };
    refused().unwrap();
    for at in (0..whole.len()).step_by(61) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        disk.tamper(&path, Some(&flipped));
        let error = refused().unwrap_err();
        assert!(error.is_damaged() || error.is_newer(), "byte {at}: {error}");
        assert!(error.to_string().contains("00003.silent"), "byte {at}: {error}");
    }
    let mut swapped = whole.clone();
    swapped[BLOCK..3 * BLOCK].rotate_left(BLOCK);
    for bytes in [&whole[..whole.len() - 1], &whole[..BLOCK], &[], &swapped] {
        disk.tamper(&path, Some(bytes));
        let error = refused().unwrap_err();
        assert!(error.is_damaged() && error.to_string().contains("at byte"), "{error}");
    }
    disk.tamper(&path, None);
    let error = refused().unwrap_err();
    assert!(error.is_damaged() && error.to_string().contains("missing"), "{error}");
    // A file of another epoch is not taken for it.
    SilentFiles::default().with(&dir, 9, &some(0..count, 4)).unwrap();
    let is_other = |path: &Path| path.to_string_lossy().ends_with("9.silent");
    let other = disk.files().into_iter().find(|(path, _)| is_other(path)).unwrap().1;
    disk.tamper(&path, Some(&other));
    assert!(refused().unwrap_err().is_damaged());
    let mut blocks = whole.clone();
    blocks[BLOCK..].copy_from_slice(&other[BLOCK..]);
    disk.tamper(&path, Some(&blocks));
    assert!(refused().unwrap_err().is_damaged(), "blocks of another file");
}

#[test]
fn what_is_newer_than_a_file_stays_in_memory() {
    let (_, dir) = dir();
    let mut sealer = Silent::default();
    (0..100).for_each(|number| sealer.insert(&id(number), left(1)));
    let mut live = sealer.clone();
    live.insert(&id(1), left(2));
    live.remove(&id(2));
    live.insert(&id(100), left(1));
    let written = sealer.seal(&dir, 0).unwrap();
    assert_eq!((written.len(), sealer.recent().len()), (100, 0));
    live.sealed(sealer.files().clone(), &written);
    assert_eq!(live.recent().len(), 2);
    for (number, next) in [(0, Some(1)), (1, Some(2)), (100, Some(1)), (101, None)] {
        live.recall(&id(number)).unwrap();
        assert_eq!(live.get(&id(number)).map(|left| left.next), next, "{number}");
    }
}
