//! Arithmetic of dates, times, moments and intervals with `PostgreSQL`'s result types.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int32Array, IntervalMonthDayNanoArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::logical_expr::Expr;

use super::arithmetic::NumberOp;
use super::calendar::{self, CalendarSpan, DAY};
use super::failure::{Outcome, beyond_calendar, division_by_zero};
use super::function::{Kernel, PgFunction};
use super::type_name::{Group, INTERVAL, TIME, TIMESTAMP, timestamptz};

/// An interval of a column.
pub(super) fn span(value: IntervalMonthDayNano) -> CalendarSpan {
    CalendarSpan { months: value.months, days: value.days, micros: value.nanoseconds / 1_000 }
}

/// An interval as a column holds it.
pub(super) fn of_span(span: CalendarSpan) -> Outcome<IntervalMonthDayNano> {
    let nanos = span.micros.checked_mul(1_000).ok_or_else(|| beyond_calendar("interval"))?;
    Ok(IntervalMonthDayNano::new(span.months, span.days, nanos))
}

/// `left op right` of these groups, or none when it is no arithmetic of times.
pub(super) fn of(op: NumberOp, left: Expr, right: Expr, groups: (Group, Group)) -> Option<Expr> {
    use Group::{Date, Int, Interval, Time, Timestamp, Timestamptz};
    use NumberOp::{Minus, Over, Plus, Times};
    let is_number = |group: Group| group.is_number();
    let (returns, kernel, is_swapped): (DataType, Kernel, bool) = match (op, groups.0, groups.1) {
        (Plus, Date, Int(2 | 4)) => (DataType::Date32, date_plus_days, false),
        (Plus, Int(2 | 4), Date) => (DataType::Date32, date_plus_days, true),
        (Minus, Date, Int(2 | 4)) => (DataType::Date32, date_minus_days, false),
        (Minus, Date, Date) => (DataType::Int32, days_between, false),
        (Plus, Date, Time) => (TIMESTAMP, date_plus_time, false),
        (Plus, Time, Date) => (TIMESTAMP, date_plus_time, true),
        (Plus, Date | Timestamp, Interval) => (TIMESTAMP, moment_plus, false),
        (Plus, Interval, Date | Timestamp) => (TIMESTAMP, moment_plus, true),
        (Minus, Date | Timestamp, Interval) => (TIMESTAMP, moment_minus, false),
        (Plus, Timestamptz, Interval) => (timestamptz(), moment_plus, false),
        (Plus, Interval, Timestamptz) => (timestamptz(), moment_plus, true),
        (Minus, Timestamptz, Interval) => (timestamptz(), moment_minus, false),
        (Minus, Date | Timestamp | Timestamptz, Date | Timestamp | Timestamptz) => {
            (INTERVAL, between, false)
        }
        (Plus, Time, Interval) => (TIME, time_plus, false),
        (Plus, Interval, Time) => (TIME, time_plus, true),
        (Minus, Time, Interval) => (TIME, time_minus, false),
        (Minus, Time, Time) => (INTERVAL, times_between, false),
        (Plus, Interval, Interval) => (INTERVAL, sum_of_spans, false),
        (Minus, Interval, Interval) => (INTERVAL, difference_of_spans, false),
        (Times, Interval, number) if is_number(number) => (INTERVAL, span_times, false),
        (Times, number, Interval) if is_number(number) => (INTERVAL, span_times, true),
        (Over, Interval, number) if is_number(number) => (INTERVAL, span_over, false),
        _ => return None,
    };
    let label = match op {
        Plus => "pg_time_plus",
        Minus => "pg_time_minus",
        Times => "pg_time_times",
        _ => "pg_time_over",
    };
    let function = PgFunction::fixed(label, returns, kernel).written(op.symbol());
    let args = if is_swapped { vec![right, left] } else { vec![left, right] };
    Some(function.call(args))
}

fn dates(array: &ArrayRef) -> Outcome<Date32Array> {
    Ok(cast(array, &DataType::Date32)?.as_primitive::<Date32Type>().clone())
}

fn ints(array: &ArrayRef) -> Outcome<datafusion::arrow::array::Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Dates and moments of any unit as microseconds since 1970.
pub(super) fn moments(array: &ArrayRef) -> Outcome<TimestampMicrosecondArray> {
    match array.data_type() {
        DataType::Date32 | DataType::Date64 => {
            let rows = dates(array)?;
            let rows = rows.iter().map(|days| days.map(calendar::midnight).transpose());
            rows.collect()
        }
        DataType::Timestamp(_, zone) => {
            let to = DataType::Timestamp(
                datafusion::arrow::datatypes::TimeUnit::Microsecond,
                zone.clone(),
            );
            let rows = cast(array, &to)?;
            Ok(rows
                .as_primitive::<TimestampMicrosecondType>()
                .clone()
                .with_timezone_opt(None::<&str>))
        }
        _ => Ok(cast(array, &TIMESTAMP)?.as_primitive::<TimestampMicrosecondType>().clone()),
    }
}

pub(super) fn times(array: &ArrayRef) -> Outcome<Time64MicrosecondArray> {
    Ok(cast(array, &TIME)?.as_primitive::<Time64MicrosecondType>().clone())
}

/// Intervals of any unit; durations have whole days and the rest.
pub(super) fn spans(array: &ArrayRef) -> Outcome<IntervalMonthDayNanoArray> {
    if let DataType::Duration(_) = array.data_type() {
        use datafusion::arrow::datatypes::{DurationMicrosecondType, TimeUnit};
        let rows = cast(array, &DataType::Duration(TimeUnit::Microsecond))?;
        let rows = rows.as_primitive::<DurationMicrosecondType>().clone();
        let span = |micros: i64| CalendarSpan::of_difference(micros).and_then(of_span);
        return rows.iter().map(|micros| micros.map(span).transpose()).collect();
    }
    Ok(cast(array, &INTERVAL)?.as_primitive::<IntervalMonthDayNanoType>().clone())
}

/// Calls `one` for each row in which both columns have a value.
fn each<A, B, T, C: FromIterator<Option<T>>>(
    left: impl Iterator<Item = Option<A>>,
    right: impl Iterator<Item = Option<B>>,
    one: impl Fn(A, B) -> Outcome<T>,
) -> Outcome<C> {
    left.zip(right)
        .map(|(left, right)| left.zip(right).map(|(left, right)| one(left, right)).transpose())
        .collect()
}

fn shifted(days: i32, by: Option<i64>) -> Outcome<i32> {
    if days == i32::MAX || days == i32::MIN {
        return Ok(days);
    }
    let day = by.and_then(|by| i64::from(days).checked_add(by));
    day.and_then(calendar::day_within).ok_or_else(|| beyond_calendar("date"))
}

fn date_plus_days(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let days = dates(&args[0])?;
    let by = ints(&args[1])?;
    let rows: Date32Array = each(days.iter(), by.iter(), |day, by| shifted(day, Some(by)))?;
    Ok(Arc::new(rows))
}

fn date_minus_days(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let days = dates(&args[0])?;
    let by = ints(&args[1])?;
    let rows: Date32Array = each(days.iter(), by.iter(), |day, by| shifted(day, by.checked_neg()))?;
    Ok(Arc::new(rows))
}

fn days_between(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let left = dates(&args[0])?;
    let right = dates(&args[1])?;
    let rows: Int32Array = each(left.iter(), right.iter(), |left, right| {
        let is_finite = ![i32::MAX, i32::MIN].iter().any(|end| *end == left || *end == right);
        let days = if is_finite { left.checked_sub(right) } else { None };
        days.ok_or_else(|| beyond_calendar("cannot subtract infinite dates: date"))
    })?;
    Ok(Arc::new(rows))
}

fn date_plus_time(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let days = dates(&args[0])?;
    let times = times(&args[1])?;
    let rows: TimestampMicrosecondArray = each(days.iter(), times.iter(), |day, time| {
        calendar::later(calendar::midnight(day)?, CalendarSpan::of_micros(time))
    })?;
    Ok(Arc::new(rows))
}

fn moved(args: &[ArrayRef], to: &DataType, is_minus: bool) -> Outcome<ArrayRef> {
    let moments = moments(&args[0])?;
    let spans = spans(&args[1])?;
    let rows: TimestampMicrosecondArray = each(moments.iter(), spans.iter(), |at, by| {
        let by = span(by);
        calendar::later(at, if is_minus { by.negated()? } else { by })
    })?;
    Ok(Arc::new(rows.with_data_type(to.clone())))
}

fn moment_plus(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    moved(args, to, false)
}

fn moment_minus(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    moved(args, to, true)
}

fn between(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let left = moments(&args[0])?;
    let right = moments(&args[1])?;
    let rows: IntervalMonthDayNanoArray = each(left.iter(), right.iter(), |left, right| {
        let is_finite = ![i64::MAX, i64::MIN].iter().any(|end| *end == left || *end == right);
        let micros = if is_finite { left.checked_sub(right) } else { None };
        let what = "cannot subtract infinite timestamps: interval";
        of_span(CalendarSpan::of_difference(micros.ok_or_else(|| beyond_calendar(what))?)?)
    })?;
    Ok(Arc::new(rows))
}

fn time_moved(args: &[ArrayRef], sign: i64) -> Outcome<ArrayRef> {
    let times = times(&args[0])?;
    let spans = spans(&args[1])?;
    let rows: Time64MicrosecondArray = each(times.iter(), spans.iter(), |time, by| {
        Ok((time + sign * (span(by).micros % DAY)).rem_euclid(DAY))
    })?;
    Ok(Arc::new(rows))
}

fn time_plus(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    time_moved(args, 1)
}

fn time_minus(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    time_moved(args, -1)
}

fn times_between(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let left = times(&args[0])?;
    let right = times(&args[1])?;
    let rows: IntervalMonthDayNanoArray = each(left.iter(), right.iter(), |left, right| {
        of_span(CalendarSpan::of_micros(left - right))
    })?;
    Ok(Arc::new(rows))
}

fn sum_of_spans(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let left = spans(&args[0])?;
    let right = spans(&args[1])?;
    let rows: IntervalMonthDayNanoArray =
        each(left.iter(), right.iter(), |left, right| of_span(span(left).plus(span(right))?))?;
    Ok(Arc::new(rows))
}

fn difference_of_spans(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let left = spans(&args[0])?;
    let right = spans(&args[1])?;
    let rows: IntervalMonthDayNanoArray = each(left.iter(), right.iter(), |left, right| {
        of_span(span(left).plus(span(right).negated()?)?)
    })?;
    Ok(Arc::new(rows))
}

fn scaled(args: &[ArrayRef], is_over: bool) -> Outcome<ArrayRef> {
    let spans = spans(&args[0])?;
    let factors = super::arithmetic::as_doubles(&args[1])?;
    let factors = factors.as_primitive::<Float64Type>();
    let rows: IntervalMonthDayNanoArray = each(spans.iter(), factors.iter(), |by, factor| {
        if is_over && factor == 0.0 {
            return Err(division_by_zero());
        }
        of_span(span(by).scaled(|part| if is_over { part / factor } else { part * factor })?)
    })?;
    Ok(Arc::new(rows))
}

fn span_times(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    scaled(args, false)
}

fn span_over(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    scaled(args, true)
}
