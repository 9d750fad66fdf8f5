//! Arrays of a wider type, made value by value.
//!
//! `arrow_cast` does this and much more. It takes an eighth of a first build together with
//! `arrow_ord`, on which it stands, so only SQL brings it, whose engine needs both. The test
//! compares the texts of both arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    BinaryType, ByteArrayType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, RunEndIndexType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    Utf8Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, GenericByteArray, ListArray,
    PrimitiveArray, RunArray, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::take::take;

type Result<T, E = ArrowError> = std::result::Result<T, E>;

/// The numbers of an array, each `as` another type, which holds them all.
macro_rules! numbers_as {
    ($array:expr, $to:ty, $native:ty) => {
        numbers_as!($array, $to, $native,
            Int8 Int8Type, Int16 Int16Type, Int32 Int32Type, Int64 Int64Type, UInt8 UInt8Type,
            UInt16 UInt16Type, UInt32 UInt32Type, UInt64 UInt64Type, Float32 Float32Type)
    };
    ($array:expr, $to:ty, $native:ty, $($kind:ident $from:ty),*) => {
        match $array.data_type() {
            $(DataType::$kind => {
                let numbers = $array.as_primitive::<$from>();
                Arc::new(numbers.unary::<_, $to>(|number| number as $native)) as ArrayRef
            })*
            other => return Err(none(other, &<$to>::DATA_TYPE)),
        }
    };
}

/// The values of `array` as those of `to`, in which it can lose nothing.
///
/// # Errors
/// When `to` cannot hold a value (a date 300,000 years off, texts of more than 2 GiB), or is no
/// wider type at all.
pub(super) fn widened(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    match from {
        _ if from == to => return Ok(Arc::clone(array)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            return widened(&take(dictionary.values(), dictionary.keys(), None)?, to);
        }
        DataType::RunEndEncoded(ends, _) => {
            let values = match ends.data_type() {
                DataType::Int16 => run_values::<Int16Type>(array),
                DataType::Int32 => run_values::<Int32Type>(array),
                _ => run_values::<Int64Type>(array),
            };
            return widened(&values?, to);
        }
        _ => {}
    }
    Ok(match to {
        DataType::Utf8 => match from {
            DataType::LargeUtf8 => packed::<Utf8Type>(array.as_string::<i64>().iter())?,
            DataType::Utf8View => packed::<Utf8Type>(array.as_string_view().iter())?,
            _ => return Err(none(from, to)),
        },
        DataType::Binary => match from {
            DataType::LargeBinary => packed::<BinaryType>(array.as_binary::<i64>().iter())?,
            DataType::BinaryView => packed::<BinaryType>(array.as_binary_view().iter())?,
            DataType::FixedSizeBinary(_) => {
                packed::<BinaryType>(array.as_fixed_size_binary().iter())?
            }
            _ => return Err(none(from, to)),
        },
        DataType::List(item) => {
            let (offsets, items) = lists(array, to)?;
            let items = widened(&items, item.data_type())?;
            let nulls = array.nulls().cloned();
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, nulls)?)
        }
        DataType::Int16 => numbers_as!(array, Int16Type, i16),
        DataType::Int32 => numbers_as!(array, Int32Type, i32),
        DataType::Int64 => numbers_as!(array, Int64Type, i64),
        DataType::UInt16 => numbers_as!(array, UInt16Type, u16),
        DataType::UInt32 => numbers_as!(array, UInt32Type, u32),
        DataType::UInt64 => numbers_as!(array, UInt64Type, u64),
        DataType::Float32 => numbers_as!(array, Float32Type, f32),
        DataType::Float64 => numbers_as!(array, Float64Type, f64),
        DataType::Decimal128(precision, scale) => decimals(array, *precision, *scale)?,
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Arc::new(micros(array, to)?.with_timezone_opt(zone.clone()))
        }
        _ => return Err(none(from, to)),
    })
}

fn none(from: &DataType, to: &DataType) -> ArrowError {
    ArrowError::CastError(format!("{from} is not widened to {to}"))
}

fn run_values<K: RunEndIndexType>(array: &ArrayRef) -> Result<ArrayRef> {
    let runs = array.as_any().downcast_ref::<RunArray<K>>();
    let runs = runs.ok_or_else(|| none(array.data_type(), &K::DATA_TYPE))?;
    let places = (0..runs.len()).map(|row| runs.get_physical_index(row) as u64);
    take(runs.values(), &UInt64Array::from_iter_values(places), None)
}

/// The values with 32-bit offsets, which reach 2 GiB.
fn packed<'a, T: ByteArrayType<Offset = i32>>(
    values: impl Iterator<Item = Option<&'a T::Native>> + Clone,
) -> Result<ArrayRef> {
    let length = |value: &T::Native| AsRef::<[u8]>::as_ref(value).len();
    let all: usize = values.clone().flatten().map(length).sum();
    if i32::try_from(all).is_err() {
        return Err(ArrowError::CastError(format!("{all} bytes are more than 2 GiB")));
    }
    Ok(Arc::new(values.collect::<GenericByteArray<T>>()))
}

/// The offsets and items of lists of another form.
fn lists(array: &ArrayRef, to: &DataType) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    match array.data_type() {
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            let ends = lists.offsets().iter().map(|end| i32::try_from(*end));
            let ends = ends.collect::<Result<Vec<_>, _>>();
            let ends = ends.map_err(|_| ArrowError::CastError("too many items".to_owned()))?;
            Ok((OffsetBuffer::new(ends.into()), Arc::clone(lists.values())))
        }
        DataType::FixedSizeList(_, length) => {
            let lists = array.as_fixed_size_list();
            let lengths = std::iter::repeat_n(*length as usize, lists.len());
            Ok((OffsetBuffer::from_lengths(lengths), Arc::clone(lists.values())))
        }
        other => Err(none(other, to)),
    }
}

/// Numbers of `scale` digits behind the point.
fn decimals(array: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef> {
    let (units, digits) = match array.data_type() {
        DataType::Decimal128(_, old) => (Arc::clone(array), scale - old),
        _ => (numbers_as!(array, Decimal128Type, i128), scale),
    };
    let factor = 10_i128.pow_checked(digits.unsigned_abs().into())?;
    let units = times::<Decimal128Type, Decimal128Type>(&units, factor)?;
    units.validate_decimal_precision(precision)?;
    Ok(Arc::new(units.with_precision_and_scale(precision, scale)?))
}

fn micros(array: &ArrayRef, to: &DataType) -> Result<PrimitiveArray<TimestampMicrosecondType>> {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            times::<TimestampSecondType, _>(array, 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            times::<TimestampMillisecondType, _>(array, 1_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            times::<TimestampMicrosecondType, _>(array, 1)
        }
        DataType::Date32 => times::<Date32Type, _>(array, 86_400_000_000),
        other => Err(none(other, to)),
    }
}

/// The values of `array`, each multiplied by `factor`.
fn times<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    array: &ArrayRef,
    factor: T::Native,
) -> Result<PrimitiveArray<T>>
where
    T::Native: From<F::Native>,
{
    array.as_primitive::<F>().try_unary(|value| T::Native::from(value).mul_checked(factor))
}

#[cfg(test)]
#[path = "widened_array_tests.rs"]
mod tests;
