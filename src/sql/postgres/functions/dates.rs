//! Functions of dates, times, moments and intervals.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, IntervalMonthDayNanoArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::super::arithmetic::as_doubles;
use super::super::calendar::{self, CalendarSpan, HOUR, SECOND};
use super::super::failure::{Outcome, failure};
use super::super::function::PgFunction;
use super::super::last_made::LastMade;
use super::super::time_arithmetic::{moments, of_span, span, spans};
use super::super::time_parts::{self, TimePart};
use super::super::time_text::Zone;
use super::super::type_name::{Group, INTERVAL, TIME, TIMESTAMP, group, timestamptz};
use super::unknown;

pub(super) fn all() -> Vec<PgFunction> {
    vec![
        PgFunction::named("timezone", zoned, |types, _| Ok(other_zone(&types[1])), in_zone),
        extraction(),
        PgFunction::named(
            "date_part",
            part_args,
            |_, _| Ok(DataType::Float64),
            |args, to| {
                let parts = time_parts::extract(args, &super::super::own_scale::OWN_SCALES)?;
                super::super::cast::column(&parts, to)
            },
        ),
        PgFunction::named("date_trunc", trunc_args, |types, _| Ok(types[1].clone()), truncated),
        PgFunction::named("date_bin", bin_args, |types, _| Ok(types[1].clone()), binned),
        PgFunction::named("age", two_moments, |_, _| Ok(INTERVAL), ages),
        PgFunction::named("make_interval", interval_args, |_, _| Ok(INTERVAL), made_intervals),
        PgFunction::named("make_date", ints_only, |_, _| Ok(DataType::Date32), made_dates),
        PgFunction::named("make_time", clock_args, |_, _| Ok(TIME), made_times),
        PgFunction::named("make_timestamp", clock_args, |_, _| Ok(TIMESTAMP), made_moments),
        PgFunction::named("make_timestamptz", clock_args, |_, _| Ok(timestamptz()), made_moments),
        PgFunction::named(
            "justify_days",
            one_span,
            |_, _| Ok(INTERVAL),
            |args, _| justified(args, true, false),
        ),
        PgFunction::named(
            "justify_hours",
            one_span,
            |_, _| Ok(INTERVAL),
            |args, _| justified(args, false, true),
        ),
        PgFunction::named(
            "justify_interval",
            one_span,
            |_, _| Ok(INTERVAL),
            |args, _| justified(args, true, true),
        ),
        PgFunction::named("isfinite", super::as_given, |_, _| Ok(DataType::Boolean), finite),
    ]
}

/// A moment, date or interval as the type in which it is calculated.
pub(super) fn settled(data_type: &DataType) -> Option<DataType> {
    Some(match group(data_type) {
        Group::Timestamptz | Group::Text | Group::Unknown => timestamptz(),
        Group::Timestamp => TIMESTAMP,
        Group::Date => DataType::Date32,
        Group::Interval => INTERVAL,
        Group::Time => TIME,
        _ => return None,
    })
}

fn zoned(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [zone, at] if group(zone) == Group::Text => {
            let at = match settled(at) {
                Some(DataType::Date32) => timestamptz(),
                Some(at @ DataType::Timestamp(..)) => at,
                _ => return Err(unknown("timezone", types)),
            };
            Ok(vec![DataType::Utf8, at])
        }
        _ => Err(unknown("timezone", types)),
    }
}

fn other_zone(data_type: &DataType) -> DataType {
    if group(data_type) == Group::Timestamptz { TIMESTAMP } else { timestamptz() }
}

/// A zone; a distance counts to the west here, as POSIX has it.
fn zone(name: &str) -> Outcome<Zone> {
    let zone = match Zone::named(name) {
        Some(Zone::Seconds(seconds)) => Some(Zone::Seconds(-seconds)),
        other => other,
    };
    zone.ok_or_else(|| failure("22023", format!("time zone \"{name}\" not recognized")))
}

/// The function behind `EXTRACT(part FROM x)`.
pub(in super::super) fn extraction() -> PgFunction {
    PgFunction::named("extract", part_args, time_parts::extract_type, time_parts::extract)
}

fn in_zone(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let names = args[0].as_string::<i32>();
    let has_zone = group(args[1].data_type()) == Group::Timestamptz;
    let moments = moments(&args[1])?;
    let mut zones = LastMade::default();
    let mut rows = Vec::with_capacity(moments.len());
    for (name, at) in names.iter().zip(moments.iter()) {
        let Some((name, at)) = name.zip(at) else {
            rows.push(None);
            continue;
        };
        let zone = zones.of(name, zone)?;
        rows.push(Some(if has_zone { zone.to_local(at)? } else { zone.to_utc(at)? }));
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(rows).with_data_type(to.clone())))
}

fn part_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [part, at] if group(part) == Group::Text => {
            let at = settled(at).ok_or_else(|| unknown("extract", types))?;
            Ok(vec![DataType::Utf8, at])
        }
        _ => Err(unknown("extract", types)),
    }
}

fn trunc_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let wrong = || unknown("date_trunc", types);
    let (part, at, zone) = match types {
        [part, at] => (part, at, None),
        [part, at, zone] => (part, at, Some(zone)),
        _ => return Err(wrong()),
    };
    let at = match settled(at) {
        Some(DataType::Date32) => timestamptz(),
        Some(at) if group(&at) != Group::Time => at,
        _ => return Err(wrong()),
    };
    if group(part) != Group::Text || zone.is_some_and(|zone| group(zone) != Group::Text) {
        return Err(wrong());
    }
    Ok([Some(DataType::Utf8), Some(at), zone.map(|_| DataType::Utf8)]
        .into_iter()
        .flatten()
        .collect())
}

fn truncated(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let units = args[0].as_string::<i32>();
    if group(to) == Group::Interval {
        let spans = spans(&args[1])?;
        let mut parts = LastMade::default();
        let rows = units.iter().zip(spans.iter()).map(|(unit, value)| {
            let Some((unit, value)) = unit.zip(value) else { return Ok(None) };
            let part = *parts.of(unit, TimePart::named)?;
            of_span(time_parts::truncated_span(part, span(value))?).map(Some)
        });
        return Ok(Arc::new(rows.collect::<Outcome<IntervalMonthDayNanoArray>>()?));
    }
    let zones = args.get(2).map(AsArray::as_string::<i32>);
    let moments = moments(&args[1])?;
    let mut parts = LastMade::default();
    let mut known_zones = LastMade::default();
    let mut rows = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let is_null = units.is_null(row) || moments.is_null(row);
        if is_null || zones.is_some_and(|zones| zones.is_null(row)) {
            rows.push(None);
            continue;
        }
        let unit = *parts.of(units.value(row), TimePart::named)?;
        let at = moments.value(row);
        rows.push(Some(match zones {
            Some(zones) => {
                let zone = known_zones.of(zones.value(row), zone)?;
                zone.to_utc(time_parts::truncated(unit, zone.to_local(at)?)?)?
            }
            None => time_parts::truncated(unit, at)?,
        }));
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(rows).with_data_type(to.clone())))
}

fn bin_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let wrong = || unknown("date_bin", types);
    let [_, at, _] = types else { return Err(wrong()) };
    match settled(at) {
        Some(at @ DataType::Timestamp(..)) => Ok(vec![INTERVAL, at.clone(), at]),
        Some(DataType::Date32) => Ok(vec![INTERVAL, timestamptz(), timestamptz()]),
        _ => Err(wrong()),
    }
}

fn binned(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let strides = spans(&args[0])?;
    let origins = moments(&args[2])?;
    let moments = moments(&args[1])?;
    let rows = strides.iter().zip(moments.iter()).zip(origins.iter());
    let rows = rows.map(|((stride, at), origin)| {
        let (Some(stride), Some(at), Some(origin)) = (stride, at, origin) else { return Ok(None) };
        let stride = span(stride);
        if stride.months != 0 {
            let message = "timestamps cannot be binned into intervals containing months or years";
            return Err(failure("0A000", message));
        }
        let micros = i64::try_from(stride.length()).unwrap_or(i64::MAX);
        if micros <= 0 {
            return Err(failure("22008", "stride must be greater than zero"));
        }
        let behind = at.checked_sub(origin).map(|behind| behind.div_euclid(micros) * micros);
        let bin = behind.and_then(|behind| origin.checked_add(behind));
        bin.map(Some).ok_or_else(|| failure("22008", "timestamp out of range"))
    });
    let rows = rows.collect::<Outcome<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(rows.with_data_type(to.clone())))
}

fn two_moments(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let is_moment = |of: &DataType| {
        matches!(
            group(of),
            Group::Date | Group::Timestamp | Group::Timestamptz | Group::Text | Group::Unknown
        )
    };
    match types {
        [left, right] if is_moment(left) && is_moment(right) => Ok(vec![TIMESTAMP, TIMESTAMP]),
        _ => Err(unknown("age", types)),
    }
}

fn ages(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let left = moments(&args[0])?;
    let right = moments(&args[1])?;
    let rows = left.iter().zip(right.iter()).map(|(left, right)| {
        left.zip(right).map(|(left, right)| of_span(time_parts::age(left, right)?)).transpose()
    });
    Ok(Arc::new(rows.collect::<Outcome<IntervalMonthDayNanoArray>>()?))
}

/// Years, months, weeks, days, hours, minutes, and seconds with a fraction.
fn interval_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    if types.is_empty() || types.len() > 7 {
        return Err(unknown("make_interval", types));
    }
    let wanted = |at: usize| if at == 6 { DataType::Float64 } else { DataType::Int64 };
    Ok((0..types.len()).map(wanted).collect())
}

fn made_intervals(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let beyond = || failure("22008", "interval out of range");
    let columns = args.iter().map(as_doubles).collect::<Outcome<Vec<_>>>()?;
    let rows = (0..args[0].len()).map(|row| {
        if columns.iter().any(|column| column.is_null(row)) {
            return Ok(None);
        }
        let part = |at: usize| {
            columns.get(at).map_or(0.0, |column| column.as_primitive::<Float64Type>().value(row))
        };
        let months = part(0) * 12.0 + part(1);
        let days = part(2) * 7.0 + part(3);
        let seconds = part(4) * 3_600.0 + part(5) * 60.0 + part(6);
        let fits = [months, days].iter().all(|part| part.abs() <= f64::from(i32::MAX));
        if !fits || seconds.abs() > 9.0e9 {
            return Err(beyond());
        }
        let micros = (seconds * SECOND as f64).round_ties_even() as i64;
        of_span(CalendarSpan { months: months as i32, days: days as i32, micros }).map(Some)
    });
    Ok(Arc::new(rows.collect::<Outcome<IntervalMonthDayNanoArray>>()?))
}

fn ints_only(types: &[DataType]) -> Outcome<Vec<DataType>> {
    if types.len() != 3 {
        return Err(unknown("make_date", types));
    }
    Ok(vec![DataType::Int64; 3])
}

fn made_dates(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let column =
        |at: usize| Ok::<_, datafusion::error::DataFusionError>(cast(&args[at], &DataType::Int64)?);
    let parts = [column(0)?, column(1)?, column(2)?];
    let rows = (0..args[0].len()).map(|row| {
        if parts.iter().any(|part| part.is_null(row)) {
            return Ok(None);
        }
        let [year, month, day] =
            [0, 1, 2].map(|at: usize| parts[at].as_primitive::<Int64Type>().value(row));
        date_of(year, month, day).map(Some)
    });
    Ok(Arc::new(rows.collect::<Outcome<Date32Array>>()?))
}

/// The year before 1 is -1 here.
fn date_of(year: i64, month: i64, day: i64) -> Outcome<i32> {
    let shown = format!("date field value out of range: {year}-{month:02}-{day:02}");
    let inner = if year < 0 { year + 1 } else { year };
    let date = (year != 0).then(|| calendar::date(inner, month, day)).flatten();
    date.ok_or_else(|| failure("22008", shown))
}

/// Integers, and seconds with a fraction at the end.
fn clock_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types.len() {
        count @ (3 | 6) => {
            let mut wanted = vec![DataType::Int64; count];
            wanted[count - 1] = DataType::Float64;
            Ok(wanted)
        }
        _ => Err(unknown("make_timestamp", types)),
    }
}

fn clock_micros(hours: i64, minutes: i64, seconds: f64) -> Outcome<i64> {
    let fits = (0..24).contains(&hours) && (0..60).contains(&minutes);
    if !fits || !(0.0..=60.0).contains(&seconds) {
        let message = format!("time field value out of range: {hours}:{minutes:02}:{seconds}");
        return Err(failure("22008", message));
    }
    let micros = (seconds * SECOND as f64).round_ties_even() as i64;
    Ok(hours * HOUR + minutes * 60 * SECOND + micros)
}

/// The values of row `row`, integers but for the last.
fn fields(args: &[ArrayRef], row: usize) -> Option<(Vec<i64>, f64)> {
    let (last, first) = args.split_last()?;
    if args.iter().any(|arg| arg.is_null(row)) {
        return None;
    }
    let whole = |arg: &ArrayRef| arg.as_primitive::<Int64Type>().value(row);
    Some((first.iter().map(whole).collect(), last.as_primitive::<Float64Type>().value(row)))
}

fn made_times(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let rows = (0..args[0].len()).map(|row| match fields(args, row) {
        Some((whole, seconds)) if whole.len() == 2 => {
            clock_micros(whole[0], whole[1], seconds).map(Some)
        }
        Some(_) => Err(failure("42883", "function make_time takes three arguments")),
        None => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Outcome<Time64MicrosecondArray>>()?))
}

fn made_moments(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let rows = (0..args[0].len()).map(|row| match fields(args, row) {
        Some((whole, seconds)) if whole.len() == 5 => {
            let day = calendar::midnight(date_of(whole[0], whole[1], whole[2])?)?;
            Ok(Some(day + clock_micros(whole[3], whole[4], seconds)?))
        }
        Some(_) => Err(failure("42883", "function make_timestamp takes six arguments")),
        None => Ok(None),
    });
    let rows = rows.collect::<Outcome<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(rows.with_data_type(to.clone())))
}

fn one_span(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [_] => Ok(vec![INTERVAL]),
        _ => Err(unknown("justify_interval", types)),
    }
}

fn justified(args: &[ArrayRef], days: bool, hours: bool) -> Outcome<ArrayRef> {
    let spans = spans(&args[0])?;
    let one = |value| of_span(time_parts::justified(span(value), days, hours)?);
    let rows = spans.iter().map(|value| value.map(one).transpose());
    Ok(Arc::new(rows.collect::<Outcome<IntervalMonthDayNanoArray>>()?))
}

fn finite(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    if group(args[0].data_type()) == Group::Interval {
        let all = (0..args[0].len()).map(|row| args[0].is_valid(row).then_some(true));
        return Ok(Arc::new(all.collect::<BooleanArray>()));
    }
    let moments = moments(&args[0])?;
    let is_finite = |at: i64| at != i64::MAX && at != i64::MIN;
    Ok(Arc::new(moments.iter().map(|at| at.map(is_finite)).collect::<BooleanArray>()))
}
