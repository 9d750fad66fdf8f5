//! Encoder of a record batch: columns are typed once per batch, then rows are written in text or
//! binary.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int64Type,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_array::{RecordBatch, types::ArrowPrimitiveType};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use bytes::{BufMut, BytesMut};

use super::backend;
use super::error::Failure;
use super::types::{self, PgType, oid};
use super::{binary, text};

/// A batch whose columns are typed and ready to be written.
pub(super) struct ReadyRows {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    values: Values,
    kind: PgType,
    is_binary: bool,
    nulls: Option<arrow_buffer::NullBuffer>,
}

/// The values of a column; widths that `PostgreSQL` does not tell apart are one variant.
enum Values {
    Bool(BooleanArray),
    Int(PrimitiveArray<Int64Type>),
    UInt(PrimitiveArray<UInt64Type>),
    Float(PrimitiveArray<Float32Type>),
    Double(PrimitiveArray<Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, i8),
    /// A decimal that `Decimal128` cannot hold, as text.
    Digits(StringArray),
    Text(StringArray),
    Bytes(BinaryArray),
    /// Days since 1970.
    Date(PrimitiveArray<Int64Type>),
    /// Microseconds since 1970, and whether the values are instants.
    Timestamp(PrimitiveArray<Int64Type>, bool),
    /// Microseconds since midnight.
    Time(PrimitiveArray<Int64Type>),
    /// Months, days, microseconds.
    Interval(Vec<(i32, i32, i64)>),
    /// The elements of each row, with the type of those that are no lists.
    List(Vec<ReadyRows>, u32),
    /// The values of a row in parentheses.
    Record(Vec<Column>),
}

impl ReadyRows {
    /// Types the columns of a batch, to be written in `formats`.
    ///
    /// # Errors
    /// When a column cannot be shown.
    pub(super) fn new(batch: &RecordBatch, formats: &[i16]) -> Result<ReadyRows, Failure> {
        let schema = batch.schema();
        let column = |(at, field): (usize, &std::sync::Arc<arrow_schema::Field>)| {
            let is_binary = backend::format_of(formats, at) == 1;
            Column::new(batch.column(at), PgType::of_field(field), is_binary)
        };
        let columns = schema.fields().iter().enumerate().map(column).collect::<Result<_, _>>();
        Ok(ReadyRows { columns: columns.map_err(unshown)?, rows: batch.num_rows() })
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Appends row `at` as a `DataRow` message.
    pub(super) fn write(&self, at: usize, out: &mut BytesMut) {
        backend::message(b'D', out, |out| self.put(at, out));
    }

    /// Appends the number of columns, and the length and value of each in row `at`.
    pub(super) fn put(&self, at: usize, out: &mut BytesMut) {
        out.put_u16(self.columns.len() as u16);
        for column in &self.columns {
            column.field(at, out);
        }
    }

    /// Calls `write` for each column of row `at`: the text, or none.
    pub(super) fn texts(&self, at: usize, mut write: impl FnMut(usize, Option<&[u8]>)) {
        let mut room = BytesMut::new();
        for (number, column) in self.columns.iter().enumerate() {
            room.clear();
            if column.is_null(at) {
                write(number, None);
            } else {
                column.value(at, &mut room);
                write(number, Some(&room));
            }
        }
    }
}

fn unshown(error: ArrowError) -> Failure {
    Failure::new("XX000", format!("a column cannot be shown: {error}"))
}

/// Appends a length and the bytes that `value` appends.
pub(super) fn sized(out: &mut BytesMut, value: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    value(out);
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends the length that means "no value".
pub(super) fn null(out: &mut BytesMut) {
    out.put_i32(-1);
}

impl Column {
    fn new(array: &ArrayRef, kind: PgType, is_binary: bool) -> Result<Column, ArrowError> {
        let array = match array.data_type() {
            DataType::Dictionary(_, values) => &arrow_cast::cast(array, values)?,
            _ => array,
        };
        let nulls = array.logical_nulls();
        Ok(Column { values: Values::new(array, kind, is_binary)?, kind, is_binary, nulls })
    }

    fn is_null(&self, at: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(at))
    }

    fn field(&self, at: usize, out: &mut BytesMut) {
        if self.is_null(at) {
            null(out);
        } else {
            sized(out, |out| self.value(at, out));
        }
    }

    fn value(&self, at: usize, out: &mut BytesMut) {
        match (&self.values, self.is_binary) {
            (Values::Bool(values), false) => text::boolean(values.value(at), out),
            (Values::Bool(values), true) => out.put_u8(values.value(at).into()),
            (Values::Int(values), false) if self.kind.oid == oid::REGPROC => {
                out.put_slice(super::procedures::shown(values.value(at)).as_bytes());
            }
            (Values::Int(values), false) => text::integer(values.value(at), out),
            (Values::Int(values), true) => integer(values.value(at), self.kind, out),
            (Values::UInt(values), false) => text::unsigned(values.value(at), out),
            (Values::UInt(values), true) => binary::numeric(&values.value(at).to_string(), out),
            (Values::Float(values), false) => text::single(values.value(at), out),
            (Values::Float(values), true) => out.put_f32(values.value(at)),
            (Values::Double(values), false) => text::double(values.value(at), out),
            (Values::Double(values), true) => out.put_f64(values.value(at)),
            (Values::Decimal(values, scale), is_binary) => {
                decimal(values.value(at), *scale, is_binary, out);
            }
            (Values::Digits(values), true) => binary::numeric(values.value(at), out),
            (Values::Text(values) | Values::Digits(values), _) => {
                out.put_slice(values.value(at).as_bytes());
            }
            (Values::Bytes(values), false) => text::bytea(values.value(at), out),
            (Values::Bytes(values), true) => out.put_slice(values.value(at)),
            (Values::Date(values), false) => text::date(values.value(at), out),
            (Values::Date(values), true) => binary::date(values.value(at), out),
            (Values::Timestamp(values, zone), false) => {
                text::timestamp(values.value(at), *zone, out);
            }
            (Values::Timestamp(values, _), true) => binary::timestamp(values.value(at), out),
            (Values::Time(values), false) => text::time(values.value(at), out),
            (Values::Time(values), true) => out.put_i64(values.value(at)),
            (Values::Interval(values), is_binary) => {
                let (months, days, micros) = values[at];
                let write = if is_binary { binary::interval } else { text::interval };
                write(months, days, micros, out);
            }
            (Values::List(lists, _), false) => match self.kind.oid {
                oid::INT2VECTOR | oid::OIDVECTOR => vector_text(&lists[at], out),
                _ => list_text(&lists[at], out),
            },
            (Values::List(lists, element), true) => list_binary(&lists[at], *element, out),
            (Values::Record(columns), false) => record_text(columns, at, out),
            (Values::Record(columns), true) => {
                out.put_i32(columns.len() as i32);
                for column in columns {
                    out.put_u32(column.kind.oid);
                    column.field(at, out);
                }
            }
        }
    }
}

/// Appends an integer in the width of its type.
fn integer(value: i64, kind: PgType, out: &mut BytesMut) {
    match kind.size {
        2 => out.put_i16(value as i16),
        4 => out.put_i32(value as i32),
        _ => out.put_i64(value),
    }
}

/// Appends `units / 10^scale`.
pub(super) fn decimal(units: i128, scale: i8, is_binary: bool, out: &mut BytesMut) {
    if is_binary {
        let mut digits = BytesMut::new();
        text::numeric(units, scale, &mut digits);
        // The digits are ASCII.
        binary::numeric(std::str::from_utf8(&digits).unwrap_or("0"), out);
    } else {
        text::numeric(units, scale, out);
    }
}

impl Values {
    fn new(array: &ArrayRef, kind: PgType, is_binary: bool) -> Result<Values, ArrowError> {
        use DataType as D;
        let cast = |to: &DataType| arrow_cast::cast(array, to);
        let ints = || Ok(Values::Int(cast(&D::Int64)?.as_primitive().clone()));
        Ok(match array.data_type() {
            D::Boolean => Values::Bool(array.as_boolean().clone()),
            D::Int64 => Values::Int(array.as_primitive().clone()),
            D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 | D::UInt32 => return ints(),
            D::UInt64 => Values::UInt(array.as_primitive().clone()),
            D::Float16 | D::Float32 => Values::Float(cast(&D::Float32)?.as_primitive().clone()),
            D::Float64 => Values::Double(array.as_primitive().clone()),
            D::Decimal128(_, scale) => Values::Decimal(array.as_primitive().clone(), *scale),
            D::Decimal32(precision, scale) | D::Decimal64(precision, scale) => {
                let wide = cast(&D::Decimal128(*precision, *scale))?;
                Values::Decimal(wide.as_primitive().clone(), *scale)
            }
            D::Decimal256(..) => Values::Digits(digits(array)?),
            D::Utf8 if kind.oid == oid::REGTYPE && is_binary => {
                let number = |name: &str| types::oid_named(name).unwrap_or(oid::UNKNOWN);
                let texts = array.as_string::<i32>().iter();
                Values::Int(texts.map(|text| text.map(|name| number(name).into())).collect())
            }
            D::Utf8 => Values::Text(array.as_string().clone()),
            D::LargeUtf8 | D::Utf8View => Values::Text(cast(&D::Utf8)?.as_string().clone()),
            D::Binary => Values::Bytes(array.as_binary().clone()),
            D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => {
                Values::Bytes(cast(&D::Binary)?.as_binary().clone())
            }
            D::Date32 => {
                Values::Date(array.as_primitive::<Date32Type>().unary::<_, Int64Type>(i64::from))
            }
            D::Date64 => Values::Date(
                array.as_primitive::<Date64Type>().unary(|ms| ms.div_euclid(86_400_000)),
            ),
            D::Timestamp(unit, zone) => Values::Timestamp(timestamps(array, *unit), zone.is_some()),
            D::Time32(_) | D::Time64(_) => Values::Time(times(array)),
            D::Interval(unit) => Values::Interval(intervals(array, *unit)),
            D::Duration(unit) => Values::Interval(durations(array, *unit)),
            D::List(_) | D::LargeList(_) | D::FixedSizeList(..) if kind.oid != oid::TEXT => {
                return lists(array, kind, is_binary);
            }
            D::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let column = |(field, values): (&std::sync::Arc<arrow_schema::Field>, _)| {
                    Column::new(values, PgType::of_field(field), is_binary)
                };
                Values::Record(columns.map(column).collect::<Result<_, ArrowError>>()?)
            }
            _ => Values::Text(shown(array)?),
        })
    }
}

/// Wide decimals, with the digits that `PostgreSQL` shows.
fn digits(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    diptych_sql::texts_of(array).map_err(|error| ArrowError::ComputeError(error.to_string()))
}

fn micros<T: ArrowPrimitiveType<Native = i64>>(
    array: &ArrayRef,
    change: impl Fn(i64) -> i64,
) -> PrimitiveArray<Int64Type> {
    array.as_primitive::<T>().unary(change)
}

fn timestamps(array: &ArrayRef, unit: TimeUnit) -> PrimitiveArray<Int64Type> {
    match unit {
        TimeUnit::Second => micros::<TimestampSecondType>(array, |s| s.saturating_mul(1_000_000)),
        TimeUnit::Millisecond => {
            micros::<TimestampMillisecondType>(array, |ms| ms.saturating_mul(1_000))
        }
        TimeUnit::Microsecond => micros::<TimestampMicrosecondType>(array, |us| us),
        TimeUnit::Nanosecond => micros::<TimestampNanosecondType>(array, |ns| ns.div_euclid(1_000)),
    }
}

fn times(array: &ArrayRef) -> PrimitiveArray<Int64Type> {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            array.as_primitive::<Time32SecondType>().unary(|seconds| i64::from(seconds) * 1_000_000)
        }
        DataType::Time32(_) => {
            array.as_primitive::<Time32MillisecondType>().unary(|ms| i64::from(ms) * 1_000)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            micros::<Time64NanosecondType>(array, |ns| ns / 1_000)
        }
        _ => micros::<Time64MicrosecondType>(array, |us| us),
    }
}

fn intervals(array: &ArrayRef, unit: IntervalUnit) -> Vec<(i32, i32, i64)> {
    match unit {
        IntervalUnit::YearMonth => {
            let months = array.as_primitive::<IntervalYearMonthType>().values();
            months.iter().map(|months| (*months, 0, 0)).collect()
        }
        IntervalUnit::DayTime => {
            let parts = array.as_primitive::<IntervalDayTimeType>().values();
            parts.iter().map(|at| (0, at.days, i64::from(at.milliseconds) * 1_000)).collect()
        }
        IntervalUnit::MonthDayNano => {
            let parts = array.as_primitive::<IntervalMonthDayNanoType>().values();
            parts.iter().map(|at| (at.months, at.days, at.nanoseconds / 1_000)).collect()
        }
    }
}

fn durations(array: &ArrayRef, unit: TimeUnit) -> Vec<(i32, i32, i64)> {
    let micros = match unit {
        TimeUnit::Second => micros::<DurationSecondType>(array, |s| s.saturating_mul(1_000_000)),
        TimeUnit::Millisecond => {
            micros::<DurationMillisecondType>(array, |ms| ms.saturating_mul(1_000))
        }
        TimeUnit::Microsecond => micros::<DurationMicrosecondType>(array, |us| us),
        TimeUnit::Nanosecond => micros::<DurationNanosecondType>(array, |ns| ns / 1_000),
    };
    micros.values().iter().map(|micros| (0, 0, *micros)).collect()
}

fn lists(array: &ArrayRef, of: PgType, is_binary: bool) -> Result<Values, ArrowError> {
    let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) =
        array.data_type()
    else {
        return Err(ArrowError::CastError("an array that is no list".into()));
    };
    let kind = match of.oid {
        oid::OIDVECTOR | 1028 => PgType::of_name("oid").unwrap_or(of),
        1002 => PgType::of_name("char").unwrap_or(of),
        1003 => PgType::of_name("name").unwrap_or(of),
        _ => PgType::of_field(item),
    };
    let wide = arrow_cast::cast(array, &DataType::LargeList(item.clone()))?;
    let wide = wide.as_list::<i64>();
    let list = |at: usize| {
        let elements = wide.value(at);
        let rows = elements.len();
        Ok(ReadyRows { columns: vec![Column::new(&elements, kind, is_binary)?], rows })
    };
    let lists = (0..wide.len()).map(list).collect::<Result<_, ArrowError>>()?;
    let inner = types::element_of(kind.oid).filter(|_| item.data_type().is_nested());
    let element = inner.unwrap_or(kind.oid);
    Ok(Values::List(lists, element))
}

/// Appends `{a,"b c",NULL}`.
fn list_text(list: &ReadyRows, out: &mut BytesMut) {
    out.put_u8(b'{');
    for at in 0..list.rows {
        if at > 0 {
            out.put_u8(b',');
        }
        list.texts(at, |column, text| match text {
            None => out.put_slice(b"NULL"),
            Some(text) if matches!(list.columns[column].values, Values::List(..)) => {
                out.put_slice(text);
            }
            Some(text) => text::list_element(text, out),
        });
    }
    out.put_u8(b'}');
}

/// Appends `(1,"b c",)`.
fn record_text(columns: &[Column], at: usize, out: &mut BytesMut) {
    out.put_u8(b'(');
    let mut room = BytesMut::new();
    for (number, column) in columns.iter().enumerate() {
        if number > 0 {
            out.put_u8(b',');
        }
        if !column.is_null(at) {
            room.clear();
            column.value(at, &mut room);
            text::record_field(&room, out);
        }
    }
    out.put_u8(b')');
}

/// Appends `1 2 3`.
fn vector_text(list: &ReadyRows, out: &mut BytesMut) {
    for at in 0..list.rows {
        if at > 0 {
            out.put_u8(b' ');
        }
        list.texts(at, |_, text| out.put_slice(text.unwrap_or_default()));
    }
}

fn list_binary(list: &ReadyRows, element: u32, out: &mut BytesMut) {
    let mut dimensions = Vec::new();
    measure(list, &mut dimensions);
    if dimensions.contains(&0) {
        dimensions.clear();
    }
    out.put_i32(dimensions.len() as i32);
    out.put_i32(has_null(list).into());
    out.put_u32(element);
    for length in dimensions {
        out.put_i32(length as i32);
        // The lower bound of the array.
        out.put_i32(1);
    }
    put_elements(list, out);
}

/// The lists in a list, whose elements are lists.
fn inner_lists(list: &ReadyRows) -> Option<&[ReadyRows]> {
    match list.columns.first().map(|column| &column.values) {
        Some(Values::List(lists, _)) => Some(lists),
        _ => None,
    }
}

/// Adds the length of a list, and of the first list in it.
fn measure(list: &ReadyRows, dimensions: &mut Vec<usize>) {
    dimensions.push(list.rows);
    if let Some(inner) = inner_lists(list).and_then(<[ReadyRows]>::first) {
        measure(inner, dimensions);
    }
}

fn has_null(list: &ReadyRows) -> bool {
    match inner_lists(list) {
        Some(lists) => lists.iter().any(has_null),
        None => (0..list.rows).any(|at| list.columns.iter().any(|column| column.is_null(at))),
    }
}

fn put_elements(list: &ReadyRows, out: &mut BytesMut) {
    if let Some(lists) = inner_lists(list) {
        return lists.iter().for_each(|list| put_elements(list, out));
    }
    for at in 0..list.rows {
        list.columns.iter().for_each(|column| column.field(at, out));
    }
}

/// A column without a `PostgreSQL` type, as the text in which Arrow shows it.
fn shown(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let show = |at| formatter.value(at).try_to_string();
    (0..array.len()).map(show).collect::<Result<Vec<_>, _>>().map(StringArray::from)
}
