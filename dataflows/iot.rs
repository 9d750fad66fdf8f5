//! Sensors whose readings come late, twice and out of order: windows, silent sensors, alerts.
//!
//! A gateway that was offline sends days of readings at once, and repeats those not acknowledged.
//! Nothing waits for them: a window is right for the readings that have arrived, and changes when
//! more arrive. Readings more than a week behind the newest have left the state, and come too late.

use std::cmp::Reverse;
use std::time::Duration;

use diptych::folds::{Count, Max, Mean, Min};
use diptych::prelude::*;

use super::plausible::{amount, date};

mod draw;
mod facts;
pub use draw::{Sensed, draw};
use facts::ReadingRow;
pub use facts::{Calibration, Reading};

const SILENT_US: i64 = 3_600_000_000;

/// `windows`: (sensor, start of five minutes) -> n, least, greatest, mean; `silent`: (sensor) ->
/// its last reading, when two others have one an hour or more later, to the minute (one alone may
/// have a wrong clock); `alerts`: (sensor, at, sequence) -> value, corrected by the latest
/// calibration at that time, which has the range without alerts.
#[inline]
pub fn iot(df: &mut Dataflow) {
    let readings = df.events::<Reading>("readings");
    let plausible = |r: &ReadingRow<'_>| date(r.at).and(amount("value", r.value));
    let believed = readings.clone().check(plausible);
    let heard = believed.map(|r| (r.sensor.to_owned(), r.at)).fold::<Max<_>, _>("heard");
    let heard = heard.map(|(sensor, at)| ((), (at.get(), sensor)));
    // By the minute: all sensors are evaluated again whenever it changes.
    let newest = heard
        .clone()
        .top_k(2, |((), (at, sensor))| ((), (Reverse(at.minute()), sensor)))
        .filter(|(((), rank), _)| *rank == 2)
        .map(|(_, (Reverse(minute), _))| ((), minute));
    let silent = heard
        .join(newest)
        .filter(|((), ((at, _), newest))| newest.micros().saturating_sub(at.micros()) >= SILENT_US)
        .map(|((), ((at, sensor), _))| (sensor, at));

    let once = readings
        .retain(|r| r.at, Keep::days(7))
        .filter(move |r| plausible(r).is_ok())
        .map(|r| (r.sensor.to_owned(), r.sequence, r.at, r.value))
        .distinct_by("once", |(sensor, sequence, ..)| (sensor.clone(), *sequence));
    let five_minutes = Windows::tumbling(Duration::from_mins(5));
    let windows = once
        .clone()
        .map(move |(sensor, _, at, v)| ((sensor, five_minutes.at(at).start), ((), v, v, v)))
        .fold_values::<(Count, Min<_>, Max<_>, Mean<_>)>()
        .map(|(at, (n, min, max, mean))| {
            (at, (n.get(), min.get(), max.get(), mean.decimal::<3>()))
        });

    let calibrations = df
        .events::<Calibration>("calibrations")
        .check(|c| amount("offset", c.offset).and(date(c.at)))
        .map(|c| (c.sensor.to_owned(), (c.at, (c.offset, c.least, c.greatest))))
        .distinct("calibrations");
    let alerts = once
        .map(|(sensor, sequence, at, value)| (sensor, (at, (sequence, value))))
        .asof_join(calibrations)
        .flat_map(|(sensor, (at, (sequence, measured), calibration))| {
            let (offset, least, greatest) = calibration?;
            let value = measured + offset;
            let alert = !(least..=greatest).contains(&value);
            alert.then_some(((sensor, at, sequence), value))
        });

    df.view("windows", windows).columns(&["sensor", "start", "n", "least", "greatest", "mean"]);
    df.view("silent", silent).columns(&["sensor", "last"]);
    df.view("alerts", alerts).columns(&["sensor", "at", "sequence", "value"]);
}
