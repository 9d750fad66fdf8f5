#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn append(state: &mut State, epoch: Epoch, id: &str, sequence: u64) -> Result<Verdict> {
    append_of(state, epoch, (id, sequence), Fingerprint::new(sequence + 1))
}

fn append_of(
    state: &mut State,
    epoch: Epoch,
    (id, sequence): (&str, u64),
    fingerprint: Option<Fingerprint>,
) -> Result<Verdict> {
    let producer = Producer { id: id.into(), sequence };
    let verdict = state.decide(&mut Gathered::new(), &producer, fingerprint)?;
    if verdict == Verdict::Due {
        let producers = vec![state.mark(&producer, fingerprint)];
        let trimmed = state.make_room(1, 8);
        let header = Header { producers, trimmed, ..Header::default() };
        state.apply(epoch, &header).expect("a frame that was just decided");
    }
    Ok(verdict)
}

#[test]
fn a_repeat_is_answered_with_its_first_epoch() {
    let mut state = State::default();
    for sequence in 0..5 {
        assert_eq!(append(&mut state, 10 + sequence, "p", sequence).unwrap(), Verdict::Due);
    }
    for sequence in 0..5 {
        let repeat = append(&mut state, 99, "p", sequence).unwrap();
        assert_eq!(repeat, Verdict::Repeat(Some(10 + sequence)));
    }
}

#[test]
fn a_gap_names_the_sequence_that_is_due() {
    let mut state = State::default();
    let error = append(&mut state, 0, "p", 1).unwrap_err();
    assert!(error.is_conflict() && error.to_string().contains("0 is due"), "{error}");
}

#[test]
fn a_sequence_outside_the_window_is_an_error_and_never_a_second_append() {
    let mut state = State::default();
    let count = limits::PRODUCER_WINDOW as u64 + 3;
    for sequence in 0..count {
        append(&mut state, sequence, "p", sequence).unwrap();
    }
    // The tight room of `append` trimmed the window again and again; the last is always known.
    let last = append(&mut state, 0, "p", count - 1).unwrap();
    assert_eq!(last, Verdict::Repeat(Some(count - 1)));
    let error = append(&mut state, 0, "p", 0).unwrap_err();
    assert!(error.is_conflict() && error.to_string().contains("remembered"), "{error}");
}

#[test]
fn the_longest_silent_producers_make_room() {
    let mut state = State::default();
    for (epoch, id) in ["a", "a", "a", "b", "b", "c", "c", "c"].into_iter().enumerate() {
        let sequence = state.next_sequence(id);
        append(&mut state, epoch as u64, id, sequence).unwrap();
    }
    append(&mut state, 8, "c", 3).unwrap();
    assert!(append(&mut state, 9, "a", 0).is_err(), "the first of a are forgotten");
    assert_eq!(append(&mut state, 9, "a", 2).unwrap(), Verdict::Repeat(Some(2)));
    assert_eq!(append(&mut state, 9, "c", 0).unwrap(), Verdict::Repeat(Some(5)));
}

#[test]
fn the_table_survives_its_file() {
    let mut state = State::default();
    state.offsets.insert("topic/0".into(), "17".into());
    for sequence in 0..3 {
        append(&mut state, sequence, "p", sequence).unwrap();
    }
    let bytes = state.wrap().unwrap();
    assert_eq!(State::unwrap(Path::new("x.state"), &bytes).unwrap(), state);
}

#[test]
fn another_request_under_a_number_is_refused() {
    let mut state = State::default();
    let print = Fingerprint::new;
    append_of(&mut state, 0, ("p", 0), print(7)).unwrap();
    append_of(&mut state, 1, ("p", 1), None).unwrap();
    for state in
        [&mut state.clone(), &mut State::unwrap(Path::new("x"), &state.wrap().unwrap()).unwrap()]
    {
        let mut send = |sequence, number| append_of(state, 9, ("p", sequence), print(number));
        assert_eq!(send(0, 7).unwrap(), Verdict::Repeat(Some(0)));
        let error = send(0, 8).unwrap_err();
        assert!(
            error.is_conflict() && error.to_string().contains("one counter over all"),
            "{error}"
        );
        // One that an earlier release has written answers as it did.
        assert_eq!(send(1, 8).unwrap(), Verdict::Repeat(Some(1)));
    }
}

#[test]
fn another_request_under_a_number_of_the_same_epoch_is_refused() {
    let (state, mut gathered) = (State::default(), Gathered::new());
    let mut send = |sequence, number| {
        let producer = Producer { id: "p".into(), sequence };
        state.decide(&mut gathered, &producer, Fingerprint::new(number))
    };
    assert_eq!(send(0, 7).unwrap(), Verdict::Due);
    assert_eq!(send(1, 8).unwrap(), Verdict::Due);
    assert_eq!(send(0, 7).unwrap(), Verdict::Repeat(None));
    assert!(send(1, 7).unwrap_err().is_conflict());
    assert_eq!(send(2, 7).unwrap(), Verdict::Due);
}

#[test]
fn a_table_without_fingerprints_is_written_as_it_was() {
    let mut state = State::default();
    append_of(&mut state, 3, ("p", 0), None).unwrap();
    let version =
        |state: &State| Envelope::State.open(Path::new("x"), &state.wrap().unwrap()).unwrap().0;
    assert_eq!(version(&state), FORMAT);
    append(&mut state, 4, "p", 1).unwrap();
    assert_eq!(version(&state), FORMAT_STATE);
    let bytes = state.wrap().unwrap();
    assert_eq!(State::unwrap(Path::new("x"), &bytes).unwrap(), state);
}
