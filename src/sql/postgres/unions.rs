//! `UNION` of columns of different types: a float makes numbers doubles, a moment days moments, and
//! a text that is written has the type of the others.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Union};
use datafusion::scalar::ScalarValue;

use super::failure::{Outcome, failure};
use super::type_name::{Group, group, name};
use super::{cast, comparison};

/// The union with its inputs brought to common types, where the planner's would be others.
pub(super) fn alike(union: Union) -> Outcome<Transformed<LogicalPlan>> {
    let width = union.schema.fields().len();
    if union.inputs.iter().any(|input| input.schema().fields().len() != width) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let types_of = |at: usize| -> Vec<DataType> {
        let of = |input: &Arc<LogicalPlan>| match written_text(input, at) {
            Some(_) => DataType::Null,
            None => input.schema().field(at).data_type().clone(),
        };
        union.inputs.iter().map(of).collect()
    };
    let mut targets = Vec::with_capacity(width);
    for at in 0..width {
        let has_text = union.inputs.iter().any(|input| written_text(input, at).is_some());
        targets.push(target(&types_of(at), has_text)?);
    }
    if targets.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.iter().map(|input| projected(input, &targets).map(Arc::new));
    let inputs = inputs.collect::<Outcome<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

/// The type of a column, or none where the inputs may stay as they are.
fn target(types: &[DataType], has_written_text: bool) -> Outcome<Option<DataType>> {
    let known: Vec<&DataType> = types.iter().filter(|of| group(of) != Group::Unknown).collect();
    let Some(first) = known.first() else { return Ok(None) };
    let is_text = |of: &&&DataType| group(of) == Group::Text;
    let texts = known.iter().filter(is_text).count();
    let cannot_be = || {
        let other = known.iter().find(|of| group(of) != group(first)).unwrap_or(first);
        let message = format!("UNION types {} and {} cannot be matched", name(first), name(other));
        failure("42804", message + " (write a cast, such as x::text)")
    };
    match texts {
        0 => {}
        all if all == known.len() => return Ok(None),
        _ => return Err(cannot_be()),
    }
    let found = comparison::common(types).map_err(|_| cannot_be())?;
    Ok(found.or_else(|| has_written_text.then(|| (*first).clone())))
}

/// The text that is written as column `at` of a select; or nothing, where there are no rows.
fn written_text(input: &LogicalPlan, at: usize) -> Option<Expr> {
    if let LogicalPlan::Projection(projection) = input {
        let value = projection.expr.get(at)?.clone().unalias();
        if comparison::is_text_literal(&value) {
            return Some(value);
        }
    }
    is_unseen(input, at).then_some(Expr::Literal(ScalarValue::Utf8(None), None))
}

/// Whether column `at` is a text that is absent, in selects without rows.
fn is_unseen(input: &LogicalPlan, at: usize) -> bool {
    match input {
        LogicalPlan::Projection(projection) => {
            let is_empty = match &*projection.input {
                LogicalPlan::Filter(filter) => is_false(&filter.predicate),
                _ => false,
            };
            let value = projection.expr.get(at).map(|value| value.clone().unalias());
            is_empty && value.is_some_and(|value| is_absent_text(&value))
        }
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| is_unseen(input, at)),
        _ => false,
    }
}

fn is_false(condition: &Expr) -> bool {
    matches!(condition, Expr::Literal(ScalarValue::Boolean(Some(false)), _))
}

fn is_absent_text(value: &Expr) -> bool {
    match value {
        Expr::Cast(cast) => group(cast.field.data_type()) == Group::Text && is_null(&cast.expr),
        value => is_null(value),
    }
}

fn is_null(value: &Expr) -> bool {
    match value {
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    }
}

fn projected(input: &Arc<LogicalPlan>, targets: &[Option<DataType>]) -> Outcome<LogicalPlan> {
    let columns = input.schema().iter().zip(targets).enumerate();
    let columns = columns.map(|(at, ((relation, field), target))| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        let column = written_text(input, at).filter(|_| target.is_some()).unwrap_or(column);
        match target {
            Some(target) => {
                let cast = cast::of(column, field.data_type(), target)?;
                Ok(cast.alias_qualified(relation.cloned(), field.name()))
            }
            None => Ok(column),
        }
    });
    let columns = columns.collect::<Outcome<Vec<_>>>()?;
    LogicalPlanBuilder::from(Arc::clone(input)).project(columns)?.build()
}
