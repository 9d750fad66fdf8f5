//! Lossless changes of a column's type, which are applied automatically.

use arrow_array::ArrayRef;
use arrow_schema::DataType::{
    Binary, BinaryView, Boolean, Date32, Decimal128, Dictionary, FixedSizeBinary, FixedSizeList,
    Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary, LargeList, LargeUtf8, List,
    RunEndEncoded, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
};
use arrow_schema::{DataType, TimeUnit};

use super::column_path::ColumnPath;
use super::widened_array::widened;
use diptych_base::error::{Error, Kind, Result};

/// Converts `array` to `to`: unchanged, widened without loss, or refused with the place and both
/// types. A value that a lossless type change cannot hold (a date 300,000 years off) is refused
/// too, never wrapped or made null.
pub(crate) fn conform(array: ArrayRef, to: &DataType, at: &ColumnPath<'_>) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(array);
    }
    if !lossless(from, to) {
        return Err(refuse(from, to, at));
    }
    widened(&array, to).map_err(|error| {
        let message = format!("column `{at}`: {from} does not fit {to}: {error}");
        Error::new(Kind::Input, message).remedy("keep the old field, and add a new one beside it")
    })
}

/// The refusal of a changed type.
pub(crate) fn refuse(from: &DataType, to: &DataType, at: &ColumnPath<'_>) -> Error {
    Error::new(Kind::Input, format!("column `{at}` is {from} here, and {to} in the event type"))
        .remedy(
            "give the field #[event(upcast = \"path::to::function\")] taking the old type, or keep \
             the old field and add a new one",
        )
}

/// Whether every value of `from` is a value of `to`, as far as `to` reaches.
pub(super) fn lossless(from: &DataType, to: &DataType) -> bool {
    if let Dictionary(_, values) = from {
        return **values == *to || lossless(values, to);
    }
    if let RunEndEncoded(_, values) = from {
        return values.data_type() == to || lossless(values.data_type(), to);
    }
    match to {
        Utf8 => matches!(from, LargeUtf8 | Utf8View),
        Binary => matches!(from, LargeBinary | BinaryView | FixedSizeBinary(_)),
        List(_) => matches!(from, LargeList(_) | FixedSizeList(_, _)),
        Timestamp(TimeUnit::Microsecond, _) => matches!(
            from,
            Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, _) | Date32
        ),
        Decimal128(_, scale) => match from {
            Decimal128(_, old) => old <= scale,
            other => integer_bits(other).is_some(),
        },
        Float64 => *from == Float32 || integer_bits(from).is_some_and(|bits| bits <= 32),
        Float32 => integer_bits(from).is_some_and(|bits| bits <= 16),
        Boolean => false,
        _ => match (integer_bits(from), integer_bits(to)) {
            (Some(old), Some(new)) => old < new && (is_unsigned(from) || !is_unsigned(to)),
            _ => false,
        },
    }
}

/// The width of an integer type; none for a date or a time.
fn integer_bits(kind: &DataType) -> Option<u8> {
    match kind {
        Int8 | UInt8 => Some(8),
        Int16 | UInt16 => Some(16),
        Int32 | UInt32 => Some(32),
        Int64 | UInt64 => Some(64),
        _ => None,
    }
}

fn is_unsigned(kind: &DataType) -> bool {
    matches!(kind, UInt8 | UInt16 | UInt32 | UInt64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_widen_only_upwards_and_never_lose_their_sign() {
        assert!(lossless(&Int32, &Int64) && lossless(&UInt32, &Int64));
        assert!(!lossless(&Int64, &Int32) && !lossless(&Int32, &UInt64));
        assert!(!lossless(&UInt64, &Int64) && !lossless(&Int64, &Float64));
        assert!(lossless(&UInt32, &Float64) && !lossless(&Int32, &Float32));
    }

    #[test]
    fn decimals_widen_to_a_finer_scale_only() {
        assert!(lossless(&Decimal128(10, 2), &Decimal128(38, 4)));
        assert!(!lossless(&Decimal128(38, 4), &Decimal128(38, 2)));
        assert!(lossless(&UInt64, &Decimal128(38, 2)) && !lossless(&Float64, &Decimal128(38, 2)));
    }
}
