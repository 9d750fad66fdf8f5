//! The analyzer's rule that gives expressions `PostgreSQL`'s meaning, before types are coerced.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::expr::{InList, InSubquery, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder,
};
use datafusion::optimizer::AnalyzerRule;

use super::failure::Outcome;
use super::function::PgFunction;
use super::operators::{self, Meaning, known_type};
use super::type_name::{Group, group};
use super::{aggregates, cast, comparison, guards, null_logic, subqueries, unions};

/// The rule.
#[derive(Debug)]
pub(super) struct PgMeaning;

impl AnalyzerRule for PgMeaning {
    fn name(&self) -> &str {
        "postgres_meaning"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Outcome<LogicalPlan> {
        plan.transform_up_with_subqueries(node).map(|plan| plan.data)
    }
}

fn node(plan: LogicalPlan) -> Outcome<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let source = scan.source.schema();
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &source)?);
    }
    let names = NamePreserver::new(&plan);
    let is_filter = matches!(plan, LogicalPlan::Filter(_));
    let is_join = matches!(plan, LogicalPlan::Join(_));
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let mut done = expr.transform_up(|expr| meaning(expr, &schema))?;
        if !is_filter && !is_join {
            done = done.transform_data(|expr| expr.transform_up(subqueries::exists_as_value))?;
        }
        let done = done.transform_data(|expr| {
            let kept = null_logic::protected(expr, is_filter || is_join)?;
            if is_join { Ok(kept) } else { kept.transform_data(guards::guarded) }
        })?;
        Ok(done.update_data(|expr| name.restore(expr)))
    })?;
    plan.transform_data(grouped)?.map_data(LogicalPlan::recompute_schema)
}

/// The meaning of one expression whose parts have theirs.
fn meaning(expr: Expr, schema: &DFSchema) -> Outcome<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            Ok(match operators::binary(op, *left, *right, schema)? {
                Meaning::Given(expr) => Transformed::yes(expr),
                Meaning::Kept(left, right) => {
                    let left = Box::new(left);
                    let right = Box::new(right);
                    Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                }
            })
        }
        Expr::Cast(cast) => {
            let from = known_type(&cast.expr, schema);
            let is_plain = cast.field.metadata().is_empty();
            match from.filter(|_| is_plain) {
                Some(from) => {
                    let to = cast.field.data_type().clone();
                    cast::of(*cast.expr, &from, &to).map(Transformed::yes)
                }
                None => Ok(Transformed::no(Expr::Cast(cast))),
            }
        }
        Expr::InList(InList { expr, list, negated }) => {
            let values = std::iter::once(*expr).chain(list).collect();
            let mut values = alike(values, schema, "IN", comparison::comparable)?;
            let expr = Box::new(values.remove(0));
            Ok(Transformed::yes(Expr::InList(InList { expr, list: values, negated })))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let values =
                alike(vec![*expr, *low, *high], schema, "BETWEEN", comparison::comparable)?;
            let Ok([expr, low, high]) = <[Expr; 3]>::try_from(values) else {
                unreachable!("as many values come back");
            };
            Ok(Transformed::yes(Expr::Between(Between::new(
                Box::new(expr),
                negated,
                Box::new(low),
                Box::new(high),
            ))))
        }
        Expr::Case(case) => choices(case, schema).map(Expr::Case).map(Transformed::yes),
        call @ (Expr::ScalarFunction(_) | Expr::AggregateFunction(_) | Expr::WindowFunction(_)) => {
            called(call, schema)
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            subqueries::membership(*expr, subquery, negated, schema).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A call whose arguments have the types that `PostgreSQL` gives them.
fn called(call: Expr, schema: &DFSchema) -> Outcome<Transformed<Expr>> {
    match call {
        Expr::ScalarFunction(ScalarFunction { func, args })
            if matches!(func.name(), "coalesce" | "greatest" | "least" | "nullif") =>
        {
            let args = alike(args, schema, func.name(), comparison::unify)?;
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let own = PgFunction::of(&func).filter(|own| own.settled_type().is_none());
            let Some(own) = own else {
                return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
            };
            let types: Option<Vec<DataType>> =
                args.iter().map(|arg| known_type(arg, schema)).collect();
            match types {
                Some(types) => own.settled(args, &types).map(Transformed::yes),
                None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
            }
        }
        Expr::AggregateFunction(mut call) => {
            let params = &mut call.params;
            let args = std::mem::take(&mut params.args);
            params.args = aggregates::arguments(call.func.name(), params.distinct, args, schema)?;
            Ok(Transformed::yes(Expr::AggregateFunction(call)))
        }
        Expr::WindowFunction(mut call) => {
            let name = call.fun.name().to_owned();
            let params = &mut call.params;
            let args = std::mem::take(&mut params.args);
            params.args = aggregates::arguments(&name, params.distinct, args, schema)?;
            Ok(Transformed::yes(Expr::WindowFunction(call)))
        }
        other => Ok(Transformed::no(other)),
    }
}

type Rule = fn(Vec<Expr>, &[DataType], &str) -> Outcome<Vec<Expr>>;

/// Values brought to one type, once all types are known.
fn alike(values: Vec<Expr>, schema: &DFSchema, op: &str, rule: Rule) -> Outcome<Vec<Expr>> {
    let types: Option<Vec<DataType>> =
        values.iter().map(|value| known_type(value, schema)).collect();
    match types {
        Some(types) => rule(values, &types, op),
        None => Ok(values),
    }
}

/// CASE: the results have one type, and so have the values that are compared.
fn choices(case: Case, schema: &DFSchema) -> Outcome<Case> {
    let Case { mut expr, when_then_expr, else_expr } = case;
    let (mut whens, mut results): (Vec<Expr>, Vec<Expr>) =
        when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
    if let Some(value) = expr.take() {
        whens.insert(0, *value);
        whens = alike(whens, schema, "=", comparison::comparable)?;
        expr = Some(Box::new(whens.remove(0)));
    }
    let has_else = else_expr.is_some();
    results.extend(else_expr.map(|value| *value));
    let mut results = alike(results, schema, "CASE", comparison::unify)?;
    let else_expr = if has_else { results.pop().map(Box::new) } else { None };
    let pairs = whens.into_iter().zip(results);
    let when_then_expr = pairs.map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Ok(Case { expr, when_then_expr, else_expr })
}

/// Floats in groups, and in columns that are told apart, have one zero and one NaN.
fn grouped(plan: LogicalPlan) -> Outcome<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Aggregate(mut aggregate) => {
            let schema = Arc::clone(aggregate.input.schema());
            let is_plain = |expr: &Expr| !matches!(expr, Expr::GroupingSet(_));
            let mut is_changed = false;
            if aggregate.group_expr.iter().all(is_plain) {
                for expr in &mut aggregate.group_expr {
                    let data_type = expr.get_type(schema.as_ref())?;
                    if group(&data_type) == Group::Interval {
                        let instead = "group by extract(epoch from x)";
                        return Err(super::failure::refused("GROUP BY of an interval", instead));
                    }
                    if group(&data_type).is_float() {
                        is_changed = true;
                        *expr = named_key(expr.clone(), &data_type);
                    }
                }
            }
            let plan = LogicalPlan::Aggregate(aggregate);
            Ok(if is_changed { Transformed::yes(plan) } else { Transformed::no(plan) })
        }
        LogicalPlan::Distinct(Distinct::All(input)) if has_floats(input.schema()) => {
            let keys: Vec<Expr> = columns(input.schema())
                .map(|(relation, name, data_type)| {
                    let column = Expr::Column(Column::new(relation.clone(), name.clone()));
                    match group(&data_type).is_float() {
                        true => named_key(column, &data_type),
                        false => column,
                    }
                })
                .collect();
            let input = LogicalPlanBuilder::from(input).project(keys)?.build()?;
            Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::All(Arc::new(input)))))
        }
        LogicalPlan::Join(mut join) if !join.on.is_empty() => {
            let left = join.left.schema();
            let right = join.right.schema();
            for (one, other) in &mut join.on {
                let types = [one.get_type(left.as_ref())?, other.get_type(right.as_ref())?];
                let sides = vec![one.clone(), other.clone()];
                let mut sides = comparison::comparable(sides, &types, "=")?;
                (*other, *one) = (sides.remove(1), sides.remove(0));
            }
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        LogicalPlan::Sort(mut sort) => {
            let schema = Arc::clone(sort.input.schema());
            for key in &mut sort.expr {
                let data_type = key.expr.get_type(schema.as_ref())?;
                key.expr = comparison::key(key.expr.clone(), &data_type);
            }
            Ok(Transformed::yes(LogicalPlan::Sort(sort)))
        }
        LogicalPlan::Union(union) => unions::alike(union),
        other => Ok(Transformed::no(other)),
    }
}

fn columns(schema: &DFSchema) -> impl Iterator<Item = (Option<TableReference>, String, DataType)> {
    schema.iter().map(|(relation, field)| {
        (relation.cloned(), field.name().clone(), field.data_type().clone())
    })
}

fn has_floats(schema: &DFSchema) -> bool {
    schema
        .fields()
        .iter()
        .any(|field| matches!(group(field.data_type()), Group::Float | Group::Double))
}

/// The key of a float under the float's own name.
fn named_key(expr: Expr, data_type: &DataType) -> Expr {
    let (relation, name) = expr.qualified_name();
    let inner = expr.unalias();
    comparison::key(inner, data_type).alias_qualified(relation, name)
}
