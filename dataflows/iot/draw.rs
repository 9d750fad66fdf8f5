//! Generator of made-up sensors: five readings in five minutes, then a pause; some are offline
//! long.

use diptych::io::{Random, SimRandom};
use diptych::prelude::*;

use super::super::arrival::{START_S, cents};
use super::{Calibration, Reading};

/// One reading in so many is minutes late; one in so many is sent twice.
const LATE: u64 = 12;
const TWICE: u64 = 15;
/// One sensor in so many sends days of readings at the end; one in so many stops for good.
const OFFLINE: u64 = 9;
const BROKEN: u64 = 11;

/// The events of both streams, each in order of arrival. They arrive in proportion: part k of n of
/// one with part k of n of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensed {
    /// The events of the stream `readings`.
    pub readings: Vec<Reading>,
    /// The events of the stream `calibrations`; some arrive long after they take effect.
    pub calibrations: Vec<Calibration>,
}

/// Makes up `events` readings, and one calibration for about fifty of them.
pub fn draw(seed: u64, events: usize) -> Sensed {
    let random = SimRandom::new(seed);
    let sensors = 3 + events as u64 / 500;
    let each = 1 + events as u64 / sensors;
    let mut arrivals = Vec::new();
    for number in 0..events as u64 {
        let (sensor, sequence) = (number % sensors, number / sensors);
        if sensor % BROKEN == 1 && sequence > each / 3 {
            continue;
        }
        let at = START_S + minute(sequence) * 60 + random.below(50) as i64;
        let late = if sensor % OFFLINE == 2 && sequence > each / 2 {
            (minute(each) - minute(sequence)) * 60
        } else if random.below(LATE) == 0 {
            random.below(1 + random.below(120)) as i64 * 60
        } else {
            0
        };
        let swing = (at / 60 % 1440 - 720).abs() + random.below(300) as i64 - 150;
        let value = cents(1_500 + (sensor % 40) as i64 * 10 + swing);
        let (sensor, sequence, time) = (name(sensor), sequence as i64, Timestamp::from_seconds(at));
        let reading = Reading { sensor, sequence, at: time, value };
        if random.below(TWICE) == 0 {
            arrivals.push((at + late + random.below(7_200) as i64, reading.clone()));
        }
        arrivals.push((at + late, reading));
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let readings = arrivals.into_iter().map(|(_, reading)| reading).take(events).collect();
    let calibrations = (0..=events as u64 / 50).map(|number| {
        let since = random.below(1 + number * 50 / sensors);
        let middle = 1_800 + random.below(300) as i64;
        Calibration {
            sensor: name(random.below(sensors)),
            at: Timestamp::from_seconds(START_S + minute(since) * 60),
            offset: cents(random.below(60) as i64 - 30),
            least: cents(middle - 450),
            greatest: cents(middle + 450),
        }
    });
    Sensed { readings, calibrations: calibrations.collect() }
}

fn minute(sequence: u64) -> i64 {
    (sequence / 5 * 300 + sequence % 5) as i64
}

fn name(sensor: u64) -> String {
    format!("sensor-{sensor:04}")
}
