//! Powers: `x ^ y` and `power(x, y)` of doubles, and whole powers of decimals, checked.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type, i256};
use datafusion::common::ExprSchema;
use datafusion::logical_expr::Expr;
use datafusion::scalar::ScalarValue;

use super::arithmetic::as_doubles;
use super::failure::{Outcome, failure, out_of_range, refused};
use super::function::PgFunction;
use super::numeric::{self, Numeric, Numerics};
use super::operators::known_type;
use super::own_scale::{OWN_SCALES, SCALE_MAX};
use super::type_name::{Group, group};

/// The digits after the point that a power of a decimal has at least.
const SCALE_MIN: i32 = 16;

/// `base ^ exponent`.
///
/// # Errors
/// When there is no such operator.
pub(super) fn of(base: Expr, exponent: Expr, schema: &dyn ExprSchema) -> Outcome<Expr> {
    let types: Vec<DataType> =
        [&base, &exponent].iter().filter_map(|side| known_type(side, schema)).collect();
    accepted(&types)?;
    Ok(function().written("^").call(vec![base, exponent]))
}

/// The function `power`.
pub(super) fn function() -> PgFunction {
    PgFunction::named("power", accepted, returned, powers)
}

fn is_exact(types: &[DataType]) -> bool {
    let has = |wanted: fn(Group) -> bool| types.iter().any(|of| wanted(group(of)));
    has(|group| group == Group::Numeric) && !has(Group::is_float)
}

fn accepted(types: &[DataType]) -> Outcome<Vec<DataType>> {
    Ok(if is_exact(types) { types.to_vec() } else { vec![DataType::Float64; types.len()] })
}

fn returned(types: &[DataType], _: &[Option<&ScalarValue>]) -> Outcome<DataType> {
    Ok(if is_exact(types) { OWN_SCALES } else { DataType::Float64 })
}

/// Powers of decimals.
fn exact_powers(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let (bases, exponents) = (Numerics::of(&args[0])?, Numerics::of(&args[1])?);
    let one = |row: usize| {
        let pair = bases.get(row).zip(exponents.get(row));
        pair.map(|(base, exponent)| exact_power(base, exponent)).transpose()
    };
    numeric::column((0..args[0].len()).map(one), to)
}

/// A whole power of a decimal.
///
/// # Errors
/// When it is too large, is not defined, or the exponent is not whole: then its digits are not
/// those of a double.
fn exact_power(base: Numeric, exponent: Numeric) -> Outcome<Numeric> {
    let whole = exponent.trimmed(0);
    let is_whole = whole.scale == 0;
    checked(base.units.cmp(&i256::ZERO), exponent.units.is_negative(), is_whole)?;
    let times = whole.to_i128().and_then(|times| i32::try_from(times).ok());
    let Some(times) = times.filter(|_| is_whole) else {
        let instead = "write x::float8 ^ y";
        return Err(refused("a power of a numeric with such an exponent", instead));
    };
    let scale = base.scale.clamp(SCALE_MIN, SCALE_MAX);
    let one = Numeric::of_i128(1);
    let (mut done, mut square) = (one, base.trimmed(0));
    let mut rest = times.unsigned_abs();
    while rest > 0 {
        if rest % 2 == 1 {
            done = product(done, square)?;
        }
        rest /= 2;
        if rest > 0 {
            square = product(square, square)?;
        }
    }
    match times < 0 {
        true => one.over_with_scale(done, scale),
        false => done.rescaled(scale),
    }
}

/// The product, rounded where it has more digits than there is room for.
fn product(left: Numeric, right: Numeric) -> Outcome<Numeric> {
    let exact = |left: Numeric, right: Numeric| {
        let units = left.units.checked_mul(right.units)?;
        Some(Numeric { units, scale: left.scale + right.scale }.trimmed(0))
    };
    let short = |number: Numeric| {
        let digits = number.units.checked_abs().and_then(i256::checked_ilog10);
        let excess = digits.map_or(0, |digits| digits as i32 - SCALE_MAX).max(0);
        number.rescaled((number.scale - excess).max(0))
    };
    match exact(left, right) {
        Some(product) => Ok(product),
        None => exact(short(left)?, short(right)?).ok_or_else(|| out_of_range("numeric")),
    }
}

/// Checks that a power is defined, for a base that compares so with zero.
fn checked(sign: Ordering, is_inverse: bool, is_whole: bool) -> Outcome<()> {
    if sign == Ordering::Equal && is_inverse {
        return Err(failure("2201F", "zero raised to a negative power is undefined"));
    }
    if sign == Ordering::Less && !is_whole {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(failure("2201F", message));
    }
    Ok(())
}

fn powers(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    if *to == OWN_SCALES {
        return exact_powers(args, to);
    }
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
    let is_whole = !exponent.is_finite() || exponent.fract() == 0.0;
    let sign = base.partial_cmp(&0.0).filter(|_| base.is_finite());
    checked(sign.unwrap_or(Ordering::Greater), exponent < 0.0, is_whole)?;
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
