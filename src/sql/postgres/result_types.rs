//! Types of results: what functions of the engine give, as the types that `PostgreSQL` gives.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ExprSchema;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr};

use super::cast;
use super::failure::Outcome;
use super::operators::known_type;
use super::type_name::{Group, group, integer};

/// Functions that count something, which is an int4.
const COUNTS: &[&str] = &[
    "array_length",
    "array_ndims",
    "array_position",
    "ascii",
    "bit_length",
    "cardinality",
    "levenshtein",
    "regexp_count",
    "regexp_instr",
    "strpos",
];

/// The call of a function, which is no own one, with the type that `PostgreSQL` gives it.
pub(super) fn typed(call: Expr, schema: &dyn ExprSchema) -> Outcome<Expr> {
    let Expr::ScalarFunction(function) = &call else { return Ok(call) };
    let Some(from) = known_type(&call, schema) else { return Ok(call) };
    match wanted(function, schema) {
        Some(to) if group(&to) == Group::List && to != from => {
            Ok(Expr::Cast(Cast::new(Box::new(call), to)))
        }
        Some(to) => cast::of(call, &from, &to),
        None => Ok(call),
    }
}

fn wanted(function: &ScalarFunction, schema: &dyn ExprSchema) -> Option<DataType> {
    let name = function.func.name();
    if COUNTS.contains(&name) {
        return Some(DataType::Int32);
    }
    match name {
        "factorial" => Some(DataType::Decimal128(38, 0)),
        "gcd" | "lcm" => widest(function, schema),
        "generate_series" | "range" => {
            let item = Field::new_list_field(widest(function, schema)?, true);
            Some(DataType::List(std::sync::Arc::new(item)))
        }
        _ => None,
    }
}

/// The widest of the integers that are the arguments; none when one is something else.
fn widest(function: &ScalarFunction, schema: &dyn ExprSchema) -> Option<DataType> {
    let widths = function.args.iter().map(|arg| match group(&known_type(arg, schema)?) {
        Group::Int(width) => Some(width),
        _ => None,
    });
    // These functions are not there for int2.
    let widths = widths.collect::<Option<Vec<u8>>>()?;
    Some(integer(widths.into_iter().max()?.max(4)))
}
