//! What is kept for a declared time: at every epoch, every view is as if only what is at or above
//! the horizon had ever been; in both layers, for any split, worker count, restart, late events,
//! wrong dates and jumping clocks.

mod naive;

#[path = "retention/flow.rs"]
mod flow;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diptych::dataflows::Line;
use diptych::io::SimClock;
use diptych::log::{Append, Pending, WriterOptions};
use diptych::serving::{Index, Read};
use diptych::{
    BatchOptions, Boundary, Cluster, Dataflow, Definition, Keep, ServeOptions, System, Timestamp,
    append,
};
use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};

use flow::{Answers, DAY, Epoch, MINUTE, Reading, Remark, SECOND, answers, definition, twin};
use naive::{cases, scaled};

/// When the histories are about.
const BEGIN: i64 = 1_475_280_000 * SECOND;

#[derive(Clone, Debug)]
struct Case {
    history: Vec<Epoch>,
    split: Pick,
    workers: [usize; 3],
    incremental: bool,
}

/// A moment around the time at which its epoch should be, late or early, known or not.
fn at() -> impl Strategy<Value = Option<i64>> + Clone {
    let near = -3 * MINUTE..2 * MINUTE;
    let edges = (-8_i64..2).prop_map(|minutes| minutes * MINUTE);
    let late = -30 * MINUTE..0;
    let far = select(vec![20 * MINUTE, 10 * 60 * MINUTE, DAY + MINUTE, 400 * DAY, -400 * DAY]);
    let odd = select(vec![i64::MAX / 64, i64::MIN / 64]);
    prop_oneof![
        12 => near.prop_map(Some),
        6 => edges.prop_map(Some),
        4 => late.prop_map(Some),
        1 => far.prop_map(Some),
        1 => odd.prop_map(Some),
        1 => Just(None),
    ]
}

fn reading() -> impl Strategy<Value = Reading> + Clone {
    let weight = select(vec![1_i64, 1, 1, 1, -1, 2, 0]);
    let key = select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    (at(), key, -4_i64..8, weight).prop_map(|(at, key, value, weight)| Reading {
        at: at.map(Timestamp::from_micros),
        key,
        value,
        weight,
    })
}

fn remark() -> impl Strategy<Value = Remark> + Clone {
    let key = select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    (at(), key)
        .prop_map(|(at, key)| Remark { at: Timestamp::from_micros(at.unwrap_or_default()), key })
}

/// Epochs two minutes apart on average; clocks that go right, stand still, or jump either way.
fn history() -> impl Strategy<Value = Vec<Epoch>> {
    let readings = prop::collection::vec(reading(), 0..7);
    let remarks = prop::collection::vec(remark(), 0..3);
    let pace = select(vec![0, SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 12 * MINUTE]);
    let jump = prop_oneof![
        12 => Just(0),
        1 => select(vec![-3650 * DAY, 3650 * DAY, -7 * MINUTE, 40 * MINUTE]),
    ];
    let epoch = (readings, remarks, pace, jump, 0_u8..8);
    prop::collection::vec(epoch, 1..16).prop_map(|epochs| {
        let (mut now, mut skew) = (BEGIN, 0);
        let moved = |at: Timestamp, now| Timestamp::from_micros(at.micros().saturating_add(now));
        let mut history = Vec::new();
        for (mut readings, mut remarks, pace, jump, empty) in epochs {
            now += pace;
            skew += jump;
            if empty == 0 {
                (readings, remarks) = Default::default();
            }
            readings.iter_mut().for_each(|r| r.at = r.at.map(|at| moved(at, now)));
            remarks.iter_mut().for_each(|r| r.at = moved(r.at, now));
            history.push(Epoch { clock: now + skew, readings, remarks });
        }
        history
    })
}

fn case() -> impl Strategy<Value = Case> {
    let workers = || select(vec![1_usize, 2, 3, 4]);
    (history(), any::<Pick>(), [workers(), workers(), workers()], any::<bool>()).prop_map(
        |(history, split, workers, incremental)| Case { history, split, workers, incremental },
    )
}

fn write(system: &System, history: &[Epoch], sealed: usize) -> diptych::Result<()> {
    let clock = Arc::new(SimClock::at(0));
    let writer = system.writer_with(Arc::clone(&clock) as _, WriterOptions::default())?;
    for (number, epoch) in history.iter().enumerate() {
        if number == sealed {
            writer.seal()?;
        }
        clock.set(epoch.clock);
        let mut all = Append::default();
        if !epoch.readings.is_empty() {
            all.batches.push(("readings".into(), batch(&epoch.readings)));
        }
        if !epoch.remarks.is_empty() {
            all.batches.push(("remarks".into(), batch(&epoch.remarks)));
        }
        let ack = writer.append(all).and_then(Pending::wait)?;
        assert_eq!(ack.epoch, number as u64);
    }
    writer.close()
}

fn batch<E: diptych::Event>(events: &[E]) -> arrow_array::RecordBatch {
    use diptych::event::Append;
    let mut appender = E::Appender::default();
    events.iter().for_each(|event| appender.push(event));
    appender.finish()
}

/// Serves the whole log from the boundary on and compares every epoch; late events are told too.
fn check(
    system: &System,
    expected: &[Answers],
    (boundary, first): (Boundary, usize),
    workers: usize,
    what: &str,
) -> Result<(Index, u64), String> {
    let served = || -> diptych::Result<_> {
        let upper = expected.len() as u64;
        let options = ServeOptions::default().boundary(boundary).cluster(Cluster::local(workers));
        let served = system.serve(&[definition()], options.until(upper))?;
        served.wait_beyond("every_kind", upper - 1)?;
        let index = Index::clone(&served.index("every_kind")?);
        let late = served.late_events("every_kind");
        served.stop()?;
        Ok((index, late))
    };
    let (index, late) = served().map_err(|error| format!("{what}: {error}"))?;
    for epoch in (first..expected.len()).rev() {
        let found = index.snapshot(Read::AsOf(epoch as u64)).and_then(|of| answers(&of));
        let found = found.map_err(|error| format!("{what}, epoch {epoch}: {error}"))?;
        for (view, rows) in &expected[epoch] {
            if found[view] != *rows {
                return Err(format!(
                    "{what}, {workers} workers, view {view} at epoch {epoch}:\n   found {:?}\n\
                     expected {rows:?}",
                    found[view]
                ));
            }
        }
    }
    Ok((index, late))
}

/// The law for one case.
fn holds(case: &Case) -> Result<(), String> {
    let shown = |error: diptych::Error| error.to_string();
    let upper = case.history.len();
    let expected: Vec<_> = (0..upper).map(|epoch| twin(&case.history[..=epoch])).collect();
    let split = case.split.index(upper) + 1;
    let system = System::in_memory();
    write(&system, &case.history, split / 2).map_err(shown)?;
    let [alone, batch, behind] = case.workers;
    let (index, _) = check(&system, &expected, (Boundary::InPlace(0), 0), alone, "speed alone")?;
    check_changes(&index, &expected)?;
    let in_place = (Boundary::InPlace(split as u64), split - 1);
    check(&system, &expected, in_place, behind, &format!("in place up to {split}"))?;
    let make = |upto: usize, incremental| {
        let (cluster, upto) = (Cluster::local(batch), Some(upto as u64));
        let options = BatchOptions { cluster, upto, incremental, ..BatchOptions::default() };
        system.batch(&definition(), &options).map(drop).map_err(shown)
    };
    make(split, false)?;
    let restored = (Boundary::Restore(split as u64), split - 1);
    check(&system, &expected, restored, behind, &format!("restored at {split}"))?;
    if split < upper {
        make(upper, case.incremental)?;
        let end = (Boundary::Restore(upper as u64), upper - 1);
        check(&system, &expected, end, alone, "restored at the end")?;
    }
    Ok(())
}

/// The changes from the first epoch on add up to the answers: what expires is taken back then.
fn check_changes(index: &Index, expected: &[Answers]) -> Result<(), String> {
    let name = "counts";
    let id = index.views().iter().position(|view| view.name == name).ok_or("no such view")?;
    let mut changes = index.changes(id, 0).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    while changes.token().epoch < expected.len() as u64 {
        let next = changes.next(Duration::ZERO).map_err(|error| error.to_string())?;
        all.extend(next.into_iter().flatten());
    }
    for (epoch, answers) in expected.iter().enumerate() {
        let mut rows: BTreeMap<_, isize> = BTreeMap::new();
        for change in all.iter().filter(|change| change.epoch <= epoch as u64) {
            *rows.entry((change.key.to_vec(), change.value.to_vec())).or_default() += change.diff;
        }
        rows.retain(|_, times| *times != 0);
        if rows.len() != answers[name].len() || rows.values().any(|times| *times != 1) {
            return Err(format!("the changes of {name} do not give epoch {epoch}: {rows:?}"));
        }
    }
    Ok(())
}

/// Lines that say when they are, in seconds, behind [`BEGIN`].
fn lines(df: &mut Dataflow, keep: Keep) {
    let at = |text: &str| text.parse().map(|s: i64| Timestamp::from_micros(BEGIN + s * SECOND));
    let lines = df.events::<Line>("lines").retain(move |line| at(line.text).ok(), keep);
    df.view("lines", lines.map(|line| line.text.to_owned()).count("lines"));
}

/// Appends an epoch of such lines.
fn say(writer: &diptych::log::Writer, seconds: &[i64]) -> diptych::Result<()> {
    let lines: Vec<_> = seconds.iter().map(|s| Line { text: s.to_string() }).collect();
    append(writer, "lines", &lines).map(drop)
}

#[test]
fn late_events_are_counted_and_change_nothing() -> diptych::Result<()> {
    let flow = Definition::new("lines", |df| lines(df, Keep::seconds(60)));
    let system = System::in_memory();
    let writer = system.writer()?;
    // History: what was late then is not known.
    say(&writer, &[0, 1000, 0, 3])?;
    say(&writer, &[1000])?;
    let options = ServeOptions::default().cluster(Cluster::local(3)).writer(&writer);
    let served = system.serve(std::slice::from_ref(&flow), options)?;
    // Three at once: the horizon of their own epoch counts, whichever worker reads them.
    say(&writer, &[1100, 1039, 1040, 100, 1041, 100])?;
    say(&writer, &[1039, 1100])?;
    say(&writer, &[])?;
    served.wait_beyond("lines", 4)?;
    let tries = 200;
    for _ in (0..tries).take_while(|_| served.late_events("lines") < 4) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(served.late_events("lines"), 4, "1039, 100, 100, 1039");
    let mut rows = served.index("lines")?.snapshot(Read::Latest)?.rows::<String, i64>("lines")?;
    rows.sort();
    let rows: Vec<_> = rows.iter().map(|((line, n), _)| (line.as_str(), *n)).collect();
    assert_eq!(rows, [("1040", 1), ("1041", 1), ("1100", 2)]);
    served.stop()
}

#[test]
fn a_single_wrong_date_empties_nothing() -> diptych::Result<()> {
    let flow = Definition::new("lines", |df| lines(df, Keep::days(2)));
    let system = System::in_memory();
    // The clock is where the events are; then it jumps, with nothing else.
    let clock = Arc::new(SimClock::at(BEGIN));
    let writer = system.writer_with(Arc::clone(&clock) as _, WriterOptions::default())?;
    let year = 366 * DAY / SECOND;
    say(&writer, &[0, 1])?;
    say(&writer, &[8000 * year, 2])?;
    say(&writer, &[DAY / SECOND - 1])?;
    for jump in [-10, 10] {
        clock.set(BEGIN + jump * year * SECOND);
        say(&writer, &[3])?;
        say(&writer, &[])?;
    }
    writer.close()?;
    for boundary in [Boundary::InPlace(0), Boundary::InPlace(7)] {
        let options = ServeOptions::default().boundary(boundary).until(7);
        let served = system.serve(std::slice::from_ref(&flow), options)?;
        served.wait_beyond("lines", 6)?;
        let rows = served.index("lines")?.snapshot(Read::Latest)?.rows::<String, i64>("lines")?;
        assert_eq!(rows.len(), 6, "{rows:?}");
        served.stop()?;
    }
    Ok(())
}

#[test]
fn another_retention_is_another_function() -> diptych::Result<()> {
    let system = System::in_memory();
    let writer = system.writer()?;
    say(&writer, &[0, 1000])?;
    let of_stream = |seconds| {
        Definition::new("stream", move |df| {
            df.version("1");
            lines(df, Keep::seconds(seconds));
        })
    };
    let of_view = |seconds| {
        Definition::new("view", move |df| {
            df.version("1");
            let lines = df.events::<Line>("lines");
            let newest = lines.newest(|_| Timestamp::from_micros(BEGIN));
            let at = |_: &String, _: &i64| Timestamp::from_micros(BEGIN);
            let lines = lines.map(|line| line.text.to_owned()).count("lines");
            df.view("lines", lines).retain(&newest, at, Keep::seconds(seconds));
        })
    };
    for (first, changed) in [(of_stream(60), of_stream(61)), (of_view(60), of_view(61))] {
        let (before, after) = (first.describe()?, changed.describe()?);
        assert_ne!(before.fingerprint, after.fingerprint);
        system.batch(&first, &BatchOptions::default())?;
        let Err(error) = system.serve(&[changed], ServeOptions::default()) else {
            panic!("another retention was restored")
        };
        let text = error.to_string();
        assert!(error.is_conflict() && text.contains("1 minute in steps of"), "{text}");
        assert!(
            text.contains("61 seconds in steps of 1 second, by stream lines")
                || !text.contains("by stream"),
            "{text}"
        );
        assert!(text.contains("new version"), "{text}");
    }
    Ok(())
}

#[test]
fn a_view_is_retained_once() {
    let twice = Definition::new("twice", |df| {
        let lines = df.events::<Line>("lines");
        let newest = lines.newest(|_| Timestamp::from_micros(BEGIN));
        let at = |_: &String, _: &i64| Timestamp::from_micros(BEGIN);
        let counts = lines.map(|line| line.text.to_owned()).count("lines");
        let view = df.view("lines", counts).retain(&newest, at, Keep::days(1));
        view.retain(&newest, at, Keep::days(2)).columns(&["line", "n"]);
    });
    let error = twice.describe().expect_err("it says two things").to_string();
    assert!(error.contains("view \"lines\" is retained twice"), "{error}");
}

/// History grows; what is kept of it does not, on disk or in memory.
#[test]
fn state_stays_bounded_while_history_grows() -> diptych::Result<()> {
    let place = tempfile::tempdir().expect("a temporary directory");
    let all = Definition::new("all", |df| {
        let lines = df.events::<Line>("lines");
        df.view("lines", lines.map(|line| line.text.to_owned()).count("lines"));
    });
    let kept = Definition::new("kept", |df| lines(df, Keep::hours(1)));
    let system = System::open(place.path());
    let writer = system.writer()?;
    let (per_epoch, mut sizes) = (400, Vec::new());
    for epoch in 0..60 {
        // An event every three seconds, all different: an hour has 1,200.
        let seconds: Vec<_> = (0..per_epoch).map(|i| (epoch * per_epoch + i) * 3).collect();
        say(&writer, &seconds)?;
        if [9, 29, 59].contains(&epoch) {
            let mut rows = Vec::new();
            for flow in [&all, &kept] {
                let options = BatchOptions { cluster: Cluster::local(2), ..Default::default() };
                system.batch(flow, &options)?;
                let served = system.serve(std::slice::from_ref(flow), ServeOptions::default())?;
                served.wait_beyond(flow.name(), epoch as u64)?;
                let index = served.index(flow.name())?;
                rows.push(index.snapshot(Read::Latest)?.rows::<String, i64>("lines")?.len());
                served.stop()?;
            }
            let bytes = accumulated(place.path(), epoch as u64 + 1);
            println!(
                "{} events: {} rows kept of {}, {} bytes of accumulations of {}",
                (epoch + 1) * per_epoch,
                rows[1],
                rows[0],
                bytes["kept"],
                bytes["all"],
            );
            sizes.push((rows[1], bytes["kept"]));
        }
    }
    for (rows, bytes) in &sizes {
        assert!((1200..1240).contains(rows), "{rows} rows");
        assert!(*bytes < sizes[0].1 * 11 / 10, "{sizes:?}");
    }
    writer.close()
}

/// As [`lines`], with a view that keeps its rows for less, under a version that is never changed.
fn golden(df: &mut Dataflow) {
    df.version("1");
    lines(df, Keep::seconds(60));
    let at = |text: &str| text.parse().map(|s: i64| Timestamp::from_micros(BEGIN + s * SECOND));
    let lines = df.events::<Line>("lines");
    let newest = lines.newest(move |line| at(line.text).ok());
    let lengths = lines.map(|line| (line.text.len() as i64, line.text.to_owned()));
    let longest = lengths.latest("longest", |text| text.to_owned());
    df.view("longest", longest).retain(
        &newest,
        move |_, text| at(text).ok(),
        Keep::seconds(90).step(Duration::from_secs(10)),
    );
}

/// Promise 21: a batch view with accumulations that expire, as the first release that had them
/// wrote it, is never written again. `DIPTYCH_BLESS=1` writes it where there is none.
#[test]
fn a_batch_view_of_format_1_with_retention_opens() -> diptych::Result<()> {
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/retained-v1");
    let flow = Definition::new("golden", golden);
    if std::env::var_os("DIPTYCH_BLESS").is_some() && !kept.exists() {
        let system = System::open(&kept);
        let writer = system.writer()?;
        say(&writer, &[5, 1000, 970, 935])?;
        say(&writer, &[1010, 970])?;
        writer.close()?;
        let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
        system.batch(&flow, &options)?;
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    copy(&kept, place.path());
    let system = System::open(place.path());
    let writer = system.writer()?;
    let options = ServeOptions::default().boundary(Boundary::Restore(2)).writer(&writer);
    let served = system.serve(&[flow], options)?;
    say(&writer, &[1031])?;
    say(&writer, &[1060])?;
    served.wait_beyond("golden", 3)?;
    let index = served.index("golden")?;
    let expected: [(u64, &[(&str, i64)], &[&str]); 3] = [
        (1, &[("1000", 1), ("1010", 1), ("970", 2)], &["1010", "970"]),
        (2, &[("1000", 1), ("1010", 1), ("1031", 1)], &["1031", "970"]),
        (3, &[("1000", 1), ("1010", 1), ("1031", 1), ("1060", 1)], &["1060", "970"]),
    ];
    for (epoch, lines, longest) in expected {
        let snapshot = index.snapshot(Read::AsOf(epoch))?;
        let mut rows = snapshot.rows::<String, i64>("lines")?;
        rows.sort();
        let rows: Vec<_> = rows.iter().map(|((line, n), _)| (line.as_str(), *n)).collect();
        assert_eq!(rows, lines, "epoch {epoch}");
        let mut rows = snapshot.rows::<i64, String>("longest")?;
        rows.sort_by(|(a, _), (b, _)| a.1.cmp(&b.1));
        let rows: Vec<_> = rows.iter().map(|((_, line), _)| line.as_str()).collect();
        assert_eq!(rows, longest, "epoch {epoch}");
    }
    served.stop()
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for file in std::fs::read_dir(from).expect("the golden files").flatten() {
        let to = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &to);
        } else {
            std::fs::copy(file.path(), to).expect("copied");
        }
    }
}

/// Bytes of the accumulations of each dataflow at a boundary.
fn accumulated(root: &std::path::Path, boundary: u64) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    for flow in std::fs::read_dir(root.join("views")).expect("views").flatten() {
        for version in std::fs::read_dir(flow.path()).expect("versions").flatten() {
            for file in std::fs::read_dir(version.path()).expect("files").flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                if name.starts_with(&format!("{boundary:020}.accumulation.")) {
                    let flow = flow.file_name().to_string_lossy().into_owned();
                    *bytes.entry(flow).or_default() += file.metadata().expect("a file").len();
                }
            }
        }
    }
    bytes
}

#[test]
fn every_view_is_as_if_only_what_is_kept_had_been() {
    cases("retention", "every_view", scaled(80, 10_000), case(), holds);
}
