//! Decodes rows to Arrow arrays: ordered bytes in, one array per wanted column out.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray,
    StringArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::order_codec::{self, malformed};
use super::{Column, ColumnType, Columns, RowSchema};
use diptych_base::error::{Error, Kind, Result};
use diptych_event::{Date, Timestamp};

/// The most digits of a decimal.
const PRECISION: u8 = 38;

/// The Arrow schema of a view: the columns of its key, then those of its value.
pub fn arrow_schema(schema: &RowSchema) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, arrow_type(column.ty), column.nullable);
    Arc::new(Schema::new(schema.columns().map(field).collect::<Vec<_>>()))
}

fn arrow_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::U8 => DataType::UInt8,
        ColumnType::U16 => DataType::UInt16,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::I8 => DataType::Int8,
        ColumnType::I16 => DataType::Int16,
        ColumnType::I32 => DataType::Int32,
        ColumnType::I64 => DataType::Int64,
        ColumnType::F32 => DataType::Float32,
        ColumnType::F64 => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::String => DataType::Utf8,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::Decimal { scale } => DataType::Decimal128(PRECISION, scale as i8),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::Date => DataType::Date32,
    }
}

/// Gathers rows and returns them as arrays, one for each wanted column.
pub struct RowArrays {
    key: Vec<Slot>,
    value: Vec<Slot>,
    /// The wanted columns, as positions in key and value.
    wanted: Vec<usize>,
    rows: usize,
}

/// A column of the row: its type, and the builder of its values when it is wanted.
struct Slot {
    column: Column,
    cells: Option<Cells>,
}

/// The values of a column and their null mask.
struct Cells {
    values: Values,
    present: Option<BooleanBufferBuilder>,
}

enum Values {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(BooleanBufferBuilder),
    Text { bytes: Vec<u8>, ends: Vec<i32>, utf8: bool },
    Decimal(Vec<i128>, u8),
    Timestamp(Vec<i64>),
    Date(Vec<i32>),
}

impl RowArrays {
    /// Prepares arrays of the `wanted` columns of `schema` (positions, key columns first, each at
    /// most once), with room for `capacity` rows.
    pub fn new(schema: &RowSchema, wanted: &[usize], capacity: usize) -> RowArrays {
        let slot = |(at, column): (usize, &Column)| Slot {
            column: column.clone(),
            cells: wanted.contains(&at).then(|| Cells::new(column, capacity)),
        };
        let mut slots: Vec<_> = schema.columns().enumerate().map(slot).collect();
        let mut value = slots.split_off(schema.key.len());
        // Columns behind the last wanted one are not decoded.
        trim(&mut value);
        if value.is_empty() {
            trim(&mut slots);
        }
        RowArrays { key: slots, value, wanted: wanted.to_vec(), rows: 0 }
    }

    /// The number of gathered rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the bytes are not a row of the schema.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        for (slots, mut bytes) in [(&mut self.key, key), (&mut self.value, value)] {
            for slot in slots {
                slot.take(&mut bytes)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Returns the arrays, in the order of the wanted columns.
    ///
    /// # Errors
    /// When a text is not UTF-8, or the texts are too long for one array.
    pub fn finish(self) -> Result<Vec<ArrayRef>> {
        let mut cells = Vec::new();
        let keys = self.key.len();
        for slot in self.key.into_iter().chain(self.value) {
            let name = slot.column.name;
            let place = |error: Error| error.within(format!("column \"{name}\""));
            cells.push(slot.cells.map(Cells::finish).transpose().map_err(place)?);
        }
        debug_assert!(keys <= cells.len());
        let array = |at: &usize| {
            let Some(array) = cells.get(*at).cloned().flatten() else {
                unreachable!("column {at} of {} is wanted", cells.len())
            };
            array
        };
        Ok(self.wanted.iter().map(array).collect())
    }
}

fn trim(slots: &mut Vec<Slot>) {
    let used = slots.iter().rposition(|slot| slot.cells.is_some()).map_or(0, |last| last + 1);
    slots.truncate(used);
}

impl Slot {
    #[inline]
    fn take(&mut self, bytes: &mut &[u8]) -> Result<()> {
        let present = !self.column.nullable || order_codec::take_tag(bytes)?;
        match &mut self.cells {
            Some(cells) => {
                if let Some(flags) = &mut cells.present {
                    flags.append(present);
                }
                if present { cells.values.take(bytes) } else { cells.values.absent() }
            }
            None if present => skip(self.column.ty, bytes),
            None => Ok(()),
        }
    }
}

/// Removes an unwanted value from `bytes`.
fn skip(ty: ColumnType, bytes: &mut &[u8]) -> Result<()> {
    let width = match ty {
        ColumnType::U8 | ColumnType::I8 | ColumnType::Bool => 1,
        ColumnType::U16 | ColumnType::I16 => 2,
        ColumnType::U32 | ColumnType::I32 | ColumnType::F32 | ColumnType::Date => 4,
        ColumnType::U64 | ColumnType::I64 | ColumnType::F64 | ColumnType::Timestamp => 8,
        ColumnType::Decimal { .. } => 16,
        ColumnType::String | ColumnType::Bytes => {
            return order_codec::take_bytes_onto(bytes, &mut Vec::new());
        }
    };
    let Some((_, rest)) = bytes.split_at_checked(width) else {
        return Err(malformed(format!("a column needs {width} bytes, {} are left", bytes.len())));
    };
    *bytes = rest;
    Ok(())
}

impl Cells {
    fn new(column: &Column, capacity: usize) -> Cells {
        let present = column.nullable.then(|| BooleanBufferBuilder::new(capacity));
        Cells { values: Values::new(column.ty, capacity), present }
    }

    fn finish(self) -> Result<ArrayRef> {
        let nulls = self.present.map(|mut flags| NullBuffer::new(flags.finish()));
        self.values.finish(nulls)
    }
}

impl Values {
    fn new(ty: ColumnType, capacity: usize) -> Values {
        match ty {
            ColumnType::U8 => Values::U8(Vec::with_capacity(capacity)),
            ColumnType::U16 => Values::U16(Vec::with_capacity(capacity)),
            ColumnType::U32 => Values::U32(Vec::with_capacity(capacity)),
            ColumnType::U64 => Values::U64(Vec::with_capacity(capacity)),
            ColumnType::I8 => Values::I8(Vec::with_capacity(capacity)),
            ColumnType::I16 => Values::I16(Vec::with_capacity(capacity)),
            ColumnType::I32 => Values::I32(Vec::with_capacity(capacity)),
            ColumnType::I64 => Values::I64(Vec::with_capacity(capacity)),
            ColumnType::F32 => Values::F32(Vec::with_capacity(capacity)),
            ColumnType::F64 => Values::F64(Vec::with_capacity(capacity)),
            ColumnType::Bool => Values::Bool(BooleanBufferBuilder::new(capacity)),
            ColumnType::String | ColumnType::Bytes => {
                let utf8 = ty == ColumnType::String;
                Values::Text { bytes: Vec::new(), ends: Vec::with_capacity(capacity), utf8 }
            }
            ColumnType::Decimal { scale } => Values::Decimal(Vec::with_capacity(capacity), scale),
            ColumnType::Timestamp => Values::Timestamp(Vec::with_capacity(capacity)),
            ColumnType::Date => Values::Date(Vec::with_capacity(capacity)),
        }
    }

    #[inline]
    fn take(&mut self, from: &mut &[u8]) -> Result<()> {
        match self {
            Values::U8(values) => values.push(u8::decode(from)?),
            Values::U16(values) => values.push(u16::decode(from)?),
            Values::U32(values) => values.push(u32::decode(from)?),
            Values::U64(values) => values.push(u64::decode(from)?),
            Values::I8(values) => values.push(i8::decode(from)?),
            Values::I16(values) => values.push(i16::decode(from)?),
            Values::I32(values) => values.push(i32::decode(from)?),
            Values::I64(values) => values.push(i64::decode(from)?),
            Values::F32(values) => values.push(f32::decode(from)?),
            Values::F64(values) => values.push(f64::decode(from)?),
            Values::Bool(values) => values.append(bool::decode(from)?),
            Values::Text { bytes, ends, .. } => {
                order_codec::take_bytes_onto(from, bytes)?;
                ends.push(end(bytes)?);
            }
            Values::Decimal(values, _) => values.push(order_codec::take_i128(from)?),
            Values::Timestamp(values) => values.push(Timestamp::decode(from)?.micros()),
            Values::Date(values) => values.push(Date::decode(from)?.days()),
        }
        Ok(())
    }

    /// Appends a placeholder for an absent value.
    fn absent(&mut self) -> Result<()> {
        match self {
            Values::U8(values) => values.push(0),
            Values::U16(values) => values.push(0),
            Values::U32(values) => values.push(0),
            Values::U64(values) => values.push(0),
            Values::I8(values) => values.push(0),
            Values::I16(values) => values.push(0),
            Values::I32(values) | Values::Date(values) => values.push(0),
            Values::I64(values) | Values::Timestamp(values) => values.push(0),
            Values::F32(values) => values.push(0.0),
            Values::F64(values) => values.push(0.0),
            Values::Bool(values) => values.append(false),
            Values::Text { bytes, ends, .. } => ends.push(end(bytes)?),
            Values::Decimal(values, _) => values.push(0),
        }
        Ok(())
    }

    fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(match self {
            Values::U8(values) => primitive::<UInt8Type>(values, nulls),
            Values::U16(values) => primitive::<UInt16Type>(values, nulls),
            Values::U32(values) => primitive::<UInt32Type>(values, nulls),
            Values::U64(values) => primitive::<UInt64Type>(values, nulls),
            Values::I8(values) => primitive::<Int8Type>(values, nulls),
            Values::I16(values) => primitive::<Int16Type>(values, nulls),
            Values::I32(values) => primitive::<Int32Type>(values, nulls),
            Values::I64(values) => primitive::<Int64Type>(values, nulls),
            Values::F32(values) => primitive::<Float32Type>(values, nulls),
            Values::F64(values) => primitive::<Float64Type>(values, nulls),
            Values::Date(values) => primitive::<Date32Type>(values, nulls),
            Values::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Timestamp(values) => {
                let array: PrimitiveArray<TimestampMicrosecondType> =
                    PrimitiveArray::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_timezone("UTC"))
            }
            Values::Decimal(values, scale) => {
                let array = Decimal128Array::new(ScalarBuffer::from(values), nulls);
                let array = array.with_precision_and_scale(PRECISION, scale as i8);
                Arc::new(array.map_err(malformed)?)
            }
            Values::Text { bytes, ends, utf8 } => {
                let mut offsets = Vec::with_capacity(ends.len() + 1);
                offsets.push(0);
                offsets.extend(ends);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let bytes = Buffer::from_vec(bytes);
                if utf8 {
                    let array = StringArray::try_new(offsets, bytes, nulls);
                    Arc::new(array.map_err(malformed)?)
                } else {
                    Arc::new(BinaryArray::new(offsets, bytes, nulls))
                }
            }
        })
    }
}

fn end(bytes: &[u8]) -> Result<i32> {
    i32::try_from(bytes.len()).map_err(|_| {
        Error::new(Kind::Input, "the texts of one block of rows exceed 2 GiB")
            .remedy("read fewer rows at once")
    })
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}
