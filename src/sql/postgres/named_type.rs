//! Types that the engine has no columns for: varchar, json and regtype are texts that know their
//! name.
//!
//! The name is in the metadata of a column's field, where the Postgres port finds it.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ExprSchema;
use datafusion::common::metadata::FieldMetadata;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use datafusion::scalar::ScalarValue;

use super::function::PgFunction;
use super::type_name;
use crate::TYPE_KEY;

/// The key of the number of characters that a varchar has at most.
const LENGTH_KEY: &str = "pg_length";

pub(super) const JSON: &str = "json";
pub(super) const REGTYPE: &str = "regtype";
pub(super) const TEXT: &str = "text";
pub(super) const VARCHAR: &str = "varchar";

/// The type of a text that is part of another as it is.
pub(super) const JSON_PART: DataType = DataType::LargeUtf8;

fn metadata(name: &str) -> HashMap<String, String> {
    HashMap::from([(TYPE_KEY.to_owned(), name.to_owned())])
}

/// A text that is called `name`, of so many characters at most.
pub(super) fn field(name: &str, length: Option<u64>) -> FieldRef {
    let mut metadata = metadata(name);
    metadata.extend(length.map(|length| (LENGTH_KEY.to_owned(), length.to_string())));
    Arc::new(Field::new("", DataType::Utf8, true).with_metadata(metadata))
}

/// The field with a type's name.
pub(super) fn named(field: Field, name: Option<&str>) -> Field {
    match name {
        Some(name) => field.with_metadata(metadata(name)),
        None => field,
    }
}

/// The name of a type as `pg_typeof` gives it.
pub(super) fn literal(name: &str) -> Expr {
    Expr::Literal(ScalarValue::Utf8(Some(name.to_owned())), of_literal(Some(REGTYPE)))
}

/// `pg_typeof`, whose answer is known before its argument is evaluated.
pub(super) fn typeof_call(mut args: Vec<Expr>, name: &str) -> Expr {
    args.push(literal(name));
    let second = |args: &[ArrayRef], _: &DataType| Ok(Arc::clone(&args[1]));
    PgFunction::fixed("pg_typeof", DataType::Utf8, second).giving(REGTYPE).call(args)
}

/// The argument of a function of JSON, which tells a text that is JSON by its column's type.
pub(super) fn as_json_part(expr: Expr, schema: &dyn ExprSchema) -> Expr {
    match of(&expr, schema).as_deref() {
        Some(JSON) => Expr::Cast(Cast::new(Box::new(expr), JSON_PART)),
        _ => expr,
    }
}

/// The metadata of a literal of the type called `name`.
pub(super) fn of_literal(name: Option<&str>) -> Option<FieldMetadata> {
    name.map(|name| FieldMetadata::from(metadata(name)))
}

/// The name of the field's type, if it is one of these.
pub(super) fn name_of(field: &Field) -> Option<&str> {
    field.metadata().get(TYPE_KEY).map(String::as_str)
}

/// The number of characters that the field has at most.
pub(super) fn length_of(field: &Field) -> Option<i64> {
    field.metadata().get(LENGTH_KEY)?.parse().ok()
}

/// The name of the type of an expression, if it is one of these.
pub(super) fn of(expr: &Expr, schema: &dyn ExprSchema) -> Option<String> {
    let (_, field) = expr.to_field(schema).ok()?;
    name_of(&field).map(str::to_owned)
}

/// What `PostgreSQL` calls the type of an expression.
pub(super) fn shown(expr: &Expr, schema: &dyn ExprSchema) -> Option<String> {
    let (_, field) = expr.to_field(schema).ok()?;
    Some(match name_of(&field) {
        Some(VARCHAR) => "character varying".to_owned(),
        Some("char") => "\"char\"".to_owned(),
        Some("names") => "name[]".to_owned(),
        Some(name @ (JSON | REGTYPE | "name" | "oid" | "regproc" | "xid")) => name.to_owned(),
        _ => type_name::name(field.data_type()),
    })
}

/// The text `expr` as one of the type called `name`.
pub(super) fn marked(expr: Expr, name: &str, schema: &dyn ExprSchema) -> Expr {
    let known = of(&expr, schema);
    match expr {
        Expr::Literal(value, _) => Expr::Literal(value, of_literal(Some(name))),
        expr if known.as_deref().unwrap_or(TEXT) == name => expr,
        expr => Expr::Cast(Cast::new_from_field(Box::new(expr), field(name, None))),
    }
}

/// The text without the name of its type, where a condition asks for its value only.
pub(super) fn unmarked(expr: Expr) -> Expr {
    match expr {
        Expr::Cast(cast) if name_of(&cast.field).is_some() => *cast.expr,
        expr => expr,
    }
}
