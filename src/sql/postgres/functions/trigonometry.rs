//! Functions of angles, which are doubles whatever the number is.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};

use super::super::failure::{Outcome, failure};
use super::super::function::PgFunction;
use super::super::type_name::{Group, group};
use super::numbers::each_double;
use super::unknown;

/// The radians of a degree, as `PostgreSQL` has them.
const DEGREE: f64 = 0.017_453_292_519_943_295;

pub(super) fn all() -> Vec<PgFunction> {
    macro_rules! angle {
        ($name:literal, $calculate:expr) => {
            PgFunction::named(
                $name,
                one_double,
                |_, _| Ok(DataType::Float64),
                |args, _| each_double(&args[0], $calculate),
            )
        };
    }
    let two = |_: &[DataType], _: &[Option<&datafusion::scalar::ScalarValue>]| {
        Ok::<_, datafusion::error::DataFusionError>(DataType::Float64)
    };
    vec![
        angle!("degrees", |x: f64| finite(x, x / DEGREE)),
        angle!("radians", |x: f64| Ok(x * DEGREE)),
        angle!("sin", |x: f64| of_angle(x, f64::sin)),
        angle!("cos", |x: f64| of_angle(x, f64::cos)),
        angle!("tan", |x: f64| of_angle(x, f64::tan)),
        angle!("cot", |x: f64| of_angle(x, |x| 1.0 / x.tan())),
        angle!("asin", |x: f64| within(x, -1.0, 1.0, f64::asin)),
        angle!("acos", |x: f64| within(x, -1.0, 1.0, f64::acos)),
        angle!("atan", |x: f64| Ok(x.atan())),
        angle!("sinh", |x: f64| Ok(x.sinh())),
        angle!("cosh", |x: f64| Ok(x.cosh())),
        angle!("tanh", |x: f64| Ok(x.tanh())),
        angle!("asinh", |x: f64| Ok(x.asinh())),
        angle!("acosh", |x: f64| within(x, 1.0, f64::INFINITY, f64::acosh)),
        angle!("atanh", |x: f64| within(x, -1.0, 1.0, f64::atanh)),
        PgFunction::named("atan2", two_doubles, two, |args, _| {
            let (y, x) =
                (args[0].as_primitive::<Float64Type>(), args[1].as_primitive::<Float64Type>());
            let angle = |(y, x): (Option<f64>, Option<f64>)| y.zip(x).map(|(y, x)| y.atan2(x));
            Ok(Arc::new(y.iter().zip(x).map(angle).collect::<Float64Array>()))
        }),
    ]
}

fn is_double(of: &DataType) -> bool {
    group(of).is_number() || matches!(group(of), Group::Unknown)
}

fn one_double(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one] if is_double(one) => Ok(vec![DataType::Float64]),
        _ => Err(unknown("of an angle", types)),
    }
}

fn two_doubles(types: &[DataType]) -> Outcome<Vec<DataType>> {
    match types {
        [one, other] if is_double(one) && is_double(other) => Ok(vec![DataType::Float64; 2]),
        _ => Err(unknown("atan2", types)),
    }
}

/// The result, unless it is infinite and the number is not.
fn finite(x: f64, done: f64) -> Outcome<f64> {
    match done.is_infinite() && x.is_finite() {
        true => Err(failure("22003", "value out of range: overflow")),
        false => Ok(done),
    }
}

fn beyond() -> datafusion::error::DataFusionError {
    failure("22003", "input is out of range")
}

fn of_angle(x: f64, of: fn(f64) -> f64) -> Outcome<f64> {
    if x.is_infinite() { Err(beyond()) } else { Ok(of(x)) }
}

/// The function of a number from `least` to `most`.
fn within(x: f64, least: f64, most: f64, of: fn(f64) -> f64) -> Outcome<f64> {
    if x < least || x > most { Err(beyond()) } else { Ok(of(x)) }
}
