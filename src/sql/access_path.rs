//! Access paths: turns conditions on key columns into keys and byte ranges of the index.
//!
//! The bytes of a key sort like its columns, so equal leading columns and a range of the next are
//! one range of bytes. What is derived here always contains every row that meets the conditions;
//! the conditions themselves are checked again on what is read. Floats are left out: their order
//! in the index tells apart what SQL compares as equal.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

use diptych_base::limits::SQL_RANGES_MAX;
use diptych_event::{Date, Timestamp};
use diptych_row::{ByteRange, Column, ColumnType, Datum, RowSchema};

/// The part of a view that has to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything.
    Whole,
    /// These keys; sorted, each once.
    Keys(Vec<Vec<u8>>),
    /// The keys in these ranges; sorted, not overlapping.
    Ranges(Vec<ByteRange>),
}

/// The restriction that one condition puts on one key column.
enum Bound {
    /// One of these values; `None` is the absent value.
    OneOf(Vec<Option<Datum>>),
    AtLeast(Datum),
    AtMost(Datum),
    Between(Datum, Datum),
    StartsWith(String),
}

/// The restriction that all conditions together put on one key column.
#[derive(Default)]
struct Limits {
    one_of: Option<Vec<Option<Datum>>>,
    least: Vec<Datum>,
    most: Vec<Datum>,
    prefix: Option<String>,
}

/// Whether `filter` can narrow what has to be read.
pub(super) fn narrows(schema: &RowSchema, filter: &Expr) -> bool {
    bound(schema, filter).is_some()
}

/// The part of a view of `schema` that has to be read under all `filters`.
pub(super) fn access(schema: &RowSchema, filters: &[Expr]) -> Access {
    let mut limits: Vec<Limits> = schema.key.iter().map(|_| Limits::default()).collect();
    for filter in filters.iter().flat_map(conjuncts) {
        if let Some((column, bound)) = bound(schema, filter) {
            limits[column].narrow(bound);
        }
    }
    let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
    for (column, limits) in schema.key.iter().zip(&limits) {
        let encoded = limits.one_of.as_ref().map(|values| encode_all(column, values));
        match encoded {
            Some(values) if values.len().saturating_mul(prefixes.len()) <= SQL_RANGES_MAX => {
                let extend = |prefix: &Vec<u8>| {
                    values.iter().map(|value| [&prefix[..], value].concat()).collect::<Vec<_>>()
                };
                prefixes = prefixes.iter().flat_map(extend).collect();
            }
            _ => return ranges(prefixes, &limits.range(column)),
        }
    }
    if schema.key.is_empty() {
        return Access::Whole;
    }
    sort(&mut prefixes);
    Access::Keys(prefixes)
}

fn ranges(mut prefixes: Vec<Vec<u8>>, last: &ByteRange) -> Access {
    let range = |prefix: &Vec<u8>| {
        let whole = ByteRange::prefix(prefix);
        let end = last.end.as_ref().map(|end| [prefix, &end[..]].concat());
        ByteRange { start: [prefix, &last.start[..]].concat(), end: end.or(whole.end) }
    };
    sort(&mut prefixes);
    let ranges: Vec<ByteRange> = prefixes.iter().map(range).collect();
    if ranges == [ByteRange::all()] { Access::Whole } else { Access::Ranges(ranges) }
}

fn sort(keys: &mut Vec<Vec<u8>>) {
    keys.sort_unstable();
    keys.dedup();
}

fn encode_all(column: &Column, values: &[Option<Datum>]) -> Vec<Vec<u8>> {
    let encode = |value: &Option<Datum>| {
        let mut bytes = Vec::new();
        let value = value.as_ref().unwrap_or(&Datum::Null);
        // A value that is not of the column's type cannot be in the column.
        value.encode(column, &mut bytes).ok().map(|()| bytes)
    };
    let mut values: Vec<_> = values.iter().filter_map(encode).collect();
    sort(&mut values);
    values
}

impl Limits {
    fn narrow(&mut self, bound: Bound) {
        match bound {
            Bound::OneOf(values) => match &mut self.one_of {
                Some(known) => known.retain(|value| values.contains(value)),
                None => self.one_of = Some(values),
            },
            Bound::AtLeast(value) => self.least.push(value),
            Bound::AtMost(value) => self.most.push(value),
            Bound::Between(least, most) => {
                self.least.push(least);
                self.most.push(most);
            }
            Bound::StartsWith(prefix) => self.prefix = Some(prefix),
        }
    }

    /// The bytes that values of `column` within the limits may start with.
    fn range(&self, column: &Column) -> ByteRange {
        let encode = |value: &Datum| {
            let mut bytes = Vec::new();
            value.encode(column, &mut bytes).ok().map(|()| bytes)
        };
        let mut range = ByteRange::all();
        for start in self.least.iter().filter_map(encode) {
            range.start = range.start.max(start);
        }
        for most in self.most.iter().filter_map(encode) {
            // The columns that follow extend the value's bytes: the range includes them.
            range.end = earlier(range.end, ByteRange::prefix(&most).end);
            if column.nullable {
                // An absent value meets no comparison, and sorts first.
                range.start = range.start.max(vec![1]);
            }
        }
        if let Some(prefix) = &self.prefix {
            let alone = RowSchema { key: vec![column.clone()], value: Vec::new() };
            if let Ok(text) = alone.text_range::<&str>(&[], prefix) {
                range.start = range.start.max(text.start);
                range.end = earlier(range.end, text.end);
            }
        }
        range
    }
}

fn earlier(one: Option<Vec<u8>>, other: Option<Vec<u8>>) -> Option<Vec<u8>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The parts of a condition that must all hold.
fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let mut parts = conjuncts(left);
            parts.extend(conjuncts(right));
            parts
        }
        other => vec![other],
    }
}

/// The key column that a condition is about, and what it says.
fn bound(schema: &RowSchema, expr: &Expr) -> Option<(usize, Bound)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            match (bound(schema, left)?, bound(schema, right)?) {
                ((a, Bound::OneOf(mut one)), (b, Bound::OneOf(other))) if a == b => {
                    one.extend(other);
                    Some((a, Bound::OneOf(one)))
                }
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if let Some(at) = key_column(schema, left) {
                Some((at, comparison(*op, literal(&schema.key[at], right)?)?))
            } else {
                let at = key_column(schema, right)?;
                Some((at, comparison(op.swap()?, literal(&schema.key[at], left)?)?))
            }
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let at = key_column(schema, expr)?;
            let values = list.iter().map(|value| literal(&schema.key[at], value).map(Some));
            Some((at, Bound::OneOf(values.collect::<Option<Vec<_>>>()?)))
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let at = key_column(schema, expr)?;
            let low = literal(&schema.key[at], low)?;
            let high = literal(&schema.key[at], high)?;
            Some((at, Bound::Between(low, high)))
        }
        Expr::IsNull(expr) => {
            let at = key_column(schema, expr)?;
            Some((at, Bound::OneOf(vec![None])))
        }
        Expr::Like(Like {
            negated: false,
            expr,
            pattern,
            escape_char,
            case_insensitive: false,
        }) => {
            let at = key_column(schema, expr)?;
            let Datum::String(pattern) = literal(&schema.key[at], pattern)? else { return None };
            let escape = escape_char.unwrap_or('\\');
            let literal = |c: &char| *c != '%' && *c != '_' && *c != escape;
            let prefix: String = pattern.chars().take_while(literal).collect();
            (!prefix.is_empty()).then_some((at, Bound::StartsWith(prefix)))
        }
        Expr::ScalarFunction(call) if call.name() == "starts_with" => {
            let [text, prefix] = &call.args[..] else { return None };
            let at = key_column(schema, text)?;
            let Datum::String(prefix) = literal(&schema.key[at], prefix)? else { return None };
            Some((at, Bound::StartsWith(prefix)))
        }
        Expr::Column(_) => {
            let at = key_column(schema, expr)?;
            let is_bool = schema.key[at].ty == ColumnType::Bool;
            is_bool.then_some((at, Bound::OneOf(vec![Some(Datum::Bool(true))])))
        }
        Expr::Not(inner) => {
            let at = key_column(schema, inner)?;
            let is_bool = schema.key[at].ty == ColumnType::Bool;
            is_bool.then_some((at, Bound::OneOf(vec![Some(Datum::Bool(false))])))
        }
        _ => None,
    }
}

fn comparison(op: Operator, value: Datum) -> Option<Bound> {
    match op {
        Operator::Eq => Some(Bound::OneOf(vec![Some(value)])),
        // The bound itself is read too, and dropped by the condition.
        Operator::Gt | Operator::GtEq => Some(Bound::AtLeast(value)),
        Operator::Lt | Operator::LtEq => Some(Bound::AtMost(value)),
        _ => None,
    }
}

fn key_column(schema: &RowSchema, expr: &Expr) -> Option<usize> {
    let Expr::Column(column) = expr else { return None };
    schema.key.iter().position(|key| key.name == column.name)
}

/// A literal as a value of `column`, when it has exactly the column's type.
fn literal(column: &Column, expr: &Expr) -> Option<Datum> {
    let Expr::Literal(value, _) = expr else { return None };
    Some(match (column.ty, value) {
        (ColumnType::U8, ScalarValue::UInt8(Some(n))) => Datum::UInt((*n).into()),
        (ColumnType::U16, ScalarValue::UInt16(Some(n))) => Datum::UInt((*n).into()),
        (ColumnType::U32, ScalarValue::UInt32(Some(n))) => Datum::UInt((*n).into()),
        (ColumnType::U64, ScalarValue::UInt64(Some(n))) => Datum::UInt(*n),
        (ColumnType::I8, ScalarValue::Int8(Some(n))) => Datum::Int((*n).into()),
        (ColumnType::I16, ScalarValue::Int16(Some(n))) => Datum::Int((*n).into()),
        (ColumnType::I32, ScalarValue::Int32(Some(n))) => Datum::Int((*n).into()),
        (ColumnType::I64, ScalarValue::Int64(Some(n))) => Datum::Int(*n),
        (ColumnType::Bool, ScalarValue::Boolean(Some(b))) => Datum::Bool(*b),
        (
            ColumnType::String,
            ScalarValue::Utf8(Some(s))
            | ScalarValue::Utf8View(Some(s))
            | ScalarValue::LargeUtf8(Some(s)),
        ) => Datum::String(s.clone()),
        (
            ColumnType::Bytes,
            ScalarValue::Binary(Some(bytes)) | ScalarValue::BinaryView(Some(bytes)),
        ) => Datum::Bytes(bytes.clone()),
        (ColumnType::Decimal { scale }, ScalarValue::Decimal128(Some(units), _, own))
            if i8::try_from(scale) == Ok(*own) =>
        {
            Datum::Decimal { units: *units, scale }
        }
        (ColumnType::Timestamp, ScalarValue::TimestampMicrosecond(Some(at), _)) => {
            Datum::Timestamp(Timestamp::from_micros(*at))
        }
        (ColumnType::Date, ScalarValue::Date32(Some(days))) => Datum::Date(Date::from_days(*days)),
        _ => return None,
    })
}
