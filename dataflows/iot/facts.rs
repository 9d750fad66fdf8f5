//! What sensors measure, and how right they are.

use diptych::{Decimal, Event, Timestamp};

/// What a sensor measured; it numbers its readings, and a copy has the number of the original.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Reading {
    /// Names the sensor.
    pub sensor: String,
    /// The sensor's number for this reading.
    pub sequence: i64,
    /// When it was measured.
    pub at: Timestamp,
    /// As measured, not corrected.
    pub value: Decimal<2>,
}

/// What is known of a sensor from `at` until its next calibration.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Names the sensor.
    pub sensor: String,
    /// From when on.
    pub at: Timestamp,
    /// Added to what it measures.
    pub offset: Decimal<2>,
    /// The least corrected value that is no alert.
    pub least: Decimal<2>,
    /// The greatest.
    pub greatest: Decimal<2>,
}
