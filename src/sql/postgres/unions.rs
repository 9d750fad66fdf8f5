//! `UNION` of columns of different types: a float makes numbers doubles, a moment days moments.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Union};

use super::failure::Outcome;
use super::{cast, comparison};

/// The union with its inputs brought to common types, where the planner's would be others.
pub(super) fn alike(union: Union) -> Outcome<Transformed<LogicalPlan>> {
    let width = union.schema.fields().len();
    if union.inputs.iter().any(|input| input.schema().fields().len() != width) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let types_of = |at: usize| -> Vec<DataType> {
        let of = |input: &Arc<LogicalPlan>| input.schema().field(at).data_type().clone();
        union.inputs.iter().map(of).collect()
    };
    let mut targets = Vec::with_capacity(width);
    for at in 0..width {
        targets.push(comparison::common(&types_of(at))?);
    }
    if targets.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.iter().map(|input| projected(input, &targets).map(Arc::new));
    let inputs = inputs.collect::<Outcome<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

fn projected(input: &Arc<LogicalPlan>, targets: &[Option<DataType>]) -> Outcome<LogicalPlan> {
    let columns = input.schema().iter().zip(targets).map(|((relation, field), target)| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
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
