//! Functions that `PostgreSQL` has and the engine has not, or has with another meaning.

pub(super) mod dates;
mod encodings;
mod json;
pub(super) mod lists;
mod number_patterns;
mod numbers;
mod overlaps;
mod pattern_nodes;
mod patterns;
mod texts;
mod time_patterns;
mod trigonometry;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::failure::{Outcome, failure};
use super::function::PgFunction;
use super::type_name;

/// All of them.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let groups = [
        numbers::all(),
        trigonometry::all(),
        dates::all(),
        patterns::all(),
        texts::all(),
        encodings::all(),
        json::all(),
        lists::all(),
        overlaps::all(),
    ];
    groups.into_iter().flatten().map(PgFunction::udf).collect()
}

/// A function without a meaning for these arguments.
pub(super) fn unknown(name: &str, types: &[DataType]) -> datafusion::error::DataFusionError {
    let types: Vec<String> = types.iter().map(type_name::name).collect();
    failure("42883", format!("function {name}({}) does not exist", types.join(", ")))
}

/// The arguments as they come.
fn as_given(types: &[DataType]) -> Outcome<Vec<DataType>> {
    Ok(types.to_vec())
}

/// All arguments as texts.
fn texts_only(types: &[DataType]) -> Outcome<Vec<DataType>> {
    Ok(vec![DataType::Utf8; types.len()])
}
