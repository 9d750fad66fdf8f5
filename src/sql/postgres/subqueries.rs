//! Conditions on subqueries: `IN`, `NOT IN` and `EXISTS` with the meaning of `PostgreSQL`.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::functions_aggregate::count::count;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlanBuilder, Operator, Subquery, binary_expr, lit,
};

use super::comparison;
use super::failure::Outcome;
use super::operators::known_type;

/// `expr [NOT] IN (subquery)`, compared as one type.
pub(super) fn membership(
    expr: Expr,
    mut subquery: Subquery,
    negated: bool,
    schema: &DFSchema,
) -> Outcome<Expr> {
    let plan = Arc::clone(&subquery.subquery);
    let Some((relation, field)) = plan.schema().iter().next() else {
        return Ok(Expr::InSubquery(InSubquery::new(Box::new(expr), subquery, negated)));
    };
    let member = Expr::Column((relation, field).into());
    let member_type = field.data_type().clone();
    let mut expr = expr;
    let mut compared = member.clone();
    if let Some(own) = known_type(&expr, schema) {
        let types: [DataType; 2] = [own, member_type];
        let sides = comparison::comparable(vec![expr, member.clone()], &types, "=")?;
        let mut sides = sides.into_iter();
        expr = sides.next().unwrap_or(lit(true));
        compared = sides.next().unwrap_or(lit(true));
    }
    if negated && !subquery.outer_ref_columns.is_empty() {
        return not_among(expr, compared, subquery, schema);
    }
    if compared != member {
        let named = compared.alias(field.name());
        let plan = LogicalPlanBuilder::from(plan).project(vec![named])?.build()?;
        subquery.subquery = Arc::new(plan);
    }
    Ok(Expr::InSubquery(InSubquery::new(Box::new(expr), subquery, negated)))
}

/// `expr NOT IN (subquery)` where the subquery refers to the row: no row may be equal, and none may
/// be unknown. The engine's own plan forgets the unknown ones (datafusion#25347).
fn not_among(expr: Expr, member: Expr, subquery: Subquery, schema: &DFSchema) -> Outcome<Expr> {
    let mut outer = subquery.outer_ref_columns.clone();
    let expr = expr.transform(|part| {
        let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
        let (_, field) = part.to_field(schema)?;
        let reference = Expr::OuterReferenceColumn(field, column.clone());
        if !outer.contains(&reference) {
            outer.push(reference.clone());
        }
        Ok(Transformed::yes(reference))
    })?;
    let is_equal = binary_expr(member, Operator::Eq, expr.data);
    let plan = LogicalPlanBuilder::from(subquery.subquery)
        .filter(Expr::IsNotFalse(Box::new(is_equal)))?
        .build()?;
    let subquery =
        Subquery { subquery: Arc::new(plan), outer_ref_columns: outer, spans: subquery.spans };
    Ok(Expr::Exists(Exists::new(subquery, true)))
}

/// `EXISTS` outside of a condition, which the engine only knows inside of one: a count.
pub(super) fn exists_as_value(expr: Expr) -> Outcome<Transformed<Expr>> {
    let Expr::Exists(Exists { subquery, negated }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery));
    let rows = match subquery.outer_ref_columns.is_empty() {
        true => rows.limit(0, Some(1))?,
        false => rows,
    };
    let counted = rows.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64)).alias("rows")])?;
    let rows = Expr::Column(datafusion::common::Column::new_unqualified("rows"));
    let op = if negated { Operator::Eq } else { Operator::Gt };
    let plan = counted.project(vec![binary_expr(rows, op, lit(0_i64)).alias("exists")])?.build()?;
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery })))
}
