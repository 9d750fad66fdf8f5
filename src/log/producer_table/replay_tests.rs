//! Replays frames and tables of this release and of earlier ones, mixed at random.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::super::layout::Dir;
use super::super::producer_mark::Trimmed;
use super::super::silent_producers::{IdDigest, SilentFiles};
use super::*;
use diptych_base::io::{Disk, SimDisk};

/// A bound small enough for a test to fill.
const ROOM: Room = Room { appends: 24, producers: 12, name_bytes: 60 };

/// The producers that a release with all names in memory would trim: those with more than one
/// append left.
fn trimmed_before(table: &ProducerTable) -> Vec<Trimmed> {
    let mut all: Vec<_> = table.producers.iter().collect();
    all.sort_by_key(|(id, window)| (window.appends.back().map(|last| last.epoch), id.as_str()));
    let long = all.into_iter().filter(|(_, window)| window.appends.len() > 1).take(2);
    long.map(|(id, window)| Trimmed { id: id.clone(), kept_from: window.next - 1 }).collect()
}

/// The table as such a release has it, and stores it.
fn with_all_names<'a>(
    table: &ProducerTable,
    ids: impl Iterator<Item = &'a String>,
) -> ProducerTable {
    let mut table = table.clone();
    ids.for_each(|id| table.wake(id));
    assert!(table.silent.recent().is_empty());
    table
}

fn stored(table: &ProducerTable) -> ProducerTable {
    let read = ProducerTable::unwrap(Path::new("x.state"), &table.wrap().unwrap()).unwrap();
    assert_eq!(read, *table);
    read
}

/// A log's directory for tables whose silent producers are in files.
fn directory() -> Dir {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("log")).unwrap();
    Dir::new(Arc::new(disk), Path::new("log"))
}

/// Removes the files that the table no longer lists.
fn remove_merged(dir: &Dir, table: &ProducerTable) {
    let listed = table.silent_files().listed();
    for name in dir.disk.list(&dir.path).unwrap() {
        if !listed.iter().any(|entry| entry.name() == name) {
            dir.disk.remove(&dir.file(&name)).unwrap();
        }
    }
}

/// The table as loaded from a state file and the files of silent producers.
fn reloaded(dir: &Dir, table: &ProducerTable) -> ProducerTable {
    let bytes = table.wrap().unwrap();
    let files = SilentFiles::open(dir, &table.silent_files().listed()).unwrap();
    let read = ProducerTable::unwrap(Path::new("x.state"), &bytes).unwrap().with_files(files);
    assert_eq!(read, *table);
    read
}

/// A writer's table, and that of its sealer, which lags behind.
struct Sealed {
    dir: Dir,
    live: ProducerTable,
    sealer: ProducerTable,
    behind: Vec<(Epoch, Header)>,
    /// The greatest number of files so far.
    files: usize,
}

impl Sealed {
    fn new() -> Sealed {
        let live = ProducerTable::default();
        let sealer = ProducerTable::default();
        let behind = Vec::new();
        Sealed { dir: directory(), live, sealer, behind, files: 0 }
    }

    fn replay(table: &mut ProducerTable, epoch: Epoch, header: &Header) {
        table.replay(epoch, header, |what| panic!("no frame is refused: {what}")).unwrap();
    }

    fn replay_live(&mut self, epoch: Epoch, header: &Header) {
        Sealed::replay(&mut self.live, epoch, header);
        self.behind.push((epoch, header.clone()));
    }

    /// Seals all but the last `open` frames; removes merged files.
    fn seal(&mut self, open: usize) {
        let count = self.behind.len().saturating_sub(open);
        let Some((lower, _)) = self.behind[..count].first().cloned() else { return };
        for (epoch, header) in self.behind.drain(..count) {
            Sealed::replay(&mut self.sealer, epoch, &header);
        }
        let written = self.sealer.seal_silent(&self.dir, lower).unwrap();
        self.files = self.files.max(self.sealer.silent_files().listed().len());
        remove_merged(&self.dir, &self.sealer);
        self.live.silent_sealed(self.sealer.silent_files().clone(), &written);
    }

    /// Seals, restarts, or does neither.
    fn now_and_then(&mut self, roll: &mut impl FnMut(usize) -> usize) {
        if roll(60) == 0 {
            self.seal(roll(40));
        }
        if roll(120) == 0 {
            self.restart();
        }
    }

    /// The table as it is after a restart.
    fn restart(&mut self) {
        let read = reloaded(&self.dir, &self.sealer);
        let mut live = read.clone();
        for (epoch, header) in &self.behind {
            Sealed::replay(&mut live, *epoch, header);
        }
        assert_eq!(live, self.live);
        (self.live, self.sealer) = (live, read);
    }
}

/// Checks that a table's counters match its content.
fn check_counts(table: &ProducerTable) {
    let names: usize = table.producers.keys().map(String::len).sum();
    let appends: usize = table.producers.values().map(|window| window.appends.len()).sum();
    assert_eq!((table.name_bytes, table.remembered), (names, appends));
}

/// Compares four tables: one is never stored; one is stored again and again; one is stored by an
/// earlier release again and again; one has its silent producers in files, which are merged. Each
/// of them may be that of the writer, of this release or of an earlier one. They refuse no frame
/// and answer alike: nothing counts twice, nothing due is refused.
#[test]
fn whoever_wrote_frames_and_tables_nothing_counts_twice() {
    let mut dice = 7_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    let mut tables = [ProducerTable::default(), ProducerTable::default(), ProducerTable::default()];
    let mut sealed = Sealed::new();
    let mut appended: BTreeMap<String, Vec<Epoch>> = BTreeMap::new();
    let mut due = 0;
    let mut repeats = 0;
    let mut refused = 0;
    let mut most_silent = 0;
    for epoch in 0..20_000 {
        let producer = format!("{:0>4}", roll(60));
        let epochs = appended.entry(producer.clone()).or_default();
        let back = if roll(3) == 0 { roll(4).min(epochs.len()) } else { 0 };
        let sequence = (epochs.len() - back) as u64;
        let producer = Producer { id: producer, sequence };
        let print = Fingerprint::new(sequence + 1);
        let [one, two, three] = &mut tables;
        let answers = [one, two, three, &mut sealed.live]
            .map(|table| table.decide(&mut GatheredRequests::new(), &producer, print));
        for answer in &answers {
            match answer {
                Ok(verdict) if back == 0 => assert_eq!(*verdict, RequestVerdict::Due),
                Ok(verdict) => {
                    assert_eq!(*verdict, RequestVerdict::Repeat(Some(epochs[sequence as usize])));
                }
                // The last append is always known.
                Err(error) => assert!(error.is_conflict() && back > 1, "{error}"),
            }
        }
        let is_same = answers.iter().all(|answer| answer.is_ok() == answers[0].is_ok());
        assert!(is_same, "{producer:?}: {answers:?}");
        if back > 0 {
            (repeats, refused) = (repeats + 1, refused + usize::from(answers[0].is_err()));
            continue;
        }
        let writer = tables.get(roll(4)).unwrap_or(&sealed.live);
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
        sealed.replay_live(epoch, &header);
        sealed.now_and_then(&mut roll);
        epochs.push(epoch);
        due += 1;
        most_silent = most_silent.max(tables[0].silent.recent().len());
        if roll(40) == 0 {
            tables[1] = stored(&tables[1]);
            tables[2] = stored(&with_all_names(&tables[2], appended.keys()));
        }
        tables.iter().chain([&sealed.live]).for_each(check_counts);
    }
    println!("{due} appended, {repeats} repeats, {refused} of them refused, {most_silent} silent");
    assert!(repeats > 1_000 && refused > 100 && most_silent > 30 && sealed.files > 2);
    sealed.seal(0);
    assert!(sealed.live.silent.recent().is_empty());
    let listed = |table: &ProducerTable| table.list().collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(listed(&sealed.live), listed(&tables[0]));
    assert_eq!(listed(&sealed.live).len(), appended.len(), "each once");
}

/// A table that an earlier release let grow gives up its names frame by frame: all at once they
/// would not fit one.
#[test]
fn a_table_that_is_far_too_large_shrinks_frame_by_frame() {
    let mut table = ProducerTable::default();
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
    assert_eq!(table.list().count(), 1_000, "nobody is forgotten");
    assert!((0..1_000).all(|number| table.next_sequence(&format!("{number:0>9}")).unwrap() == 1));
    // Producers that arrive together may take more than a quarter.
    let more: Vec<_> = (0..5).map(|number| mark(format!("other {number}xx"))).collect();
    let trimmed = table.make_room(&more, ROOM);
    table.apply(3_000, &Header { producers: more, trimmed, ..Header::default() }).unwrap();
    assert!(ROOM.has(table.held()), "{:?}", table.held());
}

/// More producers than were ever known in memory; all but a few thousand are in files.
#[test]
fn a_million_producers_take_no_more_memory_than_a_thousand() {
    let count = (limits::SILENCED_BEFORE_MAX as u64).next_multiple_of(1_000) + 50_000;
    let room = Room::of(4_000);
    let dir = directory();
    let mut table = ProducerTable::default();
    let id = |number: u64| format!("{number:x}");
    let mark =
        |number| ProducerMark { id: id(number), sequence: 0, kept_from: 0, fingerprint: None };
    let mut most = 0;
    for (epoch, first) in (0..).zip((0..count).step_by(1_000)) {
        let producers: Vec<_> = (first..first + 1_000).map(mark).collect();
        let trimmed = table.make_room(&producers, room);
        table.apply(epoch, &Header { producers, trimmed, ..Header::default() }).unwrap();
        most = most.max(table.silent.recent().len() + table.producers.len());
        if epoch % 100 == 99 || first + 1_000 == count {
            table.seal_silent(&dir, epoch).unwrap();
            remove_merged(&dir, &table);
        }
    }
    let mut table = reloaded(&dir, &table);
    let files = table.silent_files().listed();
    let held = table.held();
    println!("{count} producers, {} files, {most} in memory at most", files.len());
    assert!(most < 110_000 && files.len() < 20 && room.has(held), "{most}, {files:?}, {held:?}");
    let mut answer = |number, sequence| {
        let producer = Producer { id: id(number), sequence };
        let answer = table.decide(&mut GatheredRequests::new(), &producer, None);
        table.forget_recalled();
        answer
    };
    for number in (0..count).step_by(1_009) {
        assert_eq!(
            answer(number, 0).unwrap(),
            RequestVerdict::Repeat(Some(number / 1_000)),
            "{number}"
        );
        assert_eq!(answer(number, 1).unwrap(), RequestVerdict::Due);
        assert!(answer(number, 2).unwrap_err().is_conflict());
        // One more producer is within the bound: it is new.
        assert_eq!(answer(count + number, 0).unwrap(), RequestVerdict::Due);
        assert!(answer(count + number, 1).unwrap_err().is_conflict());
    }
}

/// When sealing has to wait, no further producer is named; named ones go on.
#[test]
fn the_silent_producers_that_wait_for_a_seal_are_bounded() {
    let mut table = ProducerTable::default();
    let append = |table: &mut ProducerTable, id: &str, sequence| {
        let producer = Producer { id: id.into(), sequence };
        table.decide(&mut GatheredRequests::new(), &producer, None)?;
        let producers = vec![table.mark(&producer, None)];
        let header = Header { producers, ..Header::default() };
        table.apply(sequence, &header).expect("decided");
        Ok::<_, Error>(())
    };
    let others = (1..limits::SILENCED_MAX as u128).map(|n| (IdDigest(n.to_be_bytes()), 1, 0, 0));
    table.silent = Silent::load(others.collect()).unwrap();
    append(&mut table, "old", 0).unwrap();
    append(&mut table, "named", 0).unwrap();
    table.silence(&Trimmed { id: "old".into(), kept_from: 0 }).unwrap();
    for (id, sequence) in [("new", 0), ("old", 1)] {
        let error = append(&mut table, id, sequence).unwrap_err();
        assert!(error.is_full() && error.to_string().contains("wait for a segment"), "{error}");
    }
    let producer = Producer { id: "old".into(), sequence: 0 };
    let repeat = table.decide(&mut GatheredRequests::new(), &producer, None).unwrap();
    assert_eq!(repeat, RequestVerdict::Repeat(Some(0)), "a repeat makes no room for anything");
    append(&mut table, "named", 1).unwrap();
    let written = std::iter::once(table.silent.recent().first_key_value().expect("many"));
    let written = written.map(|(digest, left)| (*digest, *left)).collect();
    table.silent_sealed(SilentFiles::default(), &written);
    append(&mut table, "old", 1).unwrap();
    append(&mut table, "new", 0).unwrap();
}
