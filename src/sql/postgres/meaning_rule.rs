//! The analyzer's rule that gives expressions `PostgreSQL`'s meaning, before types are coerced.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::{InList, InSubquery, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Distinct, Expr, ExprSchemable, Like, LogicalPlan, Operator,
};
use datafusion::optimizer::AnalyzerRule;

use super::failure::Outcome;
use super::function::PgFunction;
use super::functions::lists;
use super::operators::{self, Meaning, known_type};
use super::type_name::{Group, group};
use super::{
    aggregates, cast, comparison, groups, guards, named_type, null_logic, refused_overloads,
    result_types, subqueries, unions,
};

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
    plan.transform_data(compares)?.map_data(LogicalPlan::recompute_schema)
}

/// The meaning of one expression whose parts have theirs.
fn meaning(expr: Expr, schema: &DFSchema) -> Outcome<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let left = named_type::unmarked(*left);
            let right = named_type::unmarked(*right);
            Ok(match operators::binary(op, left, right, schema)? {
                Meaning::Given(expr) => Transformed::yes(expr),
                Meaning::Kept(left, right) => {
                    let left = Box::new(left);
                    let right = Box::new(right);
                    Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                }
            })
        }
        Expr::Cast(cast) => match known_type(&cast.expr, schema) {
            Some(from) => cast::as_field(*cast.expr, &from, &cast.field, schema),
            None => Ok(Transformed::no(Expr::Cast(cast))),
        },
        Expr::InList(InList { expr, list, negated }) => {
            let values = as_reals(std::iter::once(*expr).chain(list).collect(), schema)?;
            let mut values = compared(values, schema, "IN")?;
            let expr = Box::new(values.remove(0));
            Ok(Transformed::yes(Expr::InList(InList { expr, list: values, negated })))
        }
        Expr::Between(Between { expr, negated, low, high })
            if has_two_ways([&expr, &low, &high], schema) =>
        {
            let sides = [((*expr).clone(), Operator::GtEq, *low), (*expr, Operator::LtEq, *high)];
            let [from, to] = sides.map(|(value, op, bound)| {
                let compared =
                    Expr::BinaryExpr(BinaryExpr::new(Box::new(value), op, Box::new(bound)));
                meaning(compared, schema).map(|compared| compared.data)
            });
            let both = from?.and(to?);
            Ok(Transformed::yes(if negated { Expr::Not(Box::new(both)) } else { both }))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let values = compared(vec![*expr, *low, *high], schema, "BETWEEN")?;
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
        Expr::Like(like) => {
            let expr = Box::new(named_type::unmarked(*like.expr));
            Ok(Transformed::yes(Expr::Like(Like { expr, ..like })))
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
            if matches!(
                func.name(),
                "coalesce" | "greatest" | "least" | "nullif" | "make_array"
            ) =>
        {
            let args = alike(args, schema, func.name(), comparison::unify)?;
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == "pg_typeof" && args.len() == 1 =>
        {
            Ok(match named_type::shown(&args[0], schema) {
                Some(name) => Transformed::yes(named_type::typeof_call(args, &name)),
                None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
            })
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "array_has" => {
            match lists::membership(&args, schema)? {
                // A list that is written is compared as IN is.
                Some(known @ Expr::InList(_)) => meaning(known, schema),
                Some(known) => Ok(Transformed::yes(known)),
                None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
            }
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
            if func.name().contains("json") || func.name() == "named_struct" {
                args = args.into_iter().map(|arg| named_type::as_json_part(arg, schema)).collect();
            }
            let types: Option<Vec<DataType>> =
                args.iter().map(|arg| known_type(arg, schema)).collect();
            if let Some(types) = &types {
                refused_overloads::of_function(func.name(), &args, types)?;
            }
            let own = PgFunction::of(&func).filter(|own| own.settled_type().is_none());
            if let Some((own, types)) = own.zip(types) {
                return own.settled(args, &types).map(Transformed::yes);
            }
            let call = Expr::ScalarFunction(ScalarFunction { func, args });
            result_types::typed(call, schema).map(Transformed::yes)
        }
        Expr::AggregateFunction(mut call) => {
            let params = &mut call.params;
            let mut args = std::mem::take(&mut params.args);
            if call.func.name() == "array_agg" {
                args = args.into_iter().map(|arg| named_type::as_json_part(arg, schema)).collect();
            }
            params.args = aggregates::arguments(call.func.name(), params.distinct, args, schema)?;
            Ok(Transformed::yes(Expr::AggregateFunction(call)))
        }
        Expr::WindowFunction(mut call) => {
            let name = call.fun.name().to_owned();
            let params = &mut call.params;
            let args = std::mem::take(&mut params.args);
            params.args = aggregates::arguments(&name, params.distinct, args, schema)?;
            let key = |expr: &mut Expr| {
                let data_type = known_type(expr, schema);
                *expr = data_type.map_or(expr.clone(), |of| comparison::key(expr.clone(), &of));
            };
            params.partition_by.iter_mut().for_each(key);
            params.order_by.iter_mut().for_each(|sort| key(&mut sort.expr));
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

/// The values of a list have one type, which is `real` where one is, and so is it or the value that
/// is looked for. Such a value is compared as it is: with reals as a double. A value alone, and one
/// with a column in it, is compared by itself.
fn as_reals(mut values: Vec<Expr>, schema: &DFSchema) -> Outcome<Vec<Expr>> {
    let types: Option<Vec<DataType>> =
        values.iter().map(|value| known_type(value, schema)).collect();
    let Some(types) = types else { return Ok(values) };
    let listed = (1..values.len()).filter(|at| !values[*at].any_column_refs());
    let listed: Vec<usize> = listed.collect();
    let is_real = |at: &usize| group(&types[*at]) == Group::Float;
    let fits = |at: &usize| {
        matches!(group(&types[*at]), Group::Float | Group::Int(_) | Group::Numeric | Group::Unknown)
    };
    let involved = [&[0], &listed[..]].concat();
    if listed.len() < 2 || !involved.iter().any(is_real) || !involved.iter().all(fits) {
        return Ok(values);
    }
    for at in listed {
        if group(&types[at]) != Group::Unknown {
            values[at] = cast::of(values[at].clone(), &types[at], &DataType::Float32)?;
        }
    }
    Ok(values)
}

/// Whether one bound is compared as a double and the other exactly, which no common type does.
fn has_two_ways(values: [&Expr; 3], schema: &DFSchema) -> bool {
    let groups = values.map(|value| known_type(value, schema).map(|of| group(&of)));
    let is_exact = |of: Option<Group>| matches!(of, Some(Group::Int(_) | Group::Numeric));
    let is_float = |of: Option<Group>| of.is_some_and(Group::is_float);
    let [value, low, high] = groups;
    is_exact(value) && ((is_exact(low) && is_float(high)) || (is_float(low) && is_exact(high)))
}

/// Values that can be compared with each other.
fn compared(values: Vec<Expr>, schema: &DFSchema, op: &str) -> Outcome<Vec<Expr>> {
    let values = values.into_iter().map(named_type::unmarked).collect();
    alike(values, schema, op, comparison::comparable)
}

/// CASE: the results have one type, and so have the values that are compared.
fn choices(case: Case, schema: &DFSchema) -> Outcome<Case> {
    let Case { mut expr, when_then_expr, else_expr } = case;
    let (mut whens, mut results): (Vec<Expr>, Vec<Expr>) =
        when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
    if let Some(value) = expr.take() {
        whens.insert(0, *value);
        whens = compared(whens, schema, "=")?;
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

/// Nodes that compare values by themselves.
fn compares(plan: LogicalPlan) -> Outcome<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => groups::keyed(aggregate),
        LogicalPlan::Distinct(Distinct::All(input)) if groups::have_keys(input.schema()) => {
            groups::distinct(input)
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
