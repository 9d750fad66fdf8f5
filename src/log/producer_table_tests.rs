#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::super::checksummed_file::{
    Envelope, FORMAT, FORMAT_SILENT, FORMAT_STATE, check_version,
};
use super::super::layout::Dir;
use super::super::silent_producers::SilentFiles;
use super::*;
use diptych_base::io::{Disk, Open, RealDisk, SimDisk, read_all, replace};

/// A bound small enough for a test to fill.
const ROOM: Room = Room { appends: 8, producers: 8, name_bytes: 40 };

fn append(
    state: &mut ProducerTable,
    epoch: Epoch,
    id: &str,
    sequence: u64,
) -> Result<RequestVerdict> {
    append_of(state, epoch, id, sequence, Fingerprint::new(sequence + 1))
}

fn append_of(
    state: &mut ProducerTable,
    epoch: Epoch,
    id: &str,
    sequence: u64,
    fingerprint: Option<Fingerprint>,
) -> Result<RequestVerdict> {
    let producer = Producer { id: id.into(), sequence };
    let verdict = state.decide(&mut GatheredRequests::new(), &producer, fingerprint)?;
    if verdict == RequestVerdict::Due {
        let producers = vec![state.mark(&producer, fingerprint)];
        let trimmed = state.make_room(&producers, ROOM);
        let header = Header { producers, trimmed, ..Header::default() };
        state.apply(epoch, &header).expect("a frame that was just decided");
    }
    Ok(verdict)
}

fn list(state: &ProducerTable) -> Vec<ProducerInfo> {
    state.list().collect::<Result<_>>().unwrap()
}

#[test]
fn a_repeat_is_answered_with_its_first_epoch() {
    let mut state = ProducerTable::default();
    for sequence in 0..5 {
        assert_eq!(append(&mut state, 10 + sequence, "p", sequence).unwrap(), RequestVerdict::Due);
    }
    for sequence in 0..5 {
        let repeat = append(&mut state, 99, "p", sequence).unwrap();
        assert_eq!(repeat, RequestVerdict::Repeat(Some(10 + sequence)));
    }
}

#[test]
fn a_gap_names_the_sequence_that_is_due() {
    let mut state = ProducerTable::default();
    let error = append(&mut state, 0, "p", 1).unwrap_err();
    assert!(error.is_conflict() && error.to_string().contains("0 is due"), "{error}");
}

#[test]
fn a_sequence_outside_the_window_is_an_error_and_never_a_second_append() {
    let mut state = ProducerTable::default();
    let count = limits::PRODUCER_WINDOW as u64 + 3;
    for sequence in 0..count {
        append(&mut state, sequence, "p", sequence).unwrap();
    }
    // The tight room of `append` trimmed the window again and again; the last append is always
    // known.
    let last = append(&mut state, 0, "p", count - 1).unwrap();
    assert_eq!(last, RequestVerdict::Repeat(Some(count - 1)));
    let error = append(&mut state, 0, "p", 0).unwrap_err();
    assert!(error.is_conflict() && error.to_string().contains("remembered"), "{error}");
}

#[test]
fn the_longest_silent_producers_make_room() {
    let mut state = ProducerTable::default();
    for (epoch, id) in ["a", "a", "a", "b", "b", "c", "c", "c"].into_iter().enumerate() {
        let sequence = state.next_sequence(id).unwrap();
        append(&mut state, epoch as u64, id, sequence).unwrap();
    }
    append(&mut state, 8, "c", 3).unwrap();
    assert!(append(&mut state, 9, "a", 0).is_err(), "the first of a are forgotten");
    assert_eq!(append(&mut state, 9, "a", 2).unwrap(), RequestVerdict::Repeat(Some(2)));
    assert_eq!(append(&mut state, 9, "c", 0).unwrap(), RequestVerdict::Repeat(Some(5)));
}

#[test]
fn the_table_survives_its_file() {
    let mut state = ProducerTable::default();
    let offsets = vec![("topic/0".into(), "17".into())];
    state.apply(0, &Header { offsets, ..Header::default() }).unwrap();
    for sequence in 0..3 {
        append(&mut state, sequence, "p", sequence).unwrap();
    }
    let bytes = state.wrap().unwrap();
    assert_eq!(ProducerTable::unwrap(Path::new("x.state"), &bytes).unwrap(), state);
}

#[test]
fn another_request_under_a_number_is_refused() {
    let mut state = ProducerTable::default();
    let print = Fingerprint::new;
    append_of(&mut state, 0, "p", 0, print(7)).unwrap();
    append_of(&mut state, 1, "p", 1, None).unwrap();
    for state in [
        &mut state.clone(),
        &mut ProducerTable::unwrap(Path::new("x"), &state.wrap().unwrap()).unwrap(),
    ] {
        let mut send = |sequence, number| append_of(state, 9, "p", sequence, print(number));
        assert_eq!(send(0, 7).unwrap(), RequestVerdict::Repeat(Some(0)));
        let error = send(0, 8).unwrap_err();
        assert!(
            error.is_conflict() && error.to_string().contains("one counter over all"),
            "{error}"
        );
        // An append without a fingerprint, written by an earlier release, is answered as before.
        assert_eq!(send(1, 8).unwrap(), RequestVerdict::Repeat(Some(1)));
    }
}

#[test]
fn another_request_under_a_number_of_the_same_epoch_is_refused() {
    let mut state = ProducerTable::default();
    let mut gathered = GatheredRequests::new();
    let mut send = |sequence, number| {
        let producer = Producer { id: "p".into(), sequence };
        state.decide(&mut gathered, &producer, Fingerprint::new(number))
    };
    assert_eq!(send(0, 7).unwrap(), RequestVerdict::Due);
    assert_eq!(send(1, 8).unwrap(), RequestVerdict::Due);
    assert_eq!(send(0, 7).unwrap(), RequestVerdict::Repeat(None));
    assert!(send(1, 7).unwrap_err().is_conflict());
    assert_eq!(send(2, 7).unwrap(), RequestVerdict::Due);
}

#[test]
fn a_table_without_fingerprints_is_written_as_it_was() {
    let mut state = ProducerTable::default();
    append_of(&mut state, 3, "p", 0, None).unwrap();
    let version = |state: &ProducerTable| {
        Envelope::State.open(Path::new("x"), &state.wrap().unwrap()).unwrap().0
    };
    assert_eq!(version(&state), FORMAT);
    append(&mut state, 4, "p", 1).unwrap();
    assert_eq!(version(&state), FORMAT_STATE);
    let bytes = state.wrap().unwrap();
    assert_eq!(ProducerTable::unwrap(Path::new("x"), &bytes).unwrap(), state);
}

/// A table of six producers, the first known by its digest.
fn with_silent() -> ProducerTable {
    let mut state = ProducerTable::default();
    let offsets = vec![("topic/0".into(), "17".into())];
    state.apply(0, &Header { offsets, ..Header::default() }).unwrap();
    for (epoch, id) in ["a", "a", "b", "c", "d", "d", "e", "f", "f"].into_iter().enumerate() {
        let sequence = state.next_sequence(id).unwrap();
        append(&mut state, epoch as u64, id, sequence).unwrap();
    }
    let silent: Vec<_> = list(&state).into_iter().filter(|one| one.silent).collect();
    assert_eq!(silent.len(), 1, "{silent:?}");
    assert!(!state.producers.contains_key("a"));
    state
}

#[test]
fn a_silent_producer_that_returns_goes_on_exactly_once() {
    let state = with_silent();
    let bytes = state.wrap().unwrap();
    let stored = ProducerTable::unwrap(Path::new("x.state"), &bytes).unwrap();
    for mut state in [state, stored] {
        assert_eq!(state.next_sequence("a").unwrap(), 2);
        assert_eq!(append(&mut state, 20, "a", 1).unwrap(), RequestVerdict::Repeat(Some(1)));
        let error = append(&mut state, 20, "a", 0).unwrap_err();
        assert!(error.is_conflict() && error.to_string().contains("only 1 and later"), "{error}");
        let error = append(&mut state, 20, "a", 3).unwrap_err();
        assert!(error.is_conflict() && error.to_string().contains("2 is due"), "{error}");
        let other = append_of(&mut state, 20, "a", 1, Fingerprint::new(99)).unwrap_err();
        assert!(other.is_conflict(), "another request under its number: {other}");
        assert_eq!(append(&mut state, 20, "a", 2).unwrap(), RequestVerdict::Due);
        assert_eq!(append(&mut state, 21, "a", 1).unwrap(), RequestVerdict::Repeat(Some(1)));
        assert_eq!(append(&mut state, 21, "a", 2).unwrap(), RequestVerdict::Repeat(Some(20)));
        let known = list(&state).into_iter().find(|one| one.id == "a").expect("by its name");
        assert_eq!((known.last, known.epoch, known.silent), (2, 20, false));
        // No other producer was taken for it.
        let mut next = |id| state.next_sequence(id).unwrap();
        assert_eq!((next("b"), next("new")), (1, 0));
    }
}

/// Silent producers that an earlier release kept in the state file go on unchanged.
#[test]
fn silent_producers_of_format_3_move_to_a_file_at_the_next_seal() {
    let disk = Arc::new(SimDisk::new());
    disk.create_dir(Path::new("log")).unwrap();
    let dir = Dir::new(disk, Path::new("log"));
    let before = with_silent();
    let mut state = ProducerTable::unwrap(Path::new("x.state"), &before.wrap().unwrap()).unwrap();
    assert_eq!(state.silent.recent().len(), 1);
    state.seal_silent(&dir, 0).unwrap();
    assert!(state.silent.recent().is_empty());
    let bytes = state.wrap().unwrap();
    let (version, _) = Envelope::State.open(Path::new("x"), &bytes).unwrap();
    assert_eq!(version, FORMAT_STATE);
    let files = SilentFiles::open(&dir, &state.silent_files().listed()).unwrap();
    let mut state = ProducerTable::unwrap(Path::new("x.state"), &bytes).unwrap().with_files(files);
    assert_eq!(list(&state), list(&before));
    assert_eq!(state.next_sequence("a").unwrap(), 2);
    assert_eq!(append(&mut state, 20, "a", 1).unwrap(), RequestVerdict::Repeat(Some(1)));
    assert!(append(&mut state, 20, "a", 0).unwrap_err().is_conflict());
    assert_eq!(append(&mut state, 20, "a", 2).unwrap(), RequestVerdict::Due);
    let known = list(&state).into_iter().find(|one| one.id == "a").expect("by its name");
    assert_eq!((known.last, known.silent), (2, false));
}

#[test]
fn the_table_is_bounded_in_producers_and_in_bytes_of_their_names() {
    for long in [1, 9] {
        let mut state = ProducerTable::default();
        for number in 0..100_u64 {
            let id = format!("{number:0long$}");
            append(&mut state, number, &id, 0).unwrap();
            let held = state.held();
            assert!(held.producers <= ROOM.producers && held.name_bytes <= ROOM.name_bytes);
            assert!(held.appends <= ROOM.appends);
            let names: usize = state.producers.keys().map(String::len).sum();
            assert_eq!((held.name_bytes, list(&state).len() as u64), (names, number + 1));
        }
        for number in 0..100_u64 {
            let id = format!("{number:0long$}");
            let repeat = append(&mut state, 1_000, &id, 0).unwrap();
            assert_eq!(repeat, RequestVerdict::Repeat(Some(number)), "{id} is never forgotten");
        }
        let bytes = state.wrap().unwrap();
        assert_eq!(ProducerTable::unwrap(Path::new("x.state"), &bytes).unwrap(), state);
    }
}

#[test]
fn offsets_are_bounded_in_bytes() {
    let mut state = ProducerTable::default();
    let long = "x".repeat(limits::LABEL_BYTES_MAX);
    let mut count = 0;
    loop {
        let offsets = vec![(format!("source {count}"), long.clone())];
        if state.check_offsets(&offsets).is_err() {
            break;
        }
        state.apply(count, &Header { offsets, ..Header::default() }).unwrap();
        count += 1;
    }
    let whole = count as usize * (long.len() + 8);
    assert!(whole <= limits::OFFSETS_BYTES_MAX && whole > limits::OFFSETS_BYTES_MAX / 2);
    // Existing sources go on.
    state.check_offsets(&[("source 0".to_owned(), long)]).unwrap();
}

/// Promise 21: `tests/golden/state-v3` is written once, by `DIPTYCH_BLESS=1`.
#[test]
fn a_table_with_silent_producers_of_format_3_opens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/state-v3/0.state");
    let state = with_silent();
    let bytes = state.wrap().unwrap();
    if std::env::var_os("DIPTYCH_BLESS").is_some() {
        let is_there = RealDisk.open(&path, Open::Read).is_ok();
        assert!(!is_there, "{} is released and stays as it is", path.display());
        RealDisk.create_dir(path.parent().unwrap()).unwrap();
        replace(&RealDisk, &path, &bytes).unwrap();
    }
    let golden = read_all(&RealDisk, &path, 1 << 20).unwrap();
    assert_eq!(Envelope::State.open(&path, &golden).unwrap().0, FORMAT_SILENT);
    assert_eq!(ProducerTable::unwrap(&path, &golden).unwrap(), state);
    assert_eq!(golden, bytes, "equal tables are equal bytes");
    // An earlier release reads no newer format than this.
    let newer = check_version(&path, FORMAT_SILENT, FORMAT_STATE).unwrap_err();
    assert!(newer.is_newer() && newer.to_string().contains("format 3"), "{newer}");
    for cut in 0..golden.len() {
        assert!(ProducerTable::unwrap(&path, &golden[..cut]).is_err(), "cut at {cut}");
    }
}
