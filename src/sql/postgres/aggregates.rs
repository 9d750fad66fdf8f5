//! Aggregates of the engine that mean something else for some types, and are refused for those.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;

use super::failure::{Outcome, refused};
use super::operators::known_type;
use super::own_scale::OWN_SCALES;
use super::type_name::{Group, group};
use super::{cast, comparison, refused_overloads};

/// The arguments of an aggregate, if they have a meaning here.
///
/// # Errors
/// When the answer would be another than `PostgreSQL`'s.
pub(super) fn arguments(
    name: &str,
    is_distinct: bool,
    args: Vec<Expr>,
    schema: &DFSchema,
) -> Outcome<Vec<Expr>> {
    let Some(data_type) = args.first().and_then(|arg| known_type(arg, schema)) else {
        return Ok(args);
    };
    refused_overloads::of_aggregate(name, &data_type)?;
    let of = group(&data_type);
    let is_ordered_set = matches!(name, "mode" | "percentile_disc");
    if is_ordered_set && matches!(of, Group::List | Group::Other) {
        return Err(refused(&format!("{name} of such values"), "use it of their parts"));
    }
    let is_ordered = is_ordered_set || matches!(name, "min" | "max");
    if of == Group::Interval && (is_ordered || (is_distinct && name != "count")) {
        let instead = "use extract(epoch from x)";
        return Err(refused(&format!("{name} of intervals"), instead));
    }
    let mut args = args;
    let Some(first) = args.first_mut() else { return Ok(args) };
    // One zero and one NaN: then all agree which values are different. The least and the greatest
    // keep the sign of their zero.
    let is_total = matches!(name, "sum" | "avg");
    let is_wide = matches!(data_type, DataType::Decimal256(..));
    if name == "percentile_cont" && of == Group::Float {
        *first = cast::of(first.clone(), &data_type, &DataType::Float64)?;
    } else if is_total && is_wide {
        *first = cast::of(first.clone(), &data_type, &OWN_SCALES)?;
    } else if of.is_float() && matches!(name, "min" | "max") {
        *first = comparison::with_one_nan(first.clone(), &data_type);
    } else if is_distinct {
        *first = comparison::key(first.clone(), &data_type);
    }
    Ok(args)
}
