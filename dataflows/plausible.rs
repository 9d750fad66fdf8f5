//! Plausibility checks of events, so that no later operator overflows.
//!
//! A sum that is out of range is an error row, but a closure that multiplies two numbers panics,
//! and again whenever the log is replayed. So each event is checked in front; billions of those
//! that pass may be multiplied and summed.

use std::fmt::Display;

use diptych::prelude::*;

/// The greatest number of things, or of other counted units.
const NUMBER_MAX: u64 = 1_000_000_000;
/// The greatest amount, in units of its last digit.
const AMOUNT_MAX: u128 = 1_000_000_000_000_000;
/// The permitted dates: from 1970-01-01 to 2100-01-01, in microseconds.
const FIRST_US: i64 = 0;
const END_US: i64 = 4_102_444_800_000_000;

/// Checks that a number is within a billion of zero.
pub(super) fn number(what: &str, number: i64) -> Result<(), String> {
    told(number.unsigned_abs() <= NUMBER_MAX, what, number)
}

/// Checks that an amount has at most fifteen digits.
pub(super) fn amount<const S: u8>(what: &str, amount: Decimal<S>) -> Result<(), String> {
    told(amount.units().unsigned_abs() <= AMOUNT_MAX, what, amount)
}

/// Checks that a time is since 1970, and before 2100.
pub(super) fn date(at: Timestamp) -> Result<(), String> {
    told((FIRST_US..END_US).contains(&at.micros()), "date", at)
}

/// Checks that a difference is 1 or -1.
pub(super) fn one(diff: i64) -> Result<(), String> {
    told(diff == 1 || diff == -1, "diff", diff)
}

fn told(plausible: bool, what: &str, value: impl Display) -> Result<(), String> {
    if plausible { Ok(()) } else { Err(format!("implausible {what}: {value}")) }
}
