//! Retention by examples: late events, wrong dates, versions, files, sizes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dataflows::Line;
use diptych::dataflow::{Definition, Keep};
use diptych::event::Timestamp;
use diptych::io::SimClock;
use diptych::log::WriterOptions;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{BatchOptions, Boundary, Cluster, DeployOptions, ServeOptions};
use diptych::{Dataflow, System};

use crate::BEGIN;
use crate::flow::{DAY, SECOND};

/// Lines with their times, in seconds after [`BEGIN`].
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

/// A version that keeps longer brings back what is in the log, and reports that before it serves.
#[test]
fn a_version_that_keeps_longer_brings_back_what_had_expired() -> diptych::Result<()> {
    let flow = |seconds: u32| {
        Definition::new("lines", move |df| {
            df.version(&seconds.to_string());
            lines(df, Keep::seconds(seconds));
        })
    };
    let system = System::in_memory();
    let writer = system.writer()?;
    say(&writer, &[0, 50, 100])?;
    let served = system.serve(&[flow(60)], ServeOptions::default().writer(&writer))?;
    say(&writer, &[150, 20])?;
    served.wait_beyond("lines", 1)?;
    let readers = served.serving("lines")?;
    let rows = |of: &diptych::serving::Serving| -> diptych::Result<Vec<String>> {
        let rows = of.snapshot(Read::Latest)?.rows::<String, i64>("lines")?;
        let mut rows: Vec<_> = rows.into_iter().map(|((line, _), _)| line).collect();
        rows.sort_by_key(|line| line.parse::<i64>().expect("a number"));
        Ok(rows)
    };
    assert_eq!(rows(&readers)?, ["100", "150"]);
    let deployed = system.deploy(&served, &flow(130), &DeployOptions::default())?;
    let view = &deployed.views[0];
    assert_eq!((view.added, view.removed, view.changed), (2, 0, 0), "{view:?}");
    assert_eq!(rows(&readers)?, ["20", "50", "100", "150"]);
    say(&writer, &[200, 60])?;
    readers.index().wait_beyond(2, Duration::from_secs(20));
    assert_eq!(rows(&readers)?, ["100", "150", "200"]);
    served.stop()
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

/// History grows; the retained state does not, on disk or in memory.
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

/// As [`lines`], with a view that keeps its rows for less, under a version that never changes.
fn golden(df: &mut Dataflow) {
    df.version("1");
    lines(df, Keep::seconds(60));
    let at = |text: &str| text.parse().map(|s: i64| Timestamp::from_micros(BEGIN + s * SECOND));
    let lines = df.events::<Line>("lines");
    let newest = lines.newest(move |line| at(line.text).ok());
    // No closure is part of its type: those have the path of this test in their name.
    let texts = lines.map(|line| line.text.to_owned()).distinct("texts");
    df.view("texts", texts.map(|text| (text, ()))).retain(
        &newest,
        move |text, ()| at(text).ok(),
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
        (1, &[("1000", 1), ("1010", 1), ("970", 2)], &["1000", "1010", "935", "970"]),
        (2, &[("1000", 1), ("1010", 1), ("1031", 1)], &["1000", "1010", "1031", "970"]),
        (
            3,
            &[("1000", 1), ("1010", 1), ("1031", 1), ("1060", 1)],
            &["1000", "1010", "1031", "1060", "970"],
        ),
    ];
    for (epoch, lines, texts) in expected {
        let snapshot = index.snapshot(Read::AsOf(epoch))?;
        let mut rows = snapshot.rows::<String, i64>("lines")?;
        rows.sort();
        let rows: Vec<_> = rows.iter().map(|((line, n), _)| (line.as_str(), *n)).collect();
        assert_eq!(rows, lines, "epoch {epoch}");
        let mut rows = snapshot.rows::<String, ()>("texts")?;
        rows.sort();
        let rows: Vec<_> = rows.iter().map(|((text, ()), _)| text.as_str()).collect();
        assert_eq!(rows, texts, "epoch {epoch}");
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
