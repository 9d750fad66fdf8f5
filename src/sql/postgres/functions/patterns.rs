//! `to_char`, `to_date`, `to_timestamp` and `to_number` with `PostgreSQL`'s patterns.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::scalar::ScalarValue;

use super::super::calendar::DAY;
use super::super::failure::{Outcome, failure};
use super::super::function::PgFunction;
use super::super::last_made::LastMade;
use super::super::numeric::{self, Numeric, Numerics};
use super::super::own_scale::OWN_SCALES;
use super::super::time_arithmetic::{moments, span, spans};
use super::super::type_name::{Group, group, timestamptz};
use super::number_patterns::template;
use super::pattern_nodes::of_times;
use super::time_patterns::{self, Shown};
use super::{dates, number_patterns, unknown};

pub(super) fn all() -> Vec<PgFunction> {
    vec![
        PgFunction::named("to_char", char_args, |_, _| Ok(DataType::Utf8), to_char),
        PgFunction::named("to_date", read_args, |_, _| Ok(DataType::Date32), to_date),
        PgFunction::named("to_timestamp", read_args, |_, _| Ok(timestamptz()), to_timestamp),
        PgFunction::named("to_number", read_args, number_type, to_number),
    ]
}

fn number_type(_: &[DataType], _: &[Option<&ScalarValue>]) -> Outcome<DataType> {
    Ok(OWN_SCALES)
}

fn char_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let [value, pattern] = types else { return Err(unknown("to_char", types)) };
    let value = match group(value) {
        Group::Int(_) | Group::Numeric | Group::Float | Group::Double => value.clone(),
        Group::Date => timestamptz(),
        Group::Timestamp | Group::Timestamptz | Group::Interval => {
            dates::settled(value).ok_or_else(|| unknown("to_char", types))?
        }
        _ => return Err(unknown("to_char", types)),
    };
    match group(pattern) {
        Group::Text | Group::Unknown => Ok(vec![value, DataType::Utf8]),
        _ => Err(unknown("to_char", types)),
    }
}

/// Two texts, or a number of seconds.
fn read_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [seconds] if group(seconds).is_number() => Ok(vec![DataType::Float64]),
        [_, pattern] if group(pattern) == Group::Text => Ok(vec![DataType::Utf8; 2]),
        _ => Err(unknown("to_timestamp", types)),
    }
}

fn to_char(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let patterns = args[1].as_string::<i32>();
    let mut times = LastMade::default();
    let mut templates = LastMade::default();
    let mut write: Box<dyn FnMut(usize, &str) -> Outcome<String>> = match group(args[0].data_type())
    {
        Group::Interval => {
            let values = spans(&args[0])?;
            Box::new(move |row, pattern| {
                let shown = Shown::CalendarSpan(span(values.value(row)));
                time_patterns::written(times.of(pattern, of_times)?, shown)
            })
        }
        Group::Timestamp | Group::Timestamptz => {
            let has_zone = group(args[0].data_type()) == Group::Timestamptz;
            let values = moments(&args[0])?;
            Box::new(move |row, pattern| {
                let at = values.value(row);
                time_patterns::written(times.of(pattern, of_times)?, Shown::Moment(at, has_zone))
            })
        }
        Group::Float | Group::Double => {
            let values = super::super::arithmetic::as_doubles(&args[0])?;
            let values = values.as_primitive::<Float64Type>().clone();
            // The decimal digits that a float and a double always keep.
            let digits = if group(args[0].data_type()) == Group::Float { 6 } else { 15 };
            Box::new(move |row, pattern| {
                let template = templates.of(pattern, template)?;
                Ok(number_patterns::written_double(values.value(row), digits, template))
            })
        }
        _ => {
            let values = Numerics::of(&args[0])?;
            Box::new(move |row, pattern| match values.get(row) {
                Some(number) => number_patterns::written(number, templates.of(pattern, template)?),
                None => Ok(String::new()),
            })
        }
    };
    let rows = patterns.iter().enumerate().map(|(row, pattern)| match pattern {
        Some(pattern) if args[0].is_valid(row) => write(row, pattern).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Outcome<StringArray>>()?))
}

/// Calls `read` for the rows where both texts are there.
fn each<T, C: FromIterator<Option<T>>>(
    args: &[ArrayRef],
    mut read: impl FnMut(&str, &str) -> Outcome<T>,
) -> Outcome<C> {
    let texts = args[0].as_string::<i32>();
    let patterns = args[1].as_string::<i32>();
    let rows = texts.iter().zip(patterns.iter());
    let rows = rows.map(|(text, pattern)| {
        text.zip(pattern).map(|(text, pattern)| read(text, pattern)).transpose()
    });
    rows.collect()
}

fn needs_pattern(args: &[ArrayRef], name: &str) -> Outcome<()> {
    match args.len() {
        2 => Ok(()),
        _ => Err(failure("42883", format!("function {name} takes a text and a pattern"))),
    }
}

fn to_date(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    needs_pattern(args, "to_date")?;
    let mut times = LastMade::default();
    let rows: Date32Array = each(args, |text, pattern| {
        let at = time_patterns::read(times.of(pattern, of_times)?, text)?;
        i32::try_from(at.div_euclid(DAY)).map_err(|_| failure("22008", "date out of range"))
    })?;
    Ok(Arc::new(rows))
}

fn to_timestamp(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let rows: TimestampMicrosecondArray = if args.len() == 1 {
        let seconds = args[0].as_primitive::<Float64Type>();
        let rows = seconds.iter().map(|seconds| seconds.map(of_seconds).transpose());
        rows.collect::<Outcome<_>>()?
    } else {
        let mut times = LastMade::default();
        each(args, |text, pattern| time_patterns::read(times.of(pattern, of_times)?, text))?
    };
    Ok(Arc::new(rows.with_data_type(to.clone())))
}

fn of_seconds(seconds: f64) -> Outcome<i64> {
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { i64::MAX } else { i64::MIN });
    }
    let micros = (seconds * 1e6).round_ties_even();
    let fits = micros.abs() < 9.2e18;
    let at = fits.then_some(micros as i64).and_then(super::super::calendar::checked);
    at.ok_or_else(|| failure("22008", format!("timestamp out of range: \"{seconds}\"")))
}

fn to_number(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    needs_pattern(args, "to_number")?;
    let mut templates = LastMade::default();
    let rows: Vec<Option<Numeric>> = each(args, |text, pattern| {
        number_patterns::read(text, templates.of(pattern, template)?, pattern)
    })?;
    numeric::column(rows.into_iter().map(Ok), to)
}
