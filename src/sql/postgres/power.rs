//! Powers: `x ^ y` and `power(x, y)` of doubles, checked.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ExprSchema;
use datafusion::logical_expr::Expr;

use super::arithmetic::as_doubles;
use super::failure::{Outcome, failure, refused};
use super::function::PgFunction;
use super::operators::known_type;
use super::type_name::{Group, group};

/// `base ^ exponent`.
///
/// # Errors
/// For numbers of type numeric, whose powers `PostgreSQL` gives to other digits.
pub(super) fn of(base: Expr, exponent: Expr, schema: &dyn ExprSchema) -> Outcome<Expr> {
    let types: Vec<DataType> =
        [&base, &exponent].iter().filter_map(|side| known_type(side, schema)).collect();
    accepted(&types)?;
    Ok(function().written("^").call(vec![base, exponent]))
}

/// The function `power`.
pub(super) fn function() -> PgFunction {
    PgFunction::named("power", accepted, |_, _| Ok(DataType::Float64), powers)
}

fn accepted(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let has = |wanted: fn(Group) -> bool| types.iter().any(|of| wanted(group(of)));
    if has(|group| group == Group::Numeric) && !has(Group::is_float) {
        return Err(refused("a power of a numeric", "write x::float8 ^ y"));
    }
    Ok(vec![DataType::Float64; types.len()])
}

fn powers(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let bases = as_doubles(&args[0])?;
    let exponents = as_doubles(&args[1])?;
    let rows = bases.as_primitive::<Float64Type>().iter();
    let rows = rows.zip(exponents.as_primitive::<Float64Type>());
    let one = |(base, exponent): (Option<f64>, Option<f64>)| {
        base.zip(exponent).map(|(base, exponent)| power(base, exponent)).transpose()
    };
    Ok(Arc::new(rows.map(one).collect::<Outcome<Float64Array>>()?))
}

fn power(base: f64, exponent: f64) -> Outcome<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(failure("2201F", "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(failure("2201F", message));
    }
    let done = base.powf(exponent);
    let is_finite = base.is_finite() && exponent.is_finite();
    match () {
        () if is_finite && done.is_infinite() => {
            Err(failure("22003", "value out of range: overflow"))
        }
        () if is_finite && done == 0.0 && base != 0.0 => {
            Err(failure("22003", "value out of range: underflow"))
        }
        () => Ok(done),
    }
}
