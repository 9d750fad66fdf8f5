//! Field types with one value in one array: numbers, booleans, text, bytes, days, times.

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use std::convert::identity;
use std::sync::Arc;

use super::column_path::ColumnPath;
use super::decimal::{self, Decimal};
use super::field::{Field, Item, PlainField};
use super::widen::conform;
use super::{Date, Timestamp};
use diptych_base::error::Result;

/// Implements `Field` for numbers and similar types: a buffer of native values, wrapped when read.
macro_rules! number {
    (
        $kind:ty, $arrow:ty, $native:ty, $wrap:expr, $unwrap:expr, $data_type:expr
    ) => {
        impl PlainField for $kind {}
        impl Field for $kind {
            type Row<'a> = Self;
            type Column = ScalarBuffer<$native>;
            type Builder = PrimitiveBuilder<$arrow>;

            fn data_type() -> DataType {
                $data_type
            }
            fn column(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self::Column> {
                at.refuse_nulls(&array)?;
                let array = conform(array, &Self::data_type(), at)?;
                Ok(array.as_primitive::<$arrow>().values().clone())
            }
            #[inline]
            fn row(column: &Self::Column, index: usize) -> Self {
                $wrap(column[index])
            }
            #[inline]
            fn own(row: Self) -> Self {
                row
            }
            fn push(builder: &mut Self::Builder, value: &Self) {
                builder.append_value($unwrap(*value));
            }
            fn push_row(builder: &mut Self::Builder, row: Self) {
                builder.append_value($unwrap(row));
            }
            fn push_null(builder: &mut Self::Builder) {
                builder.append_null();
            }
            fn finish(builder: &mut Self::Builder) -> ArrayRef {
                Arc::new(builder.finish().with_data_type(Self::data_type()))
            }
        }
    };
}

macro_rules! native {
    ($($kind:ty, $arrow:ty, $data_type:ident;)*) => {
        $(number!($kind, $arrow, $kind, identity, identity, DataType::$data_type);)*
    };
}

native! {
    u8, UInt8Type, UInt8;
    u16, UInt16Type, UInt16;
    u32, UInt32Type, UInt32;
    u64, UInt64Type, UInt64;
    i8, Int8Type, Int8;
    i16, Int16Type, Int16;
    i32, Int32Type, Int32;
    i64, Int64Type, Int64;
    f32, Float32Type, Float32;
    f64, Float64Type, Float64;
}
number!(Date, Date32Type, i32, Date::from_days, Date::days, DataType::Date32);
number!(
    Timestamp,
    TimestampMicrosecondType,
    i64,
    Timestamp::from_micros,
    Timestamp::micros,
    super::timestamp::data_type()
);

/// Decimals are numbers whose values are checked when a batch is opened: the type promises at most
/// 38 digits, and an array from elsewhere does not.
impl<const SCALE: u8> PlainField for Decimal<SCALE> {}
impl<const SCALE: u8> Field for Decimal<SCALE> {
    type Row<'a> = Self;
    type Column = ScalarBuffer<i128>;
    type Builder = PrimitiveBuilder<Decimal128Type>;

    fn data_type() -> DataType {
        decimal::data_type(SCALE)
    }
    fn column(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self::Column> {
        at.refuse_nulls(&array)?;
        let array = conform(array, &Self::data_type(), at)?;
        let values = array.as_primitive::<Decimal128Type>().values().clone();
        match values.iter().enumerate().find(|&(row, v)| at.exists(row) && Self::new(*v).is_none())
        {
            None => Ok(values),
            Some((row, value)) => Err(decimal::too_wide(*value, SCALE)
                .within(format_args!("column `{at}`: row {row} of the record batch"))),
        }
    }
    #[inline]
    fn row(column: &Self::Column, index: usize) -> Self {
        Self::checked_at_the_door(column[index])
    }
    #[inline]
    fn own(row: Self) -> Self {
        row
    }
    fn push(builder: &mut Self::Builder, value: &Self) {
        builder.append_value(value.units());
    }
    fn push_row(builder: &mut Self::Builder, row: Self) {
        builder.append_value(row.units());
    }
    fn push_null(builder: &mut Self::Builder) {
        builder.append_null();
    }
    fn finish(builder: &mut Self::Builder) -> ArrayRef {
        Arc::new(builder.finish().with_data_type(Self::data_type()))
    }
}

/// Implements `Field` for types with an array of their own: booleans, text and bytes.
macro_rules! array {
    ($kind:ty, $row:ty, $array:ty, $builder:ty, $data_type:expr, $own:expr, $borrow:expr) => {
        impl PlainField for $kind {}
        impl Field for $kind {
            type Row<'a> = $row;
            type Column = $array;
            type Builder = $builder;

            fn data_type() -> DataType {
                $data_type
            }
            fn column(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self::Column> {
                at.refuse_nulls(&array)?;
                let array = conform(array, &Self::data_type(), at)?;
                Ok(<$array>::from(array.to_data()))
            }
            #[inline]
            fn row(column: &Self::Column, index: usize) -> Self::Row<'_> {
                column.value(index)
            }
            #[inline]
            fn own(row: Self::Row<'_>) -> Self {
                $own(row)
            }
            fn push(builder: &mut Self::Builder, value: &Self) {
                builder.append_value($borrow(value));
            }
            fn push_row(builder: &mut Self::Builder, row: Self::Row<'_>) {
                builder.append_value(row);
            }
            fn push_null(builder: &mut Self::Builder) {
                builder.append_null();
            }
            fn finish(builder: &mut Self::Builder) -> ArrayRef {
                ArrayBuilder::finish(builder)
            }
        }
    };
}

array!(bool, bool, BooleanArray, BooleanBuilder, DataType::Boolean, identity, |v: &bool| *v);
array!(String, &'a str, StringArray, StringBuilder, DataType::Utf8, str::to_owned, String::as_str);
array!(
    Vec<u8>,
    &'a [u8],
    BinaryArray,
    BinaryBuilder,
    DataType::Binary,
    <[u8]>::to_vec,
    Vec::as_slice
);

macro_rules! items {
    ($($kind:ty),*) => { $(impl Item for $kind {})* };
}
items!(u16, u32, u64, i8, i16, i32, i64, f32, f64, bool, String, Vec<u8>, Date, Timestamp);
impl<const SCALE: u8> Item for Decimal<SCALE> {}
