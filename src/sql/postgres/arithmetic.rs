//! Arithmetic of numbers: `+`, `-`, `*`, `/` and `%` with `PostgreSQL`'s result types, checked.
//!
//! Integers give the wider of the two types, or an error (22003) instead of another number.
//! Decimals have `PostgreSQL`'s scales. A float with anything gives a float.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric as kernels;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::scalar::ScalarValue;

use super::failure::{Outcome, division_by_zero, failure, no_operator, out_of_range};
use super::function::{Kernel, PgFunction};
use super::numeric::{self, Numeric, Numerics};
use super::own_scale::{OWN_SCALES, SCALE_MAX};
use super::type_name::{Group, as_decimal, group, integer, name};

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberOp {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

impl NumberOp {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            NumberOp::Plus => "+",
            NumberOp::Minus => "-",
            NumberOp::Times => "*",
            NumberOp::Over => "/",
            NumberOp::Modulo => "%",
        }
    }

    pub(super) fn operator(self) -> Operator {
        match self {
            NumberOp::Plus => Operator::Plus,
            NumberOp::Minus => Operator::Minus,
            NumberOp::Times => Operator::Multiply,
            NumberOp::Over => Operator::Divide,
            NumberOp::Modulo => Operator::Modulo,
        }
    }

    /// The name of the function that calculates it.
    fn function(self) -> &'static str {
        match self {
            NumberOp::Plus => "pg_plus",
            NumberOp::Minus => "pg_minus",
            NumberOp::Times => "pg_times",
            NumberOp::Over => "pg_over",
            NumberOp::Modulo => "pg_modulo",
        }
    }

    /// The operation of the function called `name`.
    pub(super) fn of_function(name: &str) -> Option<NumberOp> {
        use NumberOp::{Minus, Modulo, Over, Plus, Times};
        [Plus, Minus, Times, Over, Modulo].into_iter().find(|op| op.function() == name)
    }
}

/// The type of one number by another.
fn result(op: NumberOp, left: &Expr, right: &Expr, types: [&DataType; 2]) -> Outcome<DataType> {
    Ok(match (group(types[0]), group(types[1])) {
        (Group::Int(left), Group::Int(right)) => integer(left.max(right)),
        (left, right) if left.is_float() || right.is_float() => {
            if op == NumberOp::Modulo {
                return Err(no_operator(&name(types[0]), "%", &name(types[1])));
            }
            match left == Group::Float && right == Group::Float {
                true => DataType::Float32,
                false => DataType::Float64,
            }
        }
        _ if op == NumberOp::Over => quotient(left, right),
        _ => decimal(op, types),
    })
}

/// The type of a quotient: two literals have one scale, others one by row.
fn quotient(left: &Expr, right: &Expr) -> DataType {
    let scale = || Some(literal(left)?.quotient_scale(literal(right).filter(|n| !n.is_zero())?));
    match scale().filter(|scale| *scale < SCALE_MAX) {
        Some(scale) => DataType::Decimal128(38, scale as i8),
        None => OWN_SCALES,
    }
}

fn literal(expr: &Expr) -> Option<Numeric> {
    let Expr::Literal(value, _) = expr else { return None };
    of_scalar(value)
}

/// The number that a literal is, if it is an integer or a decimal.
pub(super) fn of_scalar(value: &ScalarValue) -> Option<Numeric> {
    let known = matches!(group(&value.data_type()), Group::Int(_) | Group::Numeric);
    let array = known.then(|| value.to_array().ok()).flatten()?;
    Numerics::of(&array).ok()?.get(0)
}

fn decimal(op: NumberOp, types: [&DataType; 2]) -> DataType {
    if let [DataType::Decimal256(..), _] | [_, DataType::Decimal256(..)] = types {
        return OWN_SCALES;
    }
    let ((left, left_scale), (right, right_scale)) = (as_decimal(types[0]), as_decimal(types[1]));
    let scale = match op {
        NumberOp::Times => left_scale + right_scale,
        _ => left_scale.max(right_scale),
    };
    if scale > 38 {
        return OWN_SCALES;
    }
    let whole = |precision: u8, scale: i8| i32::from(precision) - i32::from(scale);
    let precision = match op {
        NumberOp::Times => i32::from(left) + i32::from(right),
        _ => whole(left, left_scale).max(whole(right, right_scale)) + i32::from(scale) + 1,
    };
    DataType::Decimal128(precision.clamp(1, 38) as u8, scale)
}

/// `left op right`.
///
/// # Errors
/// When there is no such operator.
pub(super) fn of(op: NumberOp, left: Expr, right: Expr, types: [&DataType; 2]) -> Outcome<Expr> {
    let returns = result(op, &left, &right, types)?;
    let kernel: Kernel = match op {
        NumberOp::Plus => |args, to| calculate(NumberOp::Plus, args, to),
        NumberOp::Minus => |args, to| calculate(NumberOp::Minus, args, to),
        NumberOp::Times => |args, to| calculate(NumberOp::Times, args, to),
        NumberOp::Over => |args, to| calculate(NumberOp::Over, args, to),
        NumberOp::Modulo => |args, to| calculate(NumberOp::Modulo, args, to),
    };
    // A literal of type int8 would be taken for one that is written, and narrowed.
    let is_wide = returns == DataType::Int64;
    let function = PgFunction::fixed(op.function(), returns, kernel).written(op.symbol());
    let args = vec![left, right];
    Ok(if is_wide { function.uncalculated(args) } else { function.call(args) })
}

/// The type of `mod` of two integers or decimals.
pub(super) fn modulo_type(types: &[DataType]) -> Outcome<DataType> {
    Ok(match (group(&types[0]), group(&types[1])) {
        (Group::Int(left), Group::Int(right)) => integer(left.max(right)),
        _ => decimal(NumberOp::Modulo, [&types[0], &types[1]]),
    })
}

/// The function `mod`.
pub(super) fn modulo(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    calculate(NumberOp::Modulo, args, to)
}

fn calculate(op: NumberOp, args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let left = &args[0];
    let right = &args[1];
    match to {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            integers(op, &cast(left, to)?, &cast(right, to)?)
        }
        DataType::Float32 => singles(op, &cast(left, to)?, &cast(right, to)?),
        DataType::Float64 => doubles(op, &as_doubles(left)?, &as_doubles(right)?),
        DataType::Decimal128(..) if is_plain(op, left, right) => decimals(op, left, right, to),
        _ => numerics(op, left, right, to),
    }
}

fn integers(op: NumberOp, left: &ArrayRef, right: &ArrayRef) -> Outcome<ArrayRef> {
    let done = match op {
        NumberOp::Plus => kernels::add(left, right),
        NumberOp::Minus => kernels::sub(left, right),
        NumberOp::Times => kernels::mul(left, right),
        NumberOp::Over => kernels::div(left, right),
        NumberOp::Modulo => return remainders(left, right),
    };
    done.map_err(|error| match error {
        ArrowError::DivideByZero => division_by_zero(),
        _ => out_of_range(&name(left.data_type())),
    })
}

/// The least integer by -1 has the rest 0, though its quotient does not fit.
fn remainders(left: &ArrayRef, right: &ArrayRef) -> Outcome<ArrayRef> {
    use datafusion::arrow::datatypes::Int64Type;
    let wide = |array: &ArrayRef| cast(array, &DataType::Int64);
    let lefts = wide(left)?;
    let rights = wide(right)?;
    let lefts = lefts.as_primitive::<Int64Type>();
    let rights = rights.as_primitive::<Int64Type>();
    let rest = |(left, right): (Option<i64>, Option<i64>)| match left.zip(right) {
        Some((_, 0)) => Err(division_by_zero()),
        Some((left, right)) => Ok(Some(left.wrapping_rem(right))),
        None => Ok(None),
    };
    let rests = lefts.iter().zip(rights).map(rest);
    let rests = rests.collect::<Outcome<datafusion::arrow::array::Int64Array>>()?;
    Ok(cast(&(Arc::new(rests) as ArrayRef), left.data_type())?)
}

/// Whether both columns fit Arrow's kernels for decimals.
fn is_plain(op: NumberOp, left: &ArrayRef, right: &ArrayRef) -> bool {
    let fixed = |array: &ArrayRef| matches!(array.data_type(), DataType::Decimal128(..));
    matches!(op, NumberOp::Plus | NumberOp::Minus | NumberOp::Times) && fixed(left) && fixed(right)
}

fn decimals(op: NumberOp, left: &ArrayRef, right: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    use datafusion::arrow::datatypes::Decimal128Type;
    let done = match op {
        NumberOp::Plus => kernels::add(left, right),
        NumberOp::Minus => kernels::sub(left, right),
        _ => kernels::mul(left, right),
    };
    let done = done.map_err(|_| out_of_range("numeric"))?;
    if numeric::scale_of(done.data_type()) != numeric::scale_of(to) {
        return numerics(op, left, right, to);
    }
    let most = 10_i128.pow(38);
    let done = done.as_primitive::<Decimal128Type>().clone();
    let valid = |row: &usize| done.is_valid(*row);
    let large = |row: usize| !(-most < done.value(row) && done.value(row) < most);
    if (0..done.len()).filter(valid).any(large) {
        return Err(out_of_range("numeric"));
    }
    Ok(Arc::new(done.with_data_type(to.clone())))
}

fn numerics(op: NumberOp, left: &ArrayRef, right: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    let rows = left.len();
    let left = Numerics::of(left)?;
    let right = Numerics::of(right)?;
    let one = |row: usize| {
        let Some((left, right)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
        let done = match op {
            NumberOp::Plus => left.plus(right),
            NumberOp::Minus => left.minus(right),
            NumberOp::Times => left.times(right),
            NumberOp::Over => left.over(right),
            NumberOp::Modulo => left.modulo(right),
        };
        done.map(Some)
    };
    numeric::column((0..rows).map(one), to)
}

/// Numbers as the nearest doubles.
pub(super) fn as_doubles(array: &ArrayRef) -> Outcome<ArrayRef> {
    if !matches!(array.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)) {
        return Ok(cast(array, &DataType::Float64)?);
    }
    let numbers = Numerics::of(array)?;
    let doubles = (0..array.len()).map(|row| numbers.get(row).map(Numeric::to_f64));
    Ok(Arc::new(doubles.collect::<Float64Array>()))
}

fn doubles(op: NumberOp, left: &ArrayRef, right: &ArrayRef) -> Outcome<ArrayRef> {
    let left = left.as_primitive::<Float64Type>();
    let right = right.as_primitive::<Float64Type>();
    let rows = left.iter().zip(right).map(|(left, right)| match left.zip(right) {
        Some((left, right)) => float(op, left, right).map(Some),
        None => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Outcome<Float64Array>>()?))
}

fn singles(op: NumberOp, left: &ArrayRef, right: &ArrayRef) -> Outcome<ArrayRef> {
    let left = left.as_primitive::<Float32Type>();
    let right = right.as_primitive::<Float32Type>();
    let one = |left: f32, right: f32| {
        // A double holds both exactly, and rounding it once more gives the same.
        let wide = float(op, left.into(), right.into())?;
        let done = wide as f32;
        checked(done.into(), left.is_infinite() || right.is_infinite(), wide == 0.0)?;
        Ok(done)
    };
    let rows = left.iter().zip(right).map(|(left, right)| match left.zip(right) {
        Some((left, right)) => one(left, right).map(Some),
        None => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Outcome<Float32Array>>()?))
}

fn float(op: NumberOp, left: f64, right: f64) -> Outcome<f64> {
    let has_infinity = left.is_infinite() || right.is_infinite();
    let (done, may_vanish) = match op {
        NumberOp::Plus => (left + right, true),
        NumberOp::Minus => (left - right, true),
        NumberOp::Times => (left * right, left == 0.0 || right == 0.0),
        _ if right == 0.0 && !left.is_nan() => return Err(division_by_zero()),
        _ => (left / right, left == 0.0 || right.is_infinite()),
    };
    // Processors differ in the sign of a NaN.
    let done = if done.is_nan() { f64::NAN } else { done };
    checked(done, has_infinity, may_vanish)?;
    Ok(done)
}

/// Refuses an infinity or a zero that is only the end of the type's range.
fn checked(done: f64, may_be_infinite: bool, may_vanish: bool) -> Outcome<()> {
    match () {
        () if done.is_infinite() && !may_be_infinite => {
            Err(failure("22003", "value out of range: overflow"))
        }
        () if done == 0.0 && !may_vanish => Err(failure("22003", "value out of range: underflow")),
        () => Ok(()),
    }
}
