//! The events: readings of sensors, and calibrations of sensors.

use diptych::prelude::*;

/// A reading of a sensor, which numbers its readings; a copy has the number of the original.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Reading {
    /// Names the sensor.
    pub sensor: String,
    /// The sensor's number for this reading.
    pub sequence: i64,
    /// The time of the measurement.
    pub at: Timestamp,
    /// The measured value, not corrected.
    pub value: Decimal<2>,
}

/// A calibration of a sensor, in effect from `at` until the next one.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Names the sensor.
    pub sensor: String,
    /// The time from which it is in effect.
    pub at: Timestamp,
    /// The correction, added to a measured value.
    pub offset: Decimal<2>,
    /// The least corrected value that is not an alert.
    pub least: Decimal<2>,
    /// The greatest corrected value that is not an alert.
    pub greatest: Decimal<2>,
}
