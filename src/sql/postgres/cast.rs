//! Casts with `PostgreSQL`'s meaning: rounding, ranges, texts as values and values as texts.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast as arrow_cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::ExprSchema;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::Expr;
use datafusion::scalar::ScalarValue;

use super::calendar::{self, DAY};
use super::failure::{Outcome, failure, out_of_range};
use super::function::{Kernel, PgFunction};
use super::numeric::{self, Numeric, Numerics};
use super::own_scale::OWN_SCALES;
use super::type_name::{Group, group, name};
use super::{arithmetic, named_type, text_input, text_output, time_arithmetic};

/// `expr` of type `from` as type `to`.
///
/// # Errors
/// When `PostgreSQL` has no such cast.
pub(super) fn of(expr: Expr, from: &DataType, to: &DataType) -> Outcome<Expr> {
    if from == to {
        return Ok(expr);
    }
    if let Expr::Literal(value, _) = &expr
        && let Some(text) = text_of(value)
        && text_input::is_readable(to)
    {
        return Ok(Expr::Literal(text_input::value(text, to)?, None));
    }
    let Some((label, kernel)) = kernel(from, to)? else {
        return Ok(Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(expr), to.clone())));
    };
    // A literal becomes one at once, so that a condition on a key is recognised; one that cannot be
    // cast fails when, and only if, it is evaluated.
    Ok(PgFunction::fixed(label, to.clone(), kernel).call(vec![expr]))
}

/// `expr` of type `from` as a value of `field`, whose type may have a name of its own.
///
/// # Errors
/// When `PostgreSQL` has no such cast.
pub(super) fn as_field(
    expr: Expr,
    from: &DataType,
    field: &Field,
    schema: &dyn ExprSchema,
) -> Outcome<Transformed<Expr>> {
    let to = field.data_type();
    let Some(name) = named_type::name_of(field) else {
        return of(expr, from, to).map(Transformed::yes);
    };
    let mut done = expr;
    if name == named_type::JSON && named_type::of(&done, schema).as_deref() != Some(name) {
        done = as_json(done, from)?;
    }
    done = of(done, from, to)?;
    if let Some(length) = named_type::length_of(field) {
        let length = Expr::Literal(ScalarValue::Int64(Some(length)), None);
        done = PgFunction::fixed("pg_cut", DataType::Utf8, cut).call(vec![done, length]);
    }
    Ok(Transformed::yes(named_type::marked(done, name, schema)))
}

/// Texts of at most so many characters.
fn cut(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let texts = arrow_cast(&args[0], &DataType::Utf8)?;
    let lengths = args[1].as_primitive::<Int64Type>();
    let cut = |(text, length): (&str, i64)| {
        let end = text.char_indices().nth(usize::try_from(length).unwrap_or(0));
        end.map_or(text, |(end, _)| &text[..end]).to_owned()
    };
    let rows = texts.as_string::<i32>().iter().zip(lengths);
    let rows = rows.map(|(text, length)| text.zip(length).map(cut));
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// A text that is JSON.
fn as_json(expr: Expr, from: &DataType) -> Outcome<Expr> {
    match group(from) {
        Group::Unknown => Ok(expr),
        Group::Text => {
            Ok(PgFunction::fixed("pg_json", DataType::Utf8, checked_json).call(vec![expr]))
        }
        _ => Err(failure("42846", format!("cannot cast type {} to json", name(from)))),
    }
}

fn checked_json(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let texts = arrow_cast(&args[0], &DataType::Utf8)?;
    for text in texts.as_string::<i32>().iter().flatten() {
        if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() {
            return Err(failure(
                "22P02",
                format!("invalid input syntax for type json: \"{text}\""),
            ));
        }
    }
    Ok(texts)
}

/// A column as another type.
pub(super) fn column(array: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    match kernel(array.data_type(), to)? {
        Some((_, kernel)) => kernel(&[Arc::clone(array)], to),
        None => Ok(arrow_cast(array, to)?),
    }
}

/// The text of a literal that is one.
pub(super) fn text_of(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

/// The function that casts; none where Arrow's cast is as `PostgreSQL`'s.
fn kernel(from: &DataType, to: &DataType) -> Outcome<Option<(&'static str, Kernel)>> {
    use Group::{
        Bool, Bytes, Date, Double, Float, Int, Interval, List, Numeric, Text, Time, Timestamp,
        Timestamptz, Unknown,
    };
    let refused = || {
        let from = name(from);
        let to = name(to);
        Err(failure("42846", format!("cannot cast type {from} to {to}")))
    };
    Ok(Some(match (group(from), group(to)) {
        (Unknown, _) => return Ok(None),
        (Text, Text) => return Ok(None),
        (_, Text) => ("pg_text", |args, _| text_output::column(&args[0])),
        (Text, _) if text_input::is_readable(to) => {
            ("pg_read", |args, to| text_input::column(&args[0], to))
        }
        (Bool, Bool) | (Bytes, Bytes) | (Date, Date) => return Ok(None),
        (Int(_), Int(_)) | (Bool, Int(4)) => ("pg_int", integers),
        (Numeric | Float | Double, Int(_)) => ("pg_int", rounded_integers),
        (Int(4), Bool) => ("pg_bool", booleans),
        (Int(_) | Numeric | Float | Double, Numeric) => ("pg_numeric", decimals),
        (Int(_) | Numeric | Float | Double, Float | Double) => ("pg_float", floats),
        (Date | Timestamp | Timestamptz, Timestamp | Timestamptz) => ("pg_timestamp", moments),
        (Timestamp | Timestamptz, Date) => ("pg_date", days),
        (Timestamp | Timestamptz | Interval, Time) => ("pg_time", times),
        (Time, Time) => return Ok(None),
        (Interval, Interval) => {
            ("pg_interval", |args, _| Ok(Arc::new(time_arithmetic::spans(&args[0])?)))
        }
        (Time, Interval) => ("pg_interval", |args, _| times_as_spans(&args[0])),
        (List, List) => return Ok(None),
        (Group::Other, _) | (_, Group::Other) => return Ok(None),
        _ => return refused(),
    }))
}

fn integers(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    checked(&args[0], to)
}

/// Arrow's cast, with an error for each value that does not fit.
fn checked(array: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    let options = datafusion::arrow::compute::CastOptions { safe: false, ..Default::default() };
    let done = datafusion::arrow::compute::cast_with_options(array, to, &options);
    done.map_err(|_| out_of_range(&name(to)))
}

/// Decimals are rounded half away from zero, floats half to even.
fn rounded_integers(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let wrong = || out_of_range(&name(to));
    let wide: Int64Array = if group(args[0].data_type()).is_float() {
        let doubles = arrow_cast(&args[0], &DataType::Float64)?;
        let whole = |double: f64| {
            let double = double.round_ties_even();
            let fits =
                (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&double);
            if fits { Ok(double as i64) } else { Err(wrong()) }
        };
        let doubles = doubles.as_primitive::<Float64Type>();
        doubles.iter().map(|double| double.map(whole).transpose()).collect::<Outcome<_>>()?
    } else {
        let numbers = Numerics::of(&args[0])?;
        let whole = |number: Numeric| {
            let whole = number.to_i128().and_then(|whole| i64::try_from(whole).ok());
            whole.ok_or_else(wrong)
        };
        let rows = (0..args[0].len()).map(|row| numbers.get(row).map(whole).transpose());
        rows.collect::<Outcome<_>>()?
    };
    checked(&(Arc::new(wide) as ArrayRef), to)
}

fn booleans(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let wide = arrow_cast(&args[0], &DataType::Int64)?;
    let wide = wide.as_primitive::<Int64Type>();
    Ok(Arc::new(wide.iter().map(|value| value.map(|value| value != 0)).collect::<BooleanArray>()))
}

fn decimals(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    if *to == DataType::UInt64 {
        return checked(&args[0], to);
    }
    let rows = args[0].len();
    match group(args[0].data_type()) {
        Group::Float => {
            // A float shows at most nine digits, of which PostgreSQL takes six.
            let singles = arrow_cast(&args[0], &DataType::Float32)?;
            let singles = singles.as_primitive::<datafusion::arrow::datatypes::Float32Type>();
            let number = |single: f32| match single.is_finite() {
                true => Ok(Numeric::parse(&format!("{single:.5e}"))?.trimmed(0)),
                false => Numeric::of_f64(single.into()),
            };
            numeric::column(singles.iter().map(|single| single.map(number).transpose()), to)
        }
        Group::Double => {
            let doubles = args[0].as_primitive::<Float64Type>();
            let number = |double: Option<f64>| double.map(Numeric::of_f64).transpose();
            numeric::column(doubles.iter().map(number), to)
        }
        _ => {
            let numbers = Numerics::of(&args[0])?;
            numeric::column((0..rows).map(|row| Ok(numbers.get(row))), to)
        }
    }
}

fn floats(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let doubles = arithmetic::as_doubles(&args[0])?;
    if *to == DataType::Float64 {
        return Ok(doubles);
    }
    let singles = arrow_cast(&doubles, to)?;
    let (wide, narrow) = (
        doubles.as_primitive::<Float64Type>(),
        singles.as_primitive::<datafusion::arrow::datatypes::Float32Type>(),
    );
    let lost = |row: &usize| {
        wide.is_valid(*row) && narrow.value(*row).is_infinite() && wide.value(*row).is_finite()
    };
    if (0..wide.len()).any(|row| lost(&row)) {
        return Err(failure("22003", "value out of range: overflow"));
    }
    Ok(singles)
}

fn moments(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let rows = time_arithmetic::moments(&args[0])?;
    let rows: TimestampMicrosecondArray = rows;
    Ok(arrow_cast(&(Arc::new(rows.with_timezone_opt(zone(to))) as ArrayRef), to)?)
}

fn zone(data_type: &DataType) -> Option<Arc<str>> {
    match data_type {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    }
}

fn days(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let day = |at: i64| match at {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        _ => at.div_euclid(DAY) as i32,
    };
    let rows = time_arithmetic::moments(&args[0])?;
    Ok(Arc::new(rows.iter().map(|at| at.map(day)).collect::<Date32Array>()))
}

fn times(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let rows: Time64MicrosecondArray = if group(args[0].data_type()) == Group::Interval {
        let spans = time_arithmetic::spans(&args[0])?;
        let time = |span| time_arithmetic::span(span).micros.rem_euclid(DAY);
        spans.iter().map(|span| span.map(time)).collect()
    } else {
        let rows = time_arithmetic::moments(&args[0])?;
        rows.iter().map(|at| at.map(|at| at.rem_euclid(DAY))).collect()
    };
    Ok(Arc::new(rows))
}

fn times_as_spans(array: &ArrayRef) -> Outcome<ArrayRef> {
    let rows = time_arithmetic::times(array)?;
    let span = |micros: i64| time_arithmetic::of_span(calendar::CalendarSpan::of_micros(micros));
    let rows = rows.iter().map(|micros| micros.map(span).transpose());
    Ok(Arc::new(rows.collect::<Outcome<datafusion::arrow::array::IntervalMonthDayNanoArray>>()?))
}

/// `expr` as a number of type numeric that keeps its digits.
pub(super) fn unconstrained(from: &DataType) -> DataType {
    match group(from) {
        Group::Int(_) => DataType::Decimal128(super::type_name::as_decimal(from).0, 0),
        Group::Numeric if *from == DataType::UInt64 => DataType::Decimal128(20, 0),
        Group::Numeric => from.clone(),
        _ => OWN_SCALES,
    }
}
