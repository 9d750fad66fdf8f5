//! Aggregates of the engine that mean something else for some types, and are refused for those.

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;

use super::comparison;
use super::failure::{Outcome, refused};
use super::operators::known_type;
use super::type_name::{Group, group};

/// Aggregates that give doubles here, and exact numbers in `PostgreSQL`.
const STATISTICS: &[&str] = &[
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "var",
    "var_samp",
    "var_sample",
    "var_pop",
    "var_population",
];

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
    let of = group(&data_type);
    if STATISTICS.contains(&name) && matches!(of, Group::Int(_) | Group::Numeric) {
        let instead = format!("write {name}(x::float8)");
        return Err(refused(&format!("{name} of exact numbers"), &instead));
    }
    if of == Group::Interval && (matches!(name, "min" | "max") || is_distinct) {
        let instead = "use extract(epoch from x)";
        return Err(refused(&format!("{name} of intervals"), instead));
    }
    // One zero and one NaN: then all agree which values are different, least and greatest.
    if of.is_float() && (is_distinct || matches!(name, "min" | "max")) {
        let key = |(at, arg): (usize, Expr)| match at {
            0 => comparison::key(arg, &data_type),
            _ => arg,
        };
        return Ok(args.into_iter().enumerate().map(key).collect());
    }
    Ok(args)
}
