//! Maps column types to `PostgreSQL` types.
//!
//! Every value arrives exactly: unsigned integers go one size up, 64-bit ones as `numeric`. Types
//! that `PostgreSQL` does not have (structs, maps, lists of lists) are sent as text. A field's
//! metadata may name another type of the same shape; the catalog uses that for `oid`, `name` and
//! `"char"`.

use arrow_schema::{DataType, Field as ArrowField, IntervalUnit, SchemaRef};

use diptych_row::{Column, ColumnType};

/// The key of a field's metadata that names a type.
pub(super) use diptych_sql::TYPE_KEY;

/// A type: its number (OID), its size in bytes (negative for a variable size), and its modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PgType {
    pub(super) oid: u32,
    pub(super) size: i16,
    pub(super) modifier: i32,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PgField {
    pub(super) name: String,
    pub(super) kind: PgType,
}

/// Type numbers of `PostgreSQL`; they never change.
pub(super) mod oid {
    pub(in super::super) const BOOL: u32 = 16;
    pub(in super::super) const BYTEA: u32 = 17;
    pub(in super::super) const CHAR: u32 = 18;
    pub(in super::super) const NAME: u32 = 19;
    pub(in super::super) const INT8: u32 = 20;
    pub(in super::super) const INT2: u32 = 21;
    pub(in super::super) const INT2VECTOR: u32 = 22;
    pub(in super::super) const INT4: u32 = 23;
    pub(in super::super) const REGPROC: u32 = 24;
    pub(in super::super) const TEXT: u32 = 25;
    pub(in super::super) const OID: u32 = 26;
    pub(in super::super) const OIDVECTOR: u32 = 30;
    pub(in super::super) const JSON: u32 = 114;
    pub(in super::super) const FLOAT4: u32 = 700;
    pub(in super::super) const FLOAT8: u32 = 701;
    pub(in super::super) const UNKNOWN: u32 = 705;
    pub(in super::super) const BPCHAR: u32 = 1042;
    pub(in super::super) const VARCHAR: u32 = 1043;
    pub(in super::super) const DATE: u32 = 1082;
    pub(in super::super) const TIME: u32 = 1083;
    pub(in super::super) const TIMESTAMP: u32 = 1114;
    pub(in super::super) const TIMESTAMPTZ: u32 = 1184;
    pub(in super::super) const INTERVAL: u32 = 1186;
    pub(in super::super) const NUMERIC: u32 = 1700;
    pub(in super::super) const REGTYPE: u32 = 2206;
    pub(in super::super) const RECORD: u32 = 2249;
}

impl PgType {
    const fn fixed(oid: u32, size: i16) -> PgType {
        PgType { oid, size, modifier: -1 }
    }

    const fn varying(oid: u32) -> PgType {
        PgType::fixed(oid, -1)
    }

    /// The type `numeric(precision, scale)`.
    const fn numeric(precision: u8, scale: i8) -> PgType {
        let scale = if scale < 0 { 0 } else { scale as i32 };
        let modifier = ((precision as i32) << 16 | scale) + 4;
        PgType { modifier, ..PgType::varying(oid::NUMERIC) }
    }

    /// The type for an Arrow type.
    pub(super) fn of(data_type: &DataType) -> PgType {
        use DataType as D;
        match data_type {
            D::Boolean => PgType::fixed(oid::BOOL, 1),
            D::Int8 | D::Int16 | D::UInt8 => PgType::fixed(oid::INT2, 2),
            D::Int32 | D::UInt16 => PgType::fixed(oid::INT4, 4),
            D::Int64 | D::UInt32 => PgType::fixed(oid::INT8, 8),
            D::UInt64 => PgType::numeric(20, 0),
            D::Float16 | D::Float32 => PgType::fixed(oid::FLOAT4, 4),
            D::Float64 => PgType::fixed(oid::FLOAT8, 8),
            D::Decimal32(precision, scale)
            | D::Decimal64(precision, scale)
            | D::Decimal128(precision, scale) => PgType::numeric(*precision, *scale),
            // The scale differs by row.
            D::Decimal256(..) => PgType::varying(oid::NUMERIC),
            D::Date32 | D::Date64 => PgType::fixed(oid::DATE, 4),
            D::Timestamp(_, None) => PgType::fixed(oid::TIMESTAMP, 8),
            D::Timestamp(_, Some(_)) => PgType::fixed(oid::TIMESTAMPTZ, 8),
            D::Time32(_) | D::Time64(_) => PgType::fixed(oid::TIME, 8),
            D::Interval(
                IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
            )
            | D::Duration(_) => PgType::fixed(oid::INTERVAL, 16),
            D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => {
                PgType::varying(oid::BYTEA)
            }
            D::Dictionary(_, values) => PgType::of(values),
            D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
                match item.data_type() {
                    // A list of lists is of the same type, with one more dimension.
                    D::List(_) | D::LargeList(_) | D::FixedSizeList(..) => PgType::of_field(item),
                    _ => PgType::varying(array_of(PgType::of_field(item).oid)),
                }
            }
            D::Struct(_) => PgType::varying(oid::RECORD),
            _ => PgType::varying(oid::TEXT),
        }
    }

    /// The number of the type, or of the one that is sent in the same way.
    pub(super) fn shape(self) -> u32 {
        match self.oid {
            oid::NAME | oid::CHAR | oid::VARCHAR | oid::BPCHAR | oid::JSON | oid::REGTYPE => {
                oid::TEXT
            }
            oid::OID | oid::REGPROC | 28 => oid::INT8,
            1002 | 1003 | 1034 => 1009,
            1028 => 1016,
            other => other,
        }
    }

    /// The type of a field: the one its metadata names, or its Arrow type's.
    pub(super) fn of_field(field: &ArrowField) -> PgType {
        use DataType as D;
        let named = field.metadata().get(TYPE_KEY).and_then(|name| PgType::of_name(name));
        // A cast keeps the metadata of what is cast.
        let fits = |kind: &PgType| match field.data_type() {
            D::Int64 => matches!(kind.oid, oid::OID | oid::REGPROC | 28),
            D::Utf8 | D::LargeUtf8 | D::Utf8View => {
                let texts = [oid::NAME, oid::CHAR, oid::VARCHAR, oid::JSON, oid::REGTYPE];
                texts.contains(&kind.oid) || matches!(kind.oid, 194 | 869 | 3220 | 2277)
            }
            D::List(_) => {
                let vectors = [oid::INT2VECTOR, oid::OIDVECTOR, 1002, 1003, 1028, 1034];
                vectors.contains(&kind.oid)
            }
            _ => false,
        };
        named.filter(fits).unwrap_or_else(|| PgType::of(field.data_type()))
    }

    /// The type that a field's metadata can name `name`.
    pub(super) fn of_name(name: &str) -> Option<PgType> {
        Some(match name {
            "oid" => PgType::fixed(oid::OID, 4),
            "name" => PgType::fixed(oid::NAME, 64),
            "char" => PgType::fixed(oid::CHAR, 1),
            "int2vector" => PgType::varying(oid::INT2VECTOR),
            "oidvector" => PgType::varying(oid::OIDVECTOR),
            "regproc" => PgType::fixed(oid::REGPROC, 4),
            "xid" => PgType::fixed(28, 4),
            "varchar" => PgType::varying(oid::VARCHAR),
            "json" => PgType::varying(oid::JSON),
            "regtype" => PgType::fixed(oid::REGTYPE, 4),
            "node" => PgType::varying(194),
            "inet" => PgType::varying(869),
            "lsn" => PgType::fixed(3220, 8),
            "any" => PgType::varying(2277),
            "acls" => PgType::varying(1034),
            "chars" => PgType::varying(1002),
            "names" => PgType::varying(1003),
            "oids" => PgType::varying(1028),
            _ => return None,
        })
    }

    /// The type of a view's column.
    pub(super) fn of_column(column: &Column) -> PgType {
        match column.ty {
            ColumnType::U8 | ColumnType::I8 | ColumnType::I16 => PgType::fixed(oid::INT2, 2),
            ColumnType::U16 | ColumnType::I32 => PgType::fixed(oid::INT4, 4),
            ColumnType::U32 | ColumnType::I64 => PgType::fixed(oid::INT8, 8),
            ColumnType::U64 => PgType::numeric(20, 0),
            ColumnType::F32 => PgType::fixed(oid::FLOAT4, 4),
            ColumnType::F64 => PgType::fixed(oid::FLOAT8, 8),
            ColumnType::Bool => PgType::fixed(oid::BOOL, 1),
            ColumnType::String => PgType::varying(oid::TEXT),
            ColumnType::Bytes => PgType::varying(oid::BYTEA),
            ColumnType::Decimal { scale } => PgType::numeric(38, scale as i8),
            ColumnType::Timestamp => PgType::fixed(oid::TIMESTAMPTZ, 8),
            ColumnType::Date => PgType::fixed(oid::DATE, 4),
        }
    }
}

/// The columns of an answer.
pub(super) fn fields(schema: &SchemaRef) -> Vec<PgField> {
    let field = |field: &std::sync::Arc<ArrowField>| PgField {
        name: field.name().clone(),
        kind: PgType::of_field(field),
    };
    schema.fields().iter().map(field).collect()
}

/// The columns of a statement's answer, with the names that clients see.
pub(super) fn named_fields(statement: &diptych_sql::Prepared) -> Option<Vec<PgField>> {
    let mut fields = fields(statement.schema.as_ref()?);
    for (field, name) in fields.iter_mut().zip(&statement.column_names) {
        field.name.clone_from(name);
    }
    Some(fields)
}

/// Pairs of an element type and its array type.
const ARRAYS: &[(u32, u32)] = &[
    (oid::BOOL, 1000),
    (oid::BYTEA, 1001),
    (oid::CHAR, 1002),
    (oid::NAME, 1003),
    (oid::INT2, 1005),
    (oid::INT4, 1007),
    (oid::TEXT, 1009),
    (oid::INT8, 1016),
    (oid::FLOAT4, 1021),
    (oid::FLOAT8, 1022),
    (oid::OID, 1028),
    (oid::TIMESTAMP, 1115),
    (oid::DATE, 1182),
    (oid::TIME, 1183),
    (oid::TIMESTAMPTZ, 1185),
    (oid::INTERVAL, 1187),
    (oid::NUMERIC, 1231),
    (oid::RECORD, 2287),
];

/// Names of types as SQL writes them, beside those by which the catalog stores them.
const NAMES: &[(&str, u32)] = &[
    ("bool", oid::BOOL),
    ("boolean", oid::BOOL),
    ("bytea", oid::BYTEA),
    ("\"char\"", oid::CHAR),
    ("name", oid::NAME),
    ("int8", oid::INT8),
    ("bigint", oid::INT8),
    ("int2", oid::INT2),
    ("smallint", oid::INT2),
    ("int4", oid::INT4),
    ("int", oid::INT4),
    ("integer", oid::INT4),
    ("text", oid::TEXT),
    ("oid", oid::OID),
    ("json", oid::JSON),
    ("float4", oid::FLOAT4),
    ("real", oid::FLOAT4),
    ("float8", oid::FLOAT8),
    ("float", oid::FLOAT8),
    ("double precision", oid::FLOAT8),
    ("unknown", oid::UNKNOWN),
    ("regtype", oid::REGTYPE),
    ("bpchar", oid::BPCHAR),
    ("char", oid::BPCHAR),
    ("character", oid::BPCHAR),
    ("varchar", oid::VARCHAR),
    ("character varying", oid::VARCHAR),
    ("date", oid::DATE),
    ("time", oid::TIME),
    ("time without time zone", oid::TIME),
    ("timestamp", oid::TIMESTAMP),
    ("timestamp without time zone", oid::TIMESTAMP),
    ("timestamptz", oid::TIMESTAMPTZ),
    ("timestamp with time zone", oid::TIMESTAMPTZ),
    ("interval", oid::INTERVAL),
    ("numeric", oid::NUMERIC),
    ("decimal", oid::NUMERIC),
];

/// The type that SQL calls `written`.
pub(super) fn oid_named(written: &str) -> Option<u32> {
    let small = written.to_ascii_lowercase();
    let small = small.strip_prefix("pg_catalog.").unwrap_or(&small);
    let (small, is_array) = small.strip_suffix("[]").map_or((small, false), |of| (of, true));
    let plain = match small.split_once('(') {
        // A length or precision, before `with time zone` or at the end.
        Some((name, rest)) => {
            let behind = rest.split_once(')')?.1.trim();
            format!("{} {behind}", name.trim())
        }
        None => small.to_owned(),
    };
    let plain = plain.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let found = NAMES.iter().find(|(name, _)| *name == plain).map(|(_, oid)| *oid)?;
    if is_array { Some(array_of(found)).filter(|array| *array != oid::TEXT) } else { Some(found) }
}

/// The array type of an element type; text for arrays of arrays and similar types.
fn array_of(element: u32) -> u32 {
    ARRAYS.iter().find(|(of, _)| *of == element).map_or(oid::TEXT, |(_, array)| *array)
}

/// The element type of an array type.
pub(super) fn element_of(array: u32) -> Option<u32> {
    match array {
        // The array of varchar.
        1015 => Some(oid::VARCHAR),
        _ => ARRAYS.iter().find(|(_, of)| *of == array).map(|(element, _)| *element),
    }
}

/// The Arrow type that a client states for a parameter; none when it leaves that to the server.
/// Drivers that send every value as a text state that, too, wherever it is used.
pub(super) fn stated(oid: u32) -> Option<DataType> {
    arrow_type(oid).filter(|of| match of {
        DataType::List(item) => *item.data_type() != DataType::Utf8,
        of => *of != DataType::Utf8,
    })
}

/// The Arrow type of a parameter of this type; none when it is left open or unknown.
pub(super) fn arrow_type(oid: u32) -> Option<DataType> {
    use arrow_schema::TimeUnit::Microsecond;
    Some(match oid {
        oid::BOOL => DataType::Boolean,
        oid::BYTEA => DataType::Binary,
        oid::INT2 => DataType::Int16,
        oid::INT4 => DataType::Int32,
        oid::INT8 | oid::OID => DataType::Int64,
        oid::FLOAT4 => DataType::Float32,
        oid::FLOAT8 => DataType::Float64,
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR => DataType::Utf8,
        oid::DATE => DataType::Date32,
        oid::TIME => DataType::Time64(Microsecond),
        oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        oid::NUMERIC => DataType::Decimal128(38, 10),
        oid::TIMESTAMP => DataType::Timestamp(Microsecond, None),
        oid::TIMESTAMPTZ => DataType::Timestamp(Microsecond, Some("+00:00".into())),
        _ => {
            let item = arrow_type(element_of(oid)?)?;
            DataType::List(std::sync::Arc::new(ArrowField::new_list_field(item, true)))
        }
    })
}
