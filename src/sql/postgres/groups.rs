//! Groups, and rows that are told apart: values are compared by their keys, and shown as one of
//! the group has them.
//!
//! Floats have one zero and one NaN then, intervals are alike when they are equally long, and
//! numbers are, whatever digits they show.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::functions_aggregate::first_last::first_value;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};

use super::comparison;
use super::failure::Outcome;
use super::type_name::group;

/// Whether rows of `schema` have values that are compared by their keys.
pub(super) fn have_keys(schema: &DFSchema) -> bool {
    schema.fields().iter().any(|field| comparison::has_key(field.data_type()))
}

/// The different rows of `input`.
pub(super) fn distinct(input: Arc<LogicalPlan>) -> Outcome<Transformed<LogicalPlan>> {
    let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
    keyed(Aggregate::try_new(input, columns, Vec::new())?)
}

/// A value that stands for those of its group.
struct Shown {
    place: usize,
    relation: Option<TableReference>,
    name: String,
    first: Expr,
}

/// Groups by keys.
pub(super) fn keyed(aggregate: Aggregate) -> Outcome<Transformed<LogicalPlan>> {
    let is_set = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
    if aggregate.group_expr.iter().any(is_set) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let Aggregate { input, mut group_expr, mut aggr_expr, .. } = aggregate;
    let schema = Arc::clone(input.schema());
    let mut shown = Vec::new();
    for (place, expr) in group_expr.iter_mut().enumerate() {
        let data_type = expr.get_type(schema.as_ref())?;
        if !comparison::has_key(&data_type) {
            continue;
        }
        if !group(&data_type).is_float() {
            let (relation, name) = expr.qualified_name();
            let first = first_value(expr.clone().unalias(), Vec::new());
            let first = first.alias(format!("pg_shown_{place}"));
            aggr_expr.push(first.clone());
            shown.push(Shown { place, relation, name, first });
        }
        *expr = named_key(expr.clone(), &data_type);
    }
    let width = group_expr.len() + aggr_expr.len() - shown.len();
    let grouped = LogicalPlan::Aggregate(Aggregate::try_new(input, group_expr, aggr_expr)?);
    if shown.is_empty() {
        return Ok(Transformed::yes(grouped));
    }
    let columns = grouped.schema().columns().into_iter().take(width).enumerate();
    let columns = columns.map(|(at, column)| match shown.iter().find(|one| one.place == at) {
        Some(one) => {
            let first = Expr::Column(Column::new_unqualified(one.first.qualified_name().1));
            first.alias_qualified(one.relation.clone(), one.name.clone())
        }
        None => Expr::Column(column),
    });
    let columns = columns.collect::<Vec<_>>();
    LogicalPlanBuilder::from(grouped).project(columns)?.build().map(Transformed::yes)
}

/// The key of a value under the value's own name.
fn named_key(expr: Expr, data_type: &DataType) -> Expr {
    let (relation, name) = expr.qualified_name();
    comparison::key(expr.unalias(), data_type).alias_qualified(relation, name)
}
