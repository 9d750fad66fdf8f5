//! Retention: at every epoch, every view is as if only events and rows at or above the horizon had
//! ever existed; in both layers, for any split, worker count, restart, late events, wrong dates and
//! jumping clocks.

mod naive;

#[path = "retention/flow.rs"]
mod flow;

#[path = "retention/plain.rs"]
mod plain;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diptych::System;
use diptych::event::Timestamp;
use diptych::io::SimClock;
use diptych::log::{Append, Pending, WriterOptions};
use diptych::serving::{Index, Read};
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};

use flow::{Answers, DAY, Epoch, MINUTE, Reading, Remark, SECOND, answers, definition, twin};
use naive::{cases, scaled};

/// The time of the histories.
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
    use diptych::event::EventAppender;
    let mut appender = E::Appender::default();
    events.iter().for_each(|event| appender.push(event));
    appender.finish()
}

/// Serves the whole log from the boundary on and compares every epoch, and the counts of late
/// events.
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

/// Checks that the changes from the first epoch on add up to the answers: an expiring row is taken
/// back.
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
            *rows.entry((change.key.clone(), change.value.clone())).or_default() += change.diff;
        }
        rows.retain(|_, times| *times != 0);
        if rows.len() != answers[name].len() || rows.values().any(|times| *times != 1) {
            return Err(format!("the changes of {name} do not give epoch {epoch}: {rows:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_view_is_as_if_only_what_is_kept_had_been() {
    cases("retention", "every_view", scaled(80, 10_000), case(), holds);
}
