//! Frames and tables of this release and of earlier ones, mixed at random.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::*;

/// Little enough that a test fills it.
const ROOM: Room = Room { appends: 24, producers: 12, name_bytes: 60 };

/// Whom a release trimmed that kept the names of all: those who have more than one append left.
fn trimmed_before(table: &State) -> Vec<Trimmed> {
    let mut all: Vec<_> = table.producers.iter().collect();
    all.sort_by_key(|(id, window)| (window.appends.back().map(|last| last.epoch), id.as_str()));
    let long = all.into_iter().filter(|(_, window)| window.appends.len() > 1).take(2);
    long.map(|(id, window)| Trimmed { id: id.clone(), kept_from: window.next - 1 }).collect()
}

/// The table as such a release has it, and stores it.
fn with_all_names<'a>(table: &State, ids: impl Iterator<Item = &'a String>) -> State {
    let mut table = table.clone();
    ids.for_each(|id| table.wake(id));
    assert_eq!(table.silent.len(), 0);
    table
}

fn stored(table: &State) -> State {
    let read = State::unwrap(Path::new("x.state"), &table.wrap().unwrap()).unwrap();
    assert_eq!(read, *table);
    read
}

/// One table is never stored; one is again and again; one is stored by an earlier release again and
/// again. Any of them may be that of the writer, of this release or of an earlier one. They refuse
/// no frame and answer alike: nothing counts twice, nothing due is refused.
#[test]
fn whoever_wrote_frames_and_tables_nothing_counts_twice() {
    let mut dice = 7_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    let mut tables = [State::default(), State::default(), State::default()];
    let mut appended: BTreeMap<String, Vec<Epoch>> = BTreeMap::new();
    let (mut due, mut repeats, mut refused, mut most_silent) = (0, 0, 0, 0);
    for epoch in 0..20_000 {
        let producer = format!("{:0>4}", roll(60));
        let epochs = appended.entry(producer.clone()).or_default();
        let back = if roll(3) == 0 { roll(4).min(epochs.len()) } else { 0 };
        let sequence = (epochs.len() - back) as u64;
        let producer = Producer { id: producer, sequence };
        let print = Fingerprint::new(sequence + 1);
        let answers =
            tables.each_ref().map(|table| table.decide(&mut Gathered::new(), &producer, print));
        for answer in &answers {
            match answer {
                Ok(verdict) if back == 0 => assert_eq!(*verdict, Verdict::Due),
                Ok(verdict) => {
                    assert_eq!(*verdict, Verdict::Repeat(Some(epochs[sequence as usize])));
                }
                // The last is always known.
                Err(error) => assert!(error.is_conflict() && back > 1, "{error}"),
            }
        }
        let is_same = answers.iter().all(|answer| answer.is_ok() == answers[0].is_ok());
        assert!(is_same, "{producer:?}: {answers:?}");
        if back > 0 {
            (repeats, refused) = (repeats + 1, refused + usize::from(answers[0].is_err()));
            continue;
        }
        let writer = &tables[roll(3)];
        let producers = vec![writer.mark(&producer, print)];
        // An earlier release had far more room.
        let trimmed = match roll(16) {
            0 => trimmed_before(writer),
            1..8 => Vec::new(),
            _ => writer.make_room(&producers, ROOM),
        };
        let header = Header { producers, trimmed, ..Header::default() };
        for table in &mut tables {
            table.apply(epoch, &header).expect("no frame is refused");
        }
        epochs.push(epoch);
        due += 1;
        most_silent = most_silent.max(tables[0].silent.len());
        if roll(40) == 0 {
            tables[1] = stored(&tables[1]);
            tables[2] = stored(&with_all_names(&tables[2], appended.keys()));
        }
        let names: usize = tables[2].producers.keys().map(String::len).sum();
        assert_eq!(tables[2].name_bytes, names);
        for table in &tables {
            let appends: usize = table.producers.values().map(|w| w.appends.len()).sum();
            assert_eq!(table.remembered, appends);
        }
    }
    println!("{due} appended, {repeats} repeats, {refused} of them refused, {most_silent} silent");
    assert!(repeats > 1_000 && refused > 100 && most_silent > 30);
}

/// Names of a table that an earlier release let grow are given up by frame after frame: all at once
/// they would not fit one.
#[test]
fn a_table_that_is_far_too_large_shrinks_frame_by_frame() {
    let mut table = State::default();
    let mark = |id: String| ProducerMark { id, sequence: 0, kept_from: 0, fingerprint: None };
    for number in 0..1_000 {
        let producers = vec![mark(format!("{number:0>9}"))];
        table.apply(number, &Header { producers, ..Header::default() }).unwrap();
    }
    let mut frames = 0;
    loop {
        let trimmed = table.make_room(&[], ROOM);
        if trimmed.is_empty() {
            break;
        }
        let names: usize = trimmed.iter().map(|one| one.id.len()).sum();
        assert!(names <= ROOM.name_bytes + 9, "{names} bytes in a frame");
        table.apply(2_000, &Header { trimmed, ..Header::default() }).unwrap();
        frames += 1;
    }
    assert!(frames > 100 && table.held().name_bytes <= ROOM.name_bytes);
    assert_eq!(table.list().len(), 1_000, "nobody is forgotten");
    assert!((0..1_000).all(|number| table.next_sequence(&format!("{number:0>9}")) == 1));
    // What comes at once may take more than a quarter.
    let more: Vec<_> = (0..5).map(|number| mark(format!("other {number}xx"))).collect();
    let trimmed = table.make_room(&more, ROOM);
    table.apply(3_000, &Header { producers: more, trimmed, ..Header::default() }).unwrap();
    assert!(ROOM.has(table.held()), "{:?}", table.held());
}
