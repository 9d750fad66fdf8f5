//! Comparisons: brings values to the one type in which `PostgreSQL` compares them.
//!
//! A float makes a comparison one of doubles, a text literal is read as the other side's type,
//! dates become moments where a moment is compared, and intervals are compared by their length.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array};
use datafusion::arrow::compute::cast as arrow_cast;
use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Float64Type};
use datafusion::logical_expr::Expr;
use datafusion::scalar::ScalarValue;

use super::failure::{Outcome, no_operator};
use super::function::{self, PgFunction};
use super::own_scale::{self, OWN_SCALES, PLAIN};
use super::type_name::{Group, TIME, TIMESTAMP, as_decimal, group, name, timestamptz};
use super::{arithmetic, cast, text_input, time_arithmetic};

/// The type of lengths of intervals.
const LENGTH: DataType = DataType::Decimal128(38, 0);

/// Values of one type, made of `values` of `types`, to be compared by `op`.
///
/// # Errors
/// When the types cannot be compared, or a literal is no value of the type.
pub(super) fn unify(values: Vec<Expr>, types: &[DataType], op: &str) -> Outcome<Vec<Expr>> {
    match target(&values, types, op)?.or_else(|| numerics(types)) {
        Some(target) => brought(values, types, &target),
        None => Ok(values),
    }
}

/// The type of exact numbers that are shown with different numbers of digits: each keeps its own.
fn numerics(types: &[DataType]) -> Option<DataType> {
    let known: Vec<&DataType> = types.iter().filter(|of| group(of) != Group::Unknown).collect();
    let first = known.first()?;
    let is_exact = |of: &&&DataType| matches!(group(of), Group::Int(_) | Group::Numeric);
    let has_other = |of: &&DataType| {
        matches!(of, DataType::Decimal256(..)) || as_decimal(of).1 != as_decimal(first).1
    };
    let is_exact = known.iter().filter(is_exact).count() == known.len();
    (is_exact && known.iter().any(has_other) && known.iter().any(|of| of != first))
        .then_some(OWN_SCALES)
}

/// The type of exact numbers that need more digits than 128 bits have, once they have one scale. Of
/// two numbers the planner converts the one that is written.
fn too_long_together(types: &[DataType]) -> Option<DataType> {
    let parts = types.iter().filter(|of| group(of) != Group::Unknown).map(as_decimal);
    let (whole, scale) = parts.fold((0, 0), |(whole, most), (digits, scale)| {
        (whole.max(i16::from(digits) - i16::from(scale)), most.max(i16::from(scale)))
    });
    numerics(types).filter(|_| whole + scale > i16::from(DECIMAL128_MAX_PRECISION))
}

/// The values as type `target`, but for those of no type.
fn brought(values: Vec<Expr>, types: &[DataType], target: &DataType) -> Outcome<Vec<Expr>> {
    let one = |(value, from): (Expr, &DataType)| match group(from) {
        Group::Unknown => Ok(value),
        // A number in quotes is not rounded to the digits that it is compared with.
        Group::Text if matches!(target, DataType::Decimal128(..)) && is_text_literal(&value) => {
            let wide = cast::of(value.clone(), from, &OWN_SCALES)?;
            let narrow = cast::of(value, from, target)?;
            let number = |expr: &Expr| function::literal(expr).and_then(arithmetic::of_scalar);
            let is_same = number(&wide).map(|wide| wide.trimmed(0))
                == number(&narrow).map(|narrow| narrow.trimmed(0));
            Ok(if is_same { narrow } else { wide })
        }
        _ => cast::of(value, from, target),
    };
    values.into_iter().zip(types).map(one).collect()
}

/// As [`unify`], and ready to be compared: one zero, one NaN, and lengths of intervals.
pub(super) fn comparable(values: Vec<Expr>, types: &[DataType], op: &str) -> Outcome<Vec<Expr>> {
    let exact = || (values.len() > 2).then(|| too_long_together(types)).flatten();
    let Some(target) = target(&values, types, op)?.or_else(exact) else {
        return Ok(values.into_iter().zip(types).map(|(value, of)| key(value, of)).collect());
    };
    let values = brought(values, types, &target)?;
    let key_of = |value: Expr| match function::literal(&value).map(ScalarValue::data_type) {
        Some(own) => key(value, &own),
        None => key(value, &target),
    };
    Ok(values.into_iter().map(key_of).collect())
}

/// The value by which `value` is compared and grouped.
pub(super) fn key(value: Expr, data_type: &DataType) -> Expr {
    match (group(data_type), &value) {
        (Group::Float | Group::Double, Expr::Literal(literal, _)) => {
            Expr::Literal(canonical(literal), None)
        }
        (Group::Float | Group::Double, Expr::ScalarFunction(call))
            if call.name() == "pg_float_key" =>
        {
            value
        }
        (Group::Float | Group::Double, _) => float_key(value, data_type),
        (Group::Interval, Expr::Literal(literal, _)) if literal.is_null() => value,
        (Group::Interval, _) => length(value),
        (Group::Numeric, _) if *data_type == OWN_SCALES => {
            PgFunction::fixed("pg_plain_numeric", PLAIN, own_scale::plain).call(vec![value])
        }
        _ => value,
    }
}

/// Whether values of the type are compared by something else than themselves.
pub(super) fn has_key(data_type: &DataType) -> bool {
    let group = group(data_type);
    group.is_float() || group == Group::Interval || *data_type == OWN_SCALES
}

/// The float with one zero and one NaN.
pub(super) fn float_key(value: Expr, data_type: &DataType) -> Expr {
    PgFunction::fixed("pg_float_key", data_type.clone(), float_keys).call(vec![value])
}

/// The float with one NaN, which is the greatest.
pub(super) fn with_one_nan(value: Expr, data_type: &DataType) -> Expr {
    match &value {
        Expr::ScalarFunction(call) if call.name() == "pg_one_nan" => value,
        _ => PgFunction::fixed("pg_one_nan", data_type.clone(), one_nans).call(vec![value]),
    }
}

fn one_nans(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let wide = arrow_cast(&args[0], &DataType::Float64)?;
    let one = |value: f64| if value.is_nan() { f64::NAN } else { value };
    let values: Float64Array = wide.as_primitive::<Float64Type>().unary(one);
    Ok(arrow_cast(&values, to)?)
}

/// The length of an interval in microseconds.
pub(super) fn length(value: Expr) -> Expr {
    PgFunction::fixed("pg_interval_length", LENGTH, lengths).call(vec![value])
}

/// The values by which a column is compared, where that is a column of floats or of numbers with
/// scales of their own.
pub(super) fn keys(column: &ArrayRef) -> Outcome<ArrayRef> {
    let args = std::slice::from_ref(column);
    match column.data_type() {
        of if group(of).is_float() => float_keys(args, of),
        of if *of == OWN_SCALES => own_scale::plain(args, &PLAIN),
        _ => Ok(Arc::clone(column)),
    }
}

fn canonical(literal: &ScalarValue) -> ScalarValue {
    match literal {
        ScalarValue::Float64(Some(value)) => ScalarValue::Float64(Some(one_zero(*value))),
        ScalarValue::Float32(Some(value)) if value.is_nan() => ScalarValue::Float32(Some(f32::NAN)),
        ScalarValue::Float32(Some(value)) => ScalarValue::Float32(Some(value + 0.0)),
        other => other.clone(),
    }
}

fn one_zero(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

fn float_keys(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    // An untyped NULL is a column of its own type.
    let wide = arrow_cast(&args[0], &DataType::Float64)?;
    let keys: Float64Array = wide.as_primitive::<Float64Type>().unary(one_zero);
    Ok(arrow_cast(&keys, to)?)
}

fn lengths(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let spans = time_arithmetic::spans(&args[0])?;
    let rows = spans.iter().map(|span| span.map(|span| time_arithmetic::span(span).length()));
    Ok(Arc::new(rows.collect::<Decimal128Array>().with_data_type(LENGTH)))
}

/// The common type of columns, or none when the planner's own choice is `PostgreSQL`'s.
pub(super) fn common(types: &[DataType]) -> Outcome<Option<DataType>> {
    let known: Vec<DataType> =
        types.iter().filter(|of| group(of) != Group::Unknown).cloned().collect();
    let columns: Vec<Expr> = known.iter().map(|_| Expr::Literal(ScalarValue::Null, None)).collect();
    // Columns of texts and others are left to the planner, which refuses or casts them.
    let is_mixed = known.iter().any(|of| group(of) == Group::Text);
    if is_mixed {
        return Ok(None);
    }
    Ok(target(&columns, &known, "UNION")?.or_else(|| numerics(&known)))
}

/// The type that all values are cast to, or none when they may stay as they are.
fn target(values: &[Expr], types: &[DataType], op: &str) -> Outcome<Option<DataType>> {
    let is_known =
        |(value, of): &(&Expr, &DataType)| group(of) != Group::Unknown && !is_text_literal(value);
    let pairs = || values.iter().zip(types);
    let known: Vec<&DataType> = pairs().filter(is_known).map(|(_, of)| of).collect();
    let Some(first) = known.first() else { return Ok(None) };
    let has_open = pairs().any(|(value, of)| group(of) != Group::Unknown && is_text_literal(value));
    let groups: Vec<Group> = known.iter().map(|of| group(of)).collect();
    let all = |test: fn(Group) -> bool| groups.iter().all(|group| test(*group));
    let any = |test: fn(Group) -> bool| groups.iter().any(|group| test(*group));
    let is_moment = |group| matches!(group, Group::Date | Group::Timestamp | Group::Timestamptz);
    let common = if any(|group| matches!(group, Group::Other | Group::List)) {
        // Structs, and lists, which are compared element by element.
        let open = has_open && text_input::is_readable(first) && known.len() == 1;
        return Ok(open.then(|| (*first).clone()));
    } else if all(Group::is_number) {
        numbers(&known, has_open)
    } else if all(is_moment) {
        moments(&known)
    } else if groups.iter().all(|group| *group == groups[0]) {
        match groups[0] {
            Group::Time => Some(TIME),
            Group::Interval => Some(super::type_name::INTERVAL),
            Group::Text => None,
            _ => Some((*first).clone()),
        }
    } else {
        let other = known.iter().find(|of| group(of) != groups[0]).unwrap_or(first);
        return Err(no_operator(&name(first), op, &name(other)));
    };
    let is_same = common.as_ref().is_some_and(|common| types.iter().all(|of| of == common));
    Ok(common.filter(|_| !is_same))
}

/// Integers and decimals are compared exactly by the planner; a float makes all of them doubles.
fn numbers(known: &[&DataType], has_open: bool) -> Option<DataType> {
    let is_float = known.iter().any(|of| group(of).is_float());
    let is_single = known.iter().all(|of| group(of) == Group::Float);
    match () {
        () if is_single => Some(DataType::Float32),
        () if is_float => Some(DataType::Float64),
        () if has_open && known.iter().all(|of| *of == known[0]) => Some(known[0].clone()),
        () if has_open => Some(OWN_SCALES),
        () => None,
    }
}

fn moments(known: &[&DataType]) -> Option<DataType> {
    let has = |wanted: Group| known.iter().any(|of| group(of) == wanted);
    Some(match () {
        () if has(Group::Timestamptz) => timestamptz(),
        () if has(Group::Timestamp) => TIMESTAMP,
        () => DataType::Date32,
    })
}

/// Whether `value` is a text whose type the statement leaves open.
pub(super) fn is_text_literal(value: &Expr) -> bool {
    matches!(value, Expr::Literal(literal, None) if cast::text_of(literal).is_some())
}
