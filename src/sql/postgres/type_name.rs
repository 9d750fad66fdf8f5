//! `PostgreSQL`'s names for column types, and the groups that operators go by.

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// Days and microseconds since 1970 are what all dates and times are calculated in.
pub(super) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
pub(super) const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// An instant.
pub(super) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

/// The groups of types that operators tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Unknown,
    Bool,
    /// An integer that fits into so many bytes with its sign.
    Int(u8),
    Numeric,
    Float,
    Double,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    List,
    Other,
}

/// The group of a type.
pub(super) fn group(data_type: &DataType) -> Group {
    use DataType as D;
    match data_type {
        D::Null => Group::Unknown,
        D::Boolean => Group::Bool,
        D::Int8 | D::Int16 | D::UInt8 => Group::Int(2),
        D::Int32 | D::UInt16 => Group::Int(4),
        D::Int64 | D::UInt32 => Group::Int(8),
        D::UInt64 | D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => {
            Group::Numeric
        }
        D::Float16 | D::Float32 => Group::Float,
        D::Float64 => Group::Double,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => Group::Text,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => Group::Bytes,
        D::Date32 | D::Date64 => Group::Date,
        D::Time32(_) | D::Time64(_) => Group::Time,
        D::Timestamp(_, None) => Group::Timestamp,
        D::Timestamp(_, Some(_)) => Group::Timestamptz,
        D::Interval(_) | D::Duration(_) => Group::Interval,
        D::List(_) | D::LargeList(_) | D::FixedSizeList(..) => Group::List,
        D::Dictionary(_, values) => group(values),
        _ => Group::Other,
    }
}

impl Group {
    pub(super) fn is_number(self) -> bool {
        matches!(self, Group::Int(_) | Group::Numeric | Group::Float | Group::Double)
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Group::Float | Group::Double)
    }
}

/// The Arrow type of an integer of so many bytes.
pub(super) fn integer(bytes: u8) -> DataType {
    match bytes {
        2 => DataType::Int16,
        4 => DataType::Int32,
        _ => DataType::Int64,
    }
}

/// What `PostgreSQL` calls a type.
pub(super) fn name(data_type: &DataType) -> String {
    let name = match group(data_type) {
        Group::Unknown => "unknown",
        Group::Bool => "boolean",
        Group::Int(2) => "smallint",
        Group::Int(4) => "integer",
        Group::Int(_) => "bigint",
        Group::Numeric => "numeric",
        Group::Float => "real",
        Group::Double => "double precision",
        Group::Text => "text",
        Group::Bytes => "bytea",
        Group::Date => "date",
        Group::Time => "time without time zone",
        Group::Timestamp => "timestamp without time zone",
        Group::Timestamptz => "timestamp with time zone",
        Group::Interval => "interval",
        // A list of lists is of the same type as those.
        Group::List => {
            return element(data_type).map_or("anyarray".into(), |of| match group(&of) {
                Group::List => name(&of),
                _ => name(&of) + "[]",
            });
        }
        Group::Other => "record",
    };
    name.to_owned()
}

/// The type of the elements of a list.
pub(super) fn element(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(Field::data_type(field).clone())
        }
        _ => None,
    }
}

/// The decimal that holds every value of an integer or decimal type.
pub(super) fn as_decimal(data_type: &DataType) -> (u8, i8) {
    use DataType as D;
    match data_type {
        D::Int8 | D::UInt8 => (3, 0),
        D::Int16 | D::UInt16 => (5, 0),
        D::Int32 | D::UInt32 => (10, 0),
        D::Int64 => (19, 0),
        D::UInt64 => (20, 0),
        D::Decimal32(precision, scale)
        | D::Decimal64(precision, scale)
        | D::Decimal128(precision, scale)
        | D::Decimal256(precision, scale) => (*precision, *scale),
        _ => (38, 0),
    }
}
