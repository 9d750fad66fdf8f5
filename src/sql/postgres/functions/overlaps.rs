//! `OVERLAPS`: whether two spans of time, each of two ends or of a begin and a length, have a
//! moment in common.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::datatypes::DataType;

use super::super::calendar;
use super::super::failure::Outcome;
use super::super::function::PgFunction;
use super::super::time_arithmetic::{moments, span, spans, times};
use super::super::type_name::{Group, INTERVAL, TIME, TIMESTAMP, group};
use super::unknown;

pub(super) fn all() -> Vec<PgFunction> {
    vec![PgFunction::named("overlaps", four_ends, |_, _| Ok(DataType::Boolean), overlapping)]
}

/// Moments, of which the second and the fourth may be lengths; or four times of day.
fn four_ends(types: &[DataType]) -> Outcome<Vec<DataType>> {
    if types.len() != 4 {
        return Err(unknown("overlaps", types));
    }
    let are_times = types.iter().all(|of| matches!(group(of), Group::Time | Group::Unknown));
    let end = |(at, of): (usize, &DataType)| match group(of) {
        Group::Time if are_times => Ok(TIME),
        Group::Date | Group::Timestamp | Group::Timestamptz | Group::Text | Group::Unknown => {
            Ok(TIMESTAMP)
        }
        Group::Interval if at % 2 == 1 => Ok(INTERVAL),
        _ => Err(unknown("overlaps", types)),
    };
    types.iter().enumerate().map(end).collect()
}

/// The ends of a column in microseconds; lengths are added to their begins.
fn ends(begins: &[Option<i64>], array: &ArrayRef) -> Outcome<Vec<Option<i64>>> {
    match group(array.data_type()) {
        Group::Interval => {
            let spans = spans(array)?;
            let end = |(begin, length): (&Option<i64>, Option<_>)| {
                let Some((begin, length)) = begin.zip(length) else { return Ok(None) };
                calendar::later(begin, span(length)).map(Some)
            };
            begins.iter().zip(spans.iter()).map(end).collect()
        }
        Group::Time => Ok(times(array)?.iter().collect()),
        _ => Ok(moments(array)?.iter().collect()),
    }
}

fn overlapping(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let none = vec![None; args[0].len()];
    let begins = [ends(&none, &args[0])?, ends(&none, &args[2])?];
    let ends = [ends(&begins[0], &args[1])?, ends(&begins[1], &args[3])?];
    let row = |row: usize| {
        let one = (begins[0][row], ends[0][row]);
        let other = (begins[1][row], ends[1][row]);
        have_common(one, other)
    };
    Ok(Arc::new((0..args[0].len()).map(row).collect::<BooleanArray>()))
}

/// A span whose earlier end comes first, as far as both are known.
fn ordered(span: (Option<i64>, Option<i64>)) -> (Option<i64>, Option<i64>) {
    match span {
        (Some(begin), Some(end)) if begin > end => (Some(end), Some(begin)),
        (None, end) => (end, None),
        span => span,
    }
}

fn have_common(one: (Option<i64>, Option<i64>), other: (Option<i64>, Option<i64>)) -> Option<bool> {
    let (one, other) = (ordered(one), ordered(other));
    let (begin, other_begin) = (one.0?, other.0?);
    let (late, early_end, late_end) = match begin.cmp(&other_begin) {
        std::cmp::Ordering::Greater => (begin, other.1, one.1),
        std::cmp::Ordering::Less => (other_begin, one.1, other.1),
        std::cmp::Ordering::Equal => return one.1.and(other.1).map(|_| true),
    };
    // The later begin lies in the earlier span, or else an end that is not known leaves it open.
    match late < early_end? {
        true => Some(true),
        false => late_end.map(|_| false),
    }
}
