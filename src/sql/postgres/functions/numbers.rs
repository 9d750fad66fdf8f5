//! Functions of numbers.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::scalar::ScalarValue;

use super::super::arithmetic::{as_doubles, modulo, modulo_type, of_scalar};
use super::super::failure::{Outcome, failure, out_of_range, refused};
use super::super::function::PgFunction;
use super::super::numeric::{self, Numeric, Numerics};
use super::super::own_scale::OWN_SCALES;
use super::super::type_name::{Group, group, name};
use super::super::{cast as pg_cast, power, time_arithmetic};
use super::unknown;

pub(super) fn all() -> Vec<PgFunction> {
    let mut all = vec![
        power::function(),
        power::function().called("pow"),
        PgFunction::named("pg_negative", one_number_or_span, same, negatives),
        PgFunction::named(
            "pg_own_scale",
            super::as_given,
            |_, _| Ok(OWN_SCALES),
            |args, to| pg_cast::column(&args[0], to),
        ),
        PgFunction::named("pg_unconstrained", super::as_given, unconstrained, |args, to| {
            pg_cast::column(&args[0], to)
        }),
        PgFunction::named("pg_positive", one_number, same, |args, _| Ok(Arc::clone(&args[0]))),
        PgFunction::named("abs", one_number, same, absolutes),
        PgFunction::named("pg_bit_not", one_integer, same, bit_nots),
        PgFunction::named("round", rounded_args, rounded_type, |args, to| {
            rounded(args, to, Rounding::Nearest)
        }),
        PgFunction::named("trunc", rounded_args, rounded_type, |args, to| {
            rounded(args, to, Rounding::TowardsZero)
        }),
        PgFunction::named("ceil", rounded_args, rounded_type, |args, to| {
            rounded(args, to, Rounding::Up)
        }),
        PgFunction::named("floor", rounded_args, rounded_type, |args, to| {
            rounded(args, to, Rounding::Down)
        }),
        PgFunction::named("sign", rounded_args, rounded_type, |args, to| {
            rounded(args, to, Rounding::Sign)
        }),
        PgFunction::named("mod", two_numbers, |types, _| modulo_type(types), modulo),
        PgFunction::named("div", two_numbers, |_, _| Ok(DataType::Decimal128(38, 0)), quotients),
    ];
    let ceiling = all.iter().find(|function| function.name == "ceil").cloned();
    all.extend(ceiling.map(|ceil| ceil.called("ceiling")));
    all.extend(floats());
    all
}

/// Functions of doubles, which refuse type numeric, whose digits would be others.
fn floats() -> Vec<PgFunction> {
    macro_rules! float {
        ($name:literal, $calculate:expr) => {
            PgFunction::named(
                $name,
                doubles_only,
                |_, _| Ok(DataType::Float64),
                |args, _| each_double(&args[0], $calculate),
            )
        };
    }
    vec![
        float!("sqrt", |x: f64| match x < 0.0 {
            true => Err(failure("2201F", "cannot take square root of a negative number")),
            false => Ok(x.sqrt()),
        }),
        float!("cbrt", |x: f64| Ok(x.cbrt())),
        float!("exp", |x: f64| match x.exp() {
            done if done.is_infinite() && x.is_finite() => {
                Err(failure("22003", "value out of range: overflow"))
            }
            done => Ok(done),
        }),
        float!("ln", |x: f64| logarithm(x, f64::ln)),
        float!("log10", |x: f64| logarithm(x, f64::log10)),
        float!("log", |x: f64| logarithm(x, f64::log10)),
    ]
}

fn logarithm(x: f64, of: fn(f64) -> f64) -> Outcome<f64> {
    match () {
        () if x == 0.0 => Err(failure("2201E", "cannot take logarithm of zero")),
        () if x < 0.0 => Err(failure("2201E", "cannot take logarithm of a negative number")),
        () => Ok(of(x)),
    }
}

fn doubles_only(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] if group(one) == Group::Numeric => {
            Err(refused("this function of a numeric", "write x::float8"))
        }
        [one] if group(one).is_number() || group(one) == Group::Unknown => {
            Ok(vec![DataType::Float64])
        }
        [_, _] => Err(refused("a logarithm to another base", "write ln(x) / ln(base)")),
        _ => Err(unknown("of a number", types)),
    }
}

pub(super) fn each_double(
    array: &ArrayRef,
    calculate: fn(f64) -> Outcome<f64>,
) -> Outcome<ArrayRef> {
    let doubles = array.as_primitive::<Float64Type>();
    let rows = doubles.iter().map(|double| double.map(calculate).transpose());
    Ok(Arc::new(rows.collect::<Outcome<Float64Array>>()?))
}

fn same(types: &[DataType], _: &[Option<&ScalarValue>]) -> Outcome<DataType> {
    Ok(types[0].clone())
}

fn unconstrained(types: &[DataType], _: &[Option<&ScalarValue>]) -> Outcome<DataType> {
    Ok(types.first().map_or(OWN_SCALES, pg_cast::unconstrained))
}

/// Unsigned numbers as the signed ones that hold them.
fn signed(data_type: &DataType) -> DataType {
    match data_type {
        DataType::UInt64 => DataType::Decimal128(20, 0),
        other => match group(other) {
            Group::Int(bytes) => super::super::type_name::integer(bytes),
            _ => other.clone(),
        },
    }
}

fn one_number_or_span(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] if group(one).is_number() => Ok(vec![signed(one)]),
        [one] if group(one) == Group::Interval => Ok(vec![super::super::type_name::INTERVAL]),
        [one] if group(one) == Group::Unknown => Ok(vec![DataType::Int64]),
        [one] if group(one) == Group::Text => Ok(vec![DataType::Float64]),
        _ => Err(unknown("-", types)),
    }
}

fn one_number(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] if group(one) != Group::Interval => {
            one_number_or_span(types).map_err(|_| unknown("of a number", types))
        }
        _ => Err(unknown("of a number", types)),
    }
}

fn absolutes(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    if group(to) == Group::Numeric {
        let numbers = Numerics::of(&args[0])?;
        let absolute = |number: Numeric| match number.units.is_negative() {
            true => number.negated(),
            false => Ok(number),
        };
        let rows = (0..args[0].len()).map(|row| numbers.get(row).map(absolute).transpose());
        return numeric::column(rows, to);
    }
    let negated = || negatives(args, to);
    if group(to).is_float() {
        return each_double(&as_doubles(&args[0])?, |x| Ok(x.abs()))
            .and_then(|done| Ok(cast(&done, to)?));
    }
    let is_negative = cast(&args[0], &DataType::Int64)?;
    let is_negative = is_negative.as_primitive::<Int64Type>().iter();
    let is_negative = is_negative.map(|value| value.map(|value| value < 0));
    let is_negative: datafusion::arrow::array::BooleanArray = is_negative.collect();
    let chosen = datafusion::arrow::compute::kernels::zip::zip;
    if is_negative.true_count() == 0 {
        return Ok(Arc::clone(&args[0]));
    }
    // Those that are not negative do not fail: only the least integer has no counterpart.
    Ok(chosen(&is_negative, &negated()?, &args[0])?)
}

fn negatives(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    if group(to) == Group::Interval {
        let spans = time_arithmetic::spans(&args[0])?;
        let negated = |span| time_arithmetic::of_span(time_arithmetic::span(span).negated()?);
        let rows = spans.iter().map(|span| span.map(negated).transpose());
        let rows =
            rows.collect::<Outcome<datafusion::arrow::array::IntervalMonthDayNanoArray>>()?;
        return Ok(Arc::new(rows));
    }
    if *to == OWN_SCALES {
        let numbers = Numerics::of(&args[0])?;
        let rows = (0..args[0].len()).map(|row| numbers.get(row).map(Numeric::negated).transpose());
        return numeric::column(rows, to);
    }
    datafusion::arrow::compute::kernels::numeric::neg(&args[0]).map_err(|_| out_of_range(&name(to)))
}

fn one_integer(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] if matches!(group(one), Group::Int(_)) => Ok(vec![signed(one)]),
        _ => Err(unknown("~", types)),
    }
}

fn bit_nots(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let wide = cast(&args[0], &DataType::Int64)?;
    let turned = wide.as_primitive::<Int64Type>().unary::<_, Int64Type>(|value| !value);
    Ok(cast(&(Arc::new(turned) as ArrayRef), to)?)
}

fn two_numbers(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [left, right]
            if [left, right]
                .iter()
                .all(|of| matches!(group(of), Group::Int(_) | Group::Numeric)) =>
        {
            Ok(types.to_vec())
        }
        _ => Err(unknown("mod", types)),
    }
}

fn quotients(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let left = Numerics::of(&args[0])?;
    let right = Numerics::of(&args[1])?;
    let one = |row: usize| {
        let Some((left, right)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
        let rest = left.modulo(right)?;
        left.minus(rest)?.over_with_scale(right, 0).map(Some)
    };
    numeric::column((0..args[0].len()).map(one), to)
}

#[derive(Clone, Copy, PartialEq)]
enum Rounding {
    Nearest,
    TowardsZero,
    Up,
    Down,
    Sign,
}

/// A number, and how many digits are kept.
fn rounded_args(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] => match group(one) {
            // PostgreSQL takes integers as doubles, too.
            Group::Int(_) | Group::Float | Group::Double | Group::Unknown => {
                Ok(vec![DataType::Float64])
            }
            Group::Numeric => Ok(vec![signed(one)]),
            Group::Text => Ok(vec![DataType::Float64]),
            _ => Err(unknown("round", types)),
        },
        [one, digits] if matches!(group(digits), Group::Int(_) | Group::Unknown) => {
            match group(one) {
                Group::Int(_) => Ok(vec![DataType::Decimal128(19, 0), DataType::Int32]),
                Group::Numeric => Ok(vec![signed(one), DataType::Int32]),
                _ => Err(unknown("round", types)),
            }
        }
        _ => Err(unknown("round", types)),
    }
}

fn rounded_type(types: &[DataType], literals: &[Option<&ScalarValue>]) -> Outcome<DataType> {
    if group(&types[0]) != Group::Numeric {
        return Ok(DataType::Float64);
    }
    if types.len() == 1 {
        return Ok(DataType::Decimal128(38, 0));
    }
    let digits = literals.get(1).copied().flatten().and_then(of_scalar);
    let digits = digits.and_then(Numeric::to_i128).and_then(|digits| i8::try_from(digits).ok());
    Ok(match digits {
        Some(digits) if digits < 0 => DataType::Decimal128(38, 0),
        Some(digits) if digits <= 38 => DataType::Decimal128(38, digits),
        _ => OWN_SCALES,
    })
}

fn rounded(args: &[ArrayRef], to: &DataType, rounding: Rounding) -> Outcome<ArrayRef> {
    if *to == DataType::Float64 {
        let doubles = as_doubles(&args[0])?;
        return each_double(
            &doubles,
            match rounding {
                Rounding::Nearest => |x| Ok(x.round_ties_even()),
                Rounding::TowardsZero => |x| Ok(x.trunc()),
                Rounding::Up => |x| Ok(x.ceil()),
                Rounding::Down => |x| Ok(x.floor()),
                Rounding::Sign => |x| Ok(if x == 0.0 { 0.0 } else { x.signum() }),
            },
        );
    }
    let numbers = Numerics::of(&args[0])?;
    let digits = args.get(1).map(|digits| cast(digits, &DataType::Int64)).transpose()?;
    let digits = digits.as_ref().map(AsArray::as_primitive::<Int64Type>);
    let one = |row: usize| {
        let Some(number) = numbers.get(row) else { return Ok(None) };
        if digits.is_some_and(|digits| digits.is_null(row)) {
            return Ok(None);
        }
        let digits = digits.map_or(0, |digits| digits.value(row).clamp(-76, 76) as i32);
        round_one(number, digits, rounding).map(Some)
    };
    numeric::column((0..args[0].len()).map(one), to)
}

fn round_one(number: Numeric, digits: i32, rounding: Rounding) -> Outcome<Numeric> {
    let cut = number.truncated(digits)?;
    let has_rest = || Ok::<_, datafusion::error::DataFusionError>(!number.minus(cut)?.is_zero());
    let one = Numeric::of_i128(1);
    Ok(match rounding {
        Rounding::Nearest => number.rescaled(digits)?,
        Rounding::TowardsZero => cut,
        Rounding::Up if !number.units.is_negative() && has_rest()? => cut.plus(one)?,
        Rounding::Down if number.units.is_negative() && has_rest()? => cut.minus(one)?,
        Rounding::Up | Rounding::Down => cut,
        Rounding::Sign => Numeric { units: number.units.signum(), scale: 0 },
    })
}
