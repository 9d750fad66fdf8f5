//! The naive twin of `iot`: a list of readings without copies, searched for each question.

use std::collections::{BTreeMap, BTreeSet};

use dataflows::{Calibration, Reading, Sensed, draw_iot, iot};
use diptych::event::{Decimal, Timestamp};
use diptych::serving::Snapshot;
use diptych::testing::{Live, Story};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::Drawn;
use crate::follow::{follow, same, size};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const WEEK: i64 = 7 * 24 * HOUR;

/// The readings of the last week (in whole hours); the least of those with one number.
fn once(readings: &[Reading]) -> Vec<Reading> {
    let newest = readings.iter().map(|r| r.at.micros()).max().unwrap_or(0);
    let horizon = (newest - WEEK).div_euclid(HOUR) * HOUR;
    let mut once = BTreeMap::<(String, i64), Reading>::new();
    for reading in readings.iter().filter(|r| r.at.micros() >= horizon) {
        let known = once
            .entry((reading.sensor.clone(), reading.sequence))
            .or_insert_with(|| reading.clone());
        if (reading.at, reading.value) < (known.at, known.value) {
            *known = reading.clone();
        }
    }
    once.into_values().collect()
}

type Window = (i64, Decimal<2>, Decimal<2>, Decimal<3>);

fn windows(readings: &[Reading]) -> BTreeMap<(String, Timestamp), Window> {
    let mut windows = BTreeMap::<(String, Timestamp), Vec<i128>>::new();
    for reading in readings {
        let start = reading.at.micros() - reading.at.micros().rem_euclid(5 * MINUTE);
        let window = (reading.sensor.clone(), Timestamp::from_micros(start));
        windows.entry(window).or_default().push(reading.value.units());
    }
    let numbers = |values: Vec<i128>| {
        let (n, sum) = (values.len() as i128, values.iter().sum::<i128>());
        // Ten times as fine, and halves go away from zero.
        let mean = (2 * 10 * sum.abs() + n) / (2 * n) * sum.signum();
        let cents = |units: &i128| Decimal::<2>::new(*units).unwrap();
        let (least, greatest) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        (n as i64, cents(least), cents(greatest), Decimal::<3>::new(mean).unwrap())
    };
    windows.into_iter().map(|(window, values)| (window, numbers(values))).collect()
}

fn silent(readings: &[Reading]) -> BTreeMap<String, Timestamp> {
    let sensors: BTreeSet<&String> = readings.iter().map(|r| &r.sensor).collect();
    let last = |sensor: &&String| {
        let last = readings.iter().filter(|r| r.sensor == **sensor).map(|r| r.at).max();
        ((*sensor).clone(), last.unwrap())
    };
    let last: BTreeMap<String, Timestamp> = sensors.iter().map(last).collect();
    let an_hour_later = |at: Timestamp| {
        last.values().filter(|other| other.minute().micros() - at.micros() >= HOUR).count()
    };
    last.clone().into_iter().filter(|(_, at)| an_hour_later(*at) >= 2).collect()
}

type Alerts = BTreeMap<(String, Timestamp, i64), Decimal<2>>;

fn alerts(readings: &[Reading], calibrations: &[Calibration]) -> Alerts {
    let mut alerts = BTreeMap::new();
    for reading in readings {
        let then = calibrations.iter().filter(|c| c.sensor == reading.sensor && c.at <= reading.at);
        if let Some(then) = then.max_by_key(|c| (c.at, c.offset, c.least, c.greatest)) {
            let value = reading.value + then.offset;
            if value < then.least || value > then.greatest {
                alerts.insert((reading.sensor.clone(), reading.at, reading.sequence), value);
            }
        }
    }
    alerts
}

/// Compares all views with those of the twin for the events so far.
pub(crate) fn check(snapshot: &Snapshot, readings: &[Reading], calibrations: &[Calibration]) {
    let once = once(readings);
    same(snapshot, "windows", windows(&once));
    same(snapshot, "silent", silent(readings));
    same(snapshot, "alerts", alerts(&once, calibrations));
}

#[test]
fn the_law_holds() {
    let cents = |units: i64| Decimal::new(units.into()).unwrap();
    let at = prop::sample::select(&[0_i64, 1, 4, 5, 61, 20_000]);
    let at = at.prop_map(|minutes| Timestamp::from_micros(minutes * MINUTE));
    let reading = ("[abc]", 0_i64..4, at.clone(), -5_i64..5).prop_map(
        move |(sensor, sequence, at, value)| Reading { sensor, sequence, at, value: cents(value) },
    );
    let calibration =
        ("[ab]", at, -2_i64..3, -3_i64..3).prop_map(move |(sensor, at, offset, n)| {
            let (offset, least, greatest) = (cents(offset), cents(n), cents(n + 3));
            Calibration { sensor, at, offset, least, greatest }
        });
    let epochs = vec((vec(reading, 0..5), vec(calibration, 0..2)), 1..5);
    let stories = epochs.prop_map(|epochs| {
        epochs.iter().fold(Story::default(), |story, (readings, calibrations)| {
            story.epoch().with("readings", readings).with("calibrations", calibrations)
        })
    });
    diptych::testing::assert_law!(("iot", iot), stories, 8);
}

#[test]
fn every_epoch_is_what_plain_loops_say() {
    let (events, epochs) = size();
    let Sensed { readings, calibrations } = draw_iot(7, events);
    let sensed = Drawn { stream: "readings", events: &readings, epochs };
    let calibrated = Drawn { stream: "calibrations", events: &calibrations, epochs };
    let each = |epoch| vec![sensed.rows(epoch), calibrated.rows(epoch)];
    follow(("iot", iot), epochs, each, |epoch, snapshot| {
        check(snapshot, sensed.until(epoch), calibrated.until(epoch));
    });
    let kept = once(&readings);
    let ids: BTreeSet<_> = readings.iter().map(|r| (&r.sensor, r.sequence)).collect();
    assert!(ids.len() < readings.len(), "no copies");
    assert!(kept.len() < ids.len(), "nothing has expired");
    assert!(!alerts(&kept, &calibrations).is_empty() && !silent(&readings).is_empty());
}

#[test]
fn a_wrong_clock_silences_nobody_else() {
    let reading = |sensor: &str, sequence, at: &str| Reading {
        sensor: sensor.to_owned(),
        sequence,
        at: at.parse().unwrap(),
        value: Decimal::ZERO,
    };
    let mut live = Live::start(("iot", iot)).unwrap();
    let silent = |live: &Live| -> Vec<String> {
        let rows = live.rows::<String, Timestamp>("silent").unwrap();
        rows.into_iter().map(|(sensor, _)| sensor).collect()
    };
    let good = [("a", "2016-03-01 10:00"), ("b", "2016-03-01 11:30"), ("c", "2016-03-01 11:30:30")];
    live.feed("readings", &good.map(|(sensor, at)| reading(sensor, 1, at))).unwrap();
    assert_eq!(silent(&live), ["a"]);
    // One that cannot be believed, and two that could, were they not alone.
    live.feed("readings", &[reading("c", 2, "9999-12-31 23:59")]).unwrap();
    live.feed("readings", &[reading("d", 1, "2099-12-31 23:59")]).unwrap();
    live.feed("readings", &[reading("d", 2, "2050-01-01 00:00")]).unwrap();
    assert_eq!(silent(&live), ["a"]);
    live.restart(2).unwrap();
    live.feed("readings", &[reading("a", 2, "2016-03-01 11:31")]).unwrap();
    assert!(silent(&live).is_empty());
    live.feed("readings", &[reading("c", 3, "2016-03-01 12:30:59")]).unwrap();
    assert_eq!(silent(&live), ["b"], "to the minute");
}
