//! Types of integer literals: one that fits four bytes is an int4, as in `PostgreSQL`.
//!
//! The planner makes all of them int8. They are narrowed once, in the plan of a statement whose
//! parameters have no values yet, because a value that is bound to an int8 stays one. What was
//! made of them by the planner, such as sums, rows of VALUES and the columns of subqueries, gets
//! its type anew. Literals that are compared stay as wide as they were, which no answer depends
//! on, so that conditions on keys are recognised.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, Union,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::NumberOp;
use super::failure::Outcome;
use super::function::PgFunction;
use super::{cast, comparison, named_type, operators, result_types};

/// The plan with integer literals of `PostgreSQL`'s types.
///
/// # Errors
/// When an operator has no meaning for the types of its operands.
pub(crate) fn narrowed(plan: LogicalPlan) -> Outcome<LogicalPlan> {
    plan.transform_up_with_subqueries(node).map(|plan| plan.data)
}

fn node(plan: LogicalPlan) -> Outcome<Transformed<LogicalPlan>> {
    // The engine wants the numbers of LIMIT and OFFSET as they are.
    if matches!(plan, LogicalPlan::Limit(_)) {
        return Ok(Transformed::no(plan));
    }
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let done = expr.transform_up(|expr| expression(expr, &schema))?;
        Ok(done.update_data(|expr| name.restore(expr)))
    })?;
    plan.map_data(|plan| match plan {
        LogicalPlan::Values(values) => {
            LogicalPlanBuilder::values(of_one_type(values.values, &schema)?)?.build()
        }
        LogicalPlan::RecursiveQuery(query) => recursive(query),
        // A union keeps the types that its inputs had.
        LogicalPlan::Union(union) => {
            Union::try_new_with_loose_types(union.inputs).map(LogicalPlan::Union)
        }
        plan => plan.recompute_schema(),
    })
}

/// Rows of VALUES with one type in each column.
fn of_one_type(mut rows: Vec<Vec<Expr>>, schema: &DFSchema) -> Outcome<Vec<Vec<Expr>>> {
    for place in 0..rows.first().map_or(0, Vec::len) {
        let column = rows.iter().filter_map(|row| row.get(place));
        let types = column.clone().map(|value| operators::known_type(value, schema));
        let Some(types) = types.collect::<Option<Vec<_>>>() else { continue };
        let values = comparison::unify(column.cloned().collect(), &types, "VALUES")?;
        for (row, value) in rows.iter_mut().zip(values) {
            row[place] = value;
        }
    }
    Ok(rows)
}

/// The literal as `PostgreSQL` types it.
fn narrow(expr: Expr) -> Transformed<Expr> {
    let Expr::Literal(ScalarValue::Int64(Some(value)), metadata) = &expr else {
        return Transformed::no(expr);
    };
    let Ok(value) = i32::try_from(*value) else { return Transformed::no(expr) };
    Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata.clone()))
}

/// An operand of an operator, with integer literals of `PostgreSQL`'s types. Operators in it have
/// been here before.
pub(super) fn operand(expr: Expr, schema: &DFSchema) -> Outcome<Expr> {
    let is_operator =
        |call: &ScalarFunction| PgFunction::of(&call.func).is_some_and(|own| own.symbol.is_some());
    match &expr {
        Expr::ScalarFunction(call) if is_operator(call) => Ok(expr),
        Expr::Literal(..) | Expr::ScalarFunction(_) | Expr::Case(_) => {
            Ok(expr.transform_up(|expr| expression(expr, schema))?.data)
        }
        _ => Ok(expr),
    }
}

/// The literal as wide as before.
fn widen(expr: &mut Expr) {
    if let Expr::Literal(ScalarValue::Int32(Some(value)), _) = expr {
        *expr = Expr::Literal(ScalarValue::Int64(Some((*value).into())), None);
    }
}

fn expression(mut expr: Expr, schema: &DFSchema) -> Outcome<Transformed<Expr>> {
    match &mut expr {
        Expr::Literal(..) => return Ok(narrow(expr)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if operators::is_comparison(*op) => {
            widen(left);
            widen(right);
        }
        Expr::InList(InList { expr, list, .. }) => {
            widen(expr);
            list.iter_mut().for_each(widen);
        }
        Expr::Between(Between { expr, low, high, .. }) => {
            [expr, low, high].into_iter().for_each(|part| widen(part));
        }
        // `count(*)` is recognised by its argument.
        Expr::AggregateFunction(call) if call.func.name() == "count" => {
            call.params.args.iter_mut().for_each(widen);
        }
        Expr::WindowFunction(call) if call.fun.name() == "count" => {
            call.params.args.iter_mut().for_each(widen);
        }
        Expr::ScalarFunction(call) if call.func.name() == "pg_typeof" => {
            // A text that is written has no type yet.
            if let [Expr::Literal(value, None)] = &call.args[..]
                && (value.is_null() || cast::text_of(value).is_some())
            {
                return Ok(Transformed::yes(named_type::literal("unknown")));
            }
        }
        Expr::ScalarFunction(call) => {
            let op = PgFunction::of(&call.func).and_then(|own| NumberOp::of_function(own.name));
            if let Some(op) = op {
                let args = std::mem::take(&mut call.args);
                return again(op, args, call, schema).map(Transformed::yes);
            }
            // The rows of a series have a type before others calculate with them.
            if call.func.name() == "generate_series" {
                return result_types::typed(expr, schema).map(Transformed::yes);
            }
        }
        _ => {}
    }
    Ok(Transformed::yes(expr))
}

/// `left op right`, with the type for the operands as they are now.
fn again(op: NumberOp, args: Vec<Expr>, call: &ScalarFunction, schema: &DFSchema) -> Outcome<Expr> {
    let as_before = |args| Expr::ScalarFunction(ScalarFunction::new_udf(call.func.clone(), args));
    let Ok([left, right]) = <[Expr; 2]>::try_from(args) else {
        return Ok(as_before(Vec::new()));
    };
    Ok(match operators::binary(op.operator(), left, right, schema)? {
        operators::Meaning::Given(expr) => expr,
        operators::Meaning::Kept(left, right) => as_before(vec![left, right]),
    })
}

/// A recursive query, whose recursive part reads what both parts give.
fn recursive(query: RecursiveQuery) -> Outcome<LogicalPlan> {
    let RecursiveQuery { name, static_term, recursive_term, is_distinct, .. } = query;
    // What the recursive part gives may be absent.
    let field = |field: &FieldRef| Field::clone(field).with_nullable(true);
    let fields: Vec<Field> = static_term.schema().fields().iter().map(field).collect();
    let schema = Arc::new(Schema::new(fields));
    let scan = |plan: LogicalPlan| match &plan {
        LogicalPlan::TableScan(scan) if is_work_table(scan) => {
            let table = provider_as_source(Arc::new(CteWorkTable::new(&name, Arc::clone(&schema))));
            let scan = LogicalPlanBuilder::scan(scan.table_name.clone(), table, None)?;
            scan.build().map(Transformed::yes)
        }
        LogicalPlan::Values(_) => Ok(Transformed::no(plan)),
        _ => plan.recompute_schema().map(Transformed::yes),
    };
    let recursive_term = Arc::unwrap_or_clone(recursive_term).transform_up(scan)?.data;
    let recursive_term = narrowed(recursive_term)?;
    let fields = recursive_term.schema().iter().zip(static_term.schema().fields());
    let columns = fields.map(|((relation, own), wanted)| {
        let column = Expr::Column(Column::new(relation.cloned(), own.name()));
        match own.data_type() == wanted.data_type() {
            true => column,
            false => datafusion::logical_expr::cast(column, wanted.data_type().clone())
                .alias(wanted.name()),
        }
    });
    let columns = columns.collect::<Vec<_>>();
    let recursive_term = LogicalPlanBuilder::from(recursive_term).project(columns)?.build()?;
    LogicalPlanBuilder::from(static_term)
        .to_recursive_query(name, recursive_term, is_distinct)?
        .build()
}

fn is_work_table(scan: &datafusion::logical_expr::TableScan) -> bool {
    let Ok(provider) = source_as_provider(&scan.source) else { return false };
    (provider.as_ref() as &dyn std::any::Any).is::<CteWorkTable>()
}
