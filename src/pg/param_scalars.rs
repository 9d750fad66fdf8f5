//! Converter of a parameter's value to what a statement takes.

use arrow_schema::DataType;

use super::error::Failure;
use super::params::{Param, units};
use super::parse_time_text::IntervalParts;
use super::types;
use diptych_sql::ScalarValue;

impl Param {
    /// The value for a statement, converted to the type `wanted` if the statement wants one.
    ///
    /// # Errors
    /// When it is not a value of that type.
    pub(super) fn scalar(self, wanted: Option<&DataType>) -> Result<ScalarValue, Failure> {
        let scalar = match self {
            Param::Null => ScalarValue::Null,
            Param::Bool(value) => ScalarValue::Boolean(Some(value)),
            Param::Int(value) => ScalarValue::Int64(Some(value)),
            Param::Float(value) => ScalarValue::Float32(Some(value)),
            Param::Double(value) => ScalarValue::Float64(Some(value)),
            Param::Numeric(digits) => match units(&digits) {
                Some((units, scale)) => ScalarValue::Decimal128(Some(units), 38, scale as i8),
                None => ScalarValue::Utf8(Some(digits)),
            },
            Param::Text(text) => ScalarValue::Utf8(Some(text)),
            Param::Bytes(bytes) => ScalarValue::Binary(Some(bytes)),
            Param::Date(days) => ScalarValue::Date32(Some(days)),
            Param::Timestamp(micros, is_instant) => {
                let zone = is_instant.then(|| "+00:00".into());
                ScalarValue::TimestampMicrosecond(Some(micros), zone)
            }
            Param::Time(micros) => ScalarValue::Time64Microsecond(Some(micros)),
            Param::Interval(parts) => interval(parts),
            Param::List(values, element) => return list(values, element, wanted),
        };
        cast(scalar, wanted)
    }
}

fn cast(scalar: ScalarValue, wanted: Option<&DataType>) -> Result<ScalarValue, Failure> {
    let Some(wanted) = wanted.filter(|wanted| **wanted != scalar.data_type()) else {
        return Ok(scalar);
    };
    if scalar.is_null() {
        return ScalarValue::try_from(wanted).map_err(|error| {
            Failure::new("0A000", format!("no parameter can be of type {wanted}: {error}"))
        });
    }
    if let (ScalarValue::Decimal128(Some(units), ..), DataType::Decimal128(_, scale)) =
        (&scalar, wanted)
    {
        return Ok(exact(*units, &scalar, *scale));
    }
    let is_whole = |of: &DataType| of.is_integer() || matches!(of, DataType::Decimal128(..));
    if scalar.cast_to(wanted).is_err()
        && wanted.is_unsigned_integer()
        && is_whole(&scalar.data_type())
    {
        // No such value is in the column; it is greater or less than all values there.
        return Ok(scalar);
    }
    scalar.cast_to(wanted).map_err(|_| {
        let shown: String = scalar.to_string().chars().take(60).collect();
        Failure::new("22P02", format!("\"{shown}\" is not a value of type {wanted}"))
    })
}

/// A number for a place of another scale: in that scale if it loses nothing, else in its own,
/// because 1.005 does not become equal to 1.01.
fn exact(units: i128, scalar: &ScalarValue, wanted: i8) -> ScalarValue {
    let ScalarValue::Decimal128(_, precision, scale) = *scalar else { return scalar.clone() };
    let mut units = units;
    let mut scale = scale;
    while scale > wanted.max(0) && units % 10 == 0 {
        (units, scale) = (units / 10, scale - 1);
    }
    let more = u32::try_from(wanted - scale).ok();
    let power = more.and_then(|more| 10i128.checked_pow(more));
    let wide = power.and_then(|power| units.checked_mul(power));
    match wide.filter(|wide| wide.unsigned_abs() < 10u128.pow(38)) {
        Some(wide) => ScalarValue::Decimal128(Some(wide), precision, wanted),
        None => ScalarValue::Decimal128(Some(units), precision, scale),
    }
}

fn interval(parts: IntervalParts) -> ScalarValue {
    let IntervalParts { months, days, micros } = parts;
    let nanoseconds = micros.saturating_mul(1_000);
    let parts = arrow_buffer::IntervalMonthDayNano { months, days, nanoseconds };
    ScalarValue::IntervalMonthDayNano(Some(parts))
}

fn list(
    values: Vec<Param>,
    element: u32,
    wanted: Option<&DataType>,
) -> Result<ScalarValue, Failure> {
    let inner = match wanted {
        Some(DataType::List(item) | DataType::LargeList(item)) => Some(item.data_type().clone()),
        _ => types::arrow_type(element),
    };
    let inner = match inner.unwrap_or(DataType::Utf8) {
        // The elements have one scale, the greatest among them, so that none loses a digit.
        DataType::Decimal128(precision, scale) => {
            let scales = values.iter().filter_map(|value| Some(value.units()?.1 as i8));
            DataType::Decimal128(precision, scales.fold(scale.min(2), i8::max))
        }
        inner => inner,
    };
    let values = values.into_iter().map(|value| value.scalar(Some(&inner)));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &inner)))
}
