//! Types of parameters: infers from the place of each `$1`, `$2`, … the type that `PostgreSQL`
//! would give it.
//!
//! A parameter has the type of the cast around it, of the other operand, of its place (LIMIT,
//! WHERE, CASE WHEN), or of the function's argument; where nothing tells, it is a text. The planner
//! leaves many of them without a type (datafusion#15978).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::parameter_functions::Wanted;
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{InSubquery, Placeholder};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Union,
};
use datafusion::sql::sqlparser::ast::{Expr as Ast, Statement, Value, visit_expressions};

/// A plan whose parameters have types, and the types.
pub(super) struct TypedPlan {
    pub(super) plan: LogicalPlan,
    pub(super) types: Vec<DataType>,
}

/// The numbers of the parameters that `statement` is written with, counted from 0.
///
/// # Errors
/// When a parameter has no number.
pub(super) fn written(statement: &Statement) -> Result<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    let nameless = visit_expressions(statement, |expr| {
        if let Ast::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
        {
            match number(name) {
                Some(number) => found.insert(number),
                None => return ControlFlow::Break(name.clone()),
            };
        }
        ControlFlow::Continue(())
    });
    match nameless {
        ControlFlow::Break(name) => {
            plan_err!("parameter {name} has no number (write $1, $2, …)")
        }
        ControlFlow::Continue(()) => Ok(found),
    }
}

/// Gives each parameter of `plan` a type: the one that is `stated`, or the one that it is used as.
/// The statement was written with the parameters `numbers`, of which the plan may have lost some.
///
/// # Errors
/// When a number below others is not used and has no stated type.
pub(super) fn infer(
    plan: LogicalPlan,
    numbers: &BTreeSet<usize>,
    stated: &[Option<DataType>],
) -> Result<TypedPlan> {
    let count = numbers.last().map_or(0, |last| last + 1).max(stated.len());
    if count == 0 {
        return Ok(TypedPlan { plan, types: Vec::new() });
    }
    let stated = |at: usize| stated.get(at).cloned().flatten();
    let known = (0..count).filter_map(|at| Some((at, stated(at)?))).collect();
    let mut inference = Inference { known };
    let plan = inference.plan(plan)?;
    for at in numbers {
        inference.known.entry(*at).or_insert(DataType::Utf8);
    }
    // Those that come before the place that tells their type have it now, too.
    let plan = inference.plan(plan)?;
    let types = (0..count).map(|at| {
        let known = inference.known.remove(&at);
        known.map_or_else(
            || plan_err!("parameter ${} is not used, so nothing tells its type", at + 1),
            Ok,
        )
    });
    Ok(TypedPlan { types: types.collect::<Result<_>>()?, plan })
}

fn number(name: &str) -> Option<usize> {
    let number: usize = name.strip_prefix('$')?.parse().ok()?;
    number.checked_sub(1)
}

struct Inference {
    known: BTreeMap<usize, DataType>,
}

impl Inference {
    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let typed = plan.transform_up_with_subqueries(|node| {
            let mut has_parameter = false;
            node.apply_expressions(|expr| {
                has_parameter |= expr.exists(|expr| Ok(matches!(expr, Expr::Placeholder(_))))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            let schema = match &node {
                LogicalPlan::Values(_) => Arc::new(DFSchema::empty()),
                node => Arc::new(merge_schema(&node.inputs())),
            };
            let place = match &node {
                LogicalPlan::Filter(_) | LogicalPlan::Join(_) => Some(DataType::Boolean),
                LogicalPlan::Limit(_) => Some(DataType::Int64),
                _ => None,
            };
            let node = if has_parameter {
                node.map_expressions(|expr| {
                    let mut typed = expr.transform_up(|expr| Ok(self.expression(expr, &schema)))?;
                    self.want(&mut typed.data, place.as_ref());
                    Ok(typed)
                })?
                .data
            } else {
                node
            };
            let node = match node {
                LogicalPlan::Values(mut values) => {
                    self.rows(&mut values.values);
                    LogicalPlanBuilder::values(values.values)?.build()?
                }
                LogicalPlan::Union(union) => {
                    LogicalPlan::Union(self.union(union)?).recompute_schema()?
                }
                node => node.recompute_schema()?,
            };
            Ok(Transformed::yes(node))
        })?;
        Ok(typed.data)
    }

    /// The rows of VALUES: the values of a column have one type.
    fn rows(&mut self, rows: &mut [Vec<Expr>]) {
        let nothing = DFSchema::empty();
        let width = rows.first().map_or(0, Vec::len);
        for column in 0..width {
            let typed = rows.iter().find_map(|row| self.type_of(row.get(column)?, &nothing));
            for row in rows.iter_mut() {
                if let Some(value) = row.get_mut(column) {
                    self.want(value, typed.as_ref());
                }
            }
        }
    }

    /// The queries of a UNION: a column has one type in all of them.
    fn union(&mut self, mut union: Union) -> Result<Union> {
        for column in 0..union.schema.fields().len() {
            let typed = union.inputs.iter().find_map(|input| match &**input {
                LogicalPlan::Projection(projection) => {
                    self.type_of(projection.expr.get(column)?, projection.input.schema())
                }
                input => {
                    let of = input.schema().fields().get(column)?.data_type();
                    (!of.is_null()).then(|| of.clone())
                }
            });
            for input in &mut union.inputs {
                let LogicalPlan::Projection(projection) = &**input else { continue };
                let mut exprs = projection.expr.clone();
                let Some(expr) = exprs.get_mut(column) else { continue };
                self.want(expr, typed.as_ref());
                let projection = Projection::try_new(exprs, Arc::clone(&projection.input))?;
                *input = Arc::new(LogicalPlan::Projection(projection));
            }
        }
        Ok(union)
    }

    /// Gives `expr` a type if it is a parameter: the one that is known, or `wanted`.
    fn want(&mut self, expr: &mut Expr, wanted: Option<&DataType>) {
        match expr {
            Expr::Placeholder(Placeholder { id, field }) => {
                let Some(number) = number(id) else { return };
                if let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) {
                    self.known.entry(number).or_insert_with(|| sent_as(wanted));
                }
                *field = self.known.get(&number).map(|known| parameter_field(id, known));
            }
            Expr::Alias(alias) => self.want(&mut alias.expr, wanted),
            _ => {}
        }
    }

    /// The type of an expression, as far as it tells others theirs.
    fn type_of(&self, expr: &Expr, schema: &DFSchema) -> Option<DataType> {
        match expr {
            Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok() => {
                Some(DataType::Int32)
            }
            Expr::Placeholder(Placeholder { id, .. }) => self.known.get(&number(id)?).cloned(),
            Expr::Alias(alias) => self.type_of(&alias.expr, schema),
            expr => expr.get_type(schema).ok().filter(|of| !of.is_null()),
        }
    }

    /// Gives the parameters among `exprs` the type of the first that has one; if none has, text.
    fn alike(&mut self, exprs: &mut [&mut Expr], schema: &DFSchema) {
        let found = exprs.iter().find_map(|expr| self.type_of(expr, schema));
        let found = found.unwrap_or(DataType::Utf8);
        for expr in exprs {
            self.want(expr, Some(&found));
        }
    }

    /// Types the parameters that are direct parts of `expr`.
    fn expression(&mut self, mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let boolean = Some(&DataType::Boolean);
        match &mut expr {
            // The planner's own guess would come first otherwise.
            Expr::Placeholder(_) => self.want(&mut expr, None),
            Expr::BinaryExpr(binary) => self.binary(binary, schema),
            Expr::Cast(cast) => self.want(&mut cast.expr, Some(cast.field.data_type())),
            Expr::TryCast(cast) => self.want(&mut cast.expr, Some(cast.field.data_type())),
            Expr::Not(inner)
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNotUnknown(inner) => self.want(inner, boolean),
            Expr::Negative(inner) => self.want(inner, Some(&DataType::Float64)),
            Expr::Between(between) => {
                let mut parts = [&mut *between.expr, &mut *between.low, &mut *between.high];
                self.alike(&mut parts, schema);
            }
            Expr::InList(list) => {
                let mut parts = vec![&mut *list.expr];
                parts.extend(list.list.iter_mut());
                self.alike(&mut parts, schema);
            }
            Expr::Like(like) | Expr::SimilarTo(like) => {
                self.want(&mut like.expr, Some(&DataType::Utf8));
                self.want(&mut like.pattern, Some(&DataType::Utf8));
            }
            Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
                let column = subquery.subquery.schema().fields().first();
                let column = column.map(|field| field.data_type().clone());
                self.want(expr, column.as_ref());
            }
            _ => self.call(&mut expr, schema),
        }
        Transformed::yes(expr)
    }

    /// Types the parameters of a CASE, or among the arguments of a call.
    fn call(&mut self, expr: &mut Expr, schema: &DFSchema) {
        let boolean = Some(&DataType::Boolean);
        match expr {
            Expr::Case(case) => {
                match &mut case.expr {
                    None => {
                        case.when_then_expr
                            .iter_mut()
                            .for_each(|(when, _)| self.want(when, boolean));
                    }
                    Some(compared) => {
                        let mut parts = vec![&mut **compared];
                        parts.extend(case.when_then_expr.iter_mut().map(|(when, _)| &mut **when));
                        self.alike(&mut parts, schema);
                    }
                }
                let mut results: Vec<&mut Expr> =
                    case.when_then_expr.iter_mut().map(|(_, then)| &mut **then).collect();
                results.extend(case.else_expr.as_deref_mut());
                self.alike(&mut results, schema);
            }
            Expr::ScalarFunction(call) => {
                let signature = &call.func.signature().type_signature;
                let wanted = Wanted::of(call.func.name(), call.args.len(), signature);
                self.arguments(&mut call.args, &wanted, schema);
            }
            Expr::AggregateFunction(call) => {
                if let Some(filter) = &mut call.params.filter {
                    self.want(filter, boolean);
                }
                let signature = &call.func.signature().type_signature;
                let wanted = Wanted::of(call.func.name(), call.params.args.len(), signature);
                self.arguments(&mut call.params.args, &wanted, schema);
            }
            Expr::WindowFunction(call) => {
                let signature = call.fun.signature().type_signature;
                let wanted = Wanted::of(call.fun.name(), call.params.args.len(), &signature);
                self.arguments(&mut call.params.args, &wanted, schema);
            }
            _ => {}
        }
    }

    fn binary(&mut self, binary: &mut BinaryExpr, schema: &DFSchema) {
        use Operator as O;
        let BinaryExpr { left, op, right } = binary;
        let sides = [self.type_of(left, schema), self.type_of(right, schema)];
        let other = match &sides {
            [Some(other), None] | [None, Some(other)] => other.clone(),
            _ => return self.alike(&mut [left, right], schema),
        };
        let wanted = match op {
            O::And | O::Or => DataType::Boolean,
            O::StringConcat if !other.is_nested() => DataType::Utf8,
            O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo => {
                operand(*op, &other, sides[0].is_none())
            }
            _ => other,
        };
        self.want(left, Some(&wanted));
        self.want(right, Some(&wanted));
    }

    fn arguments(&mut self, args: &mut [Expr], wanted: &Wanted, schema: &DFSchema) {
        match wanted {
            Wanted::Alike => {
                let mut args: Vec<_> = args.iter_mut().collect();
                self.alike(&mut args, schema);
            }
            Wanted::Each(types) => {
                for (arg, wanted) in args.iter_mut().zip(types) {
                    self.want(arg, wanted.as_ref());
                }
            }
            Wanted::Offset => {
                let first = args.first().and_then(|first| self.type_of(first, schema));
                let types = [first.clone(), Some(DataType::Int32), first];
                for (arg, wanted) in args.iter_mut().zip(types) {
                    self.want(arg, wanted.as_ref());
                }
            }
            Wanted::Element => {
                let [list, element] = args else { return };
                let of = self.type_of(element, schema).unwrap_or(DataType::Utf8);
                let of_list = DataType::List(Arc::new(Field::new_list_field(of, true)));
                self.want(list, Some(&of_list));
                if let Some(DataType::List(item)) = self.type_of(list, schema) {
                    self.want(element, Some(item.data_type()));
                }
            }
        }
    }
}

/// The type of a parameter beside an operand of type `other`.
fn operand(op: Operator, other: &DataType, is_first: bool) -> DataType {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    match other {
        DataType::Timestamp(..) | DataType::Date32 if op == Operator::Plus => interval,
        DataType::Timestamp(..) if is_first && op == Operator::Minus => other.clone(),
        DataType::Interval(_) if matches!(op, Operator::Multiply | Operator::Divide) => {
            DataType::Float64
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Float64,
        _ => other.clone(),
    }
}

/// The type in which a value of type `of` is sent.
fn sent_as(of: &DataType) -> DataType {
    use DataType as D;
    match of {
        D::Utf8View | D::LargeUtf8 => D::Utf8,
        D::BinaryView | D::LargeBinary | D::FixedSizeBinary(_) => D::Binary,
        D::Int8 => D::Int16,
        D::Float16 => D::Float32,
        D::Decimal32(_, scale) | D::Decimal64(_, scale) | D::Decimal128(_, scale) => {
            D::Decimal128(38, *scale)
        }
        D::Timestamp(_, zone) => D::Timestamp(TimeUnit::Microsecond, zone.clone()),
        D::Time32(_) | D::Time64(_) => D::Time64(TimeUnit::Microsecond),
        D::Interval(_) | D::Duration(_) => D::Interval(IntervalUnit::MonthDayNano),
        D::Dictionary(_, values) => sent_as(values),
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
            D::List(Arc::new(Field::new_list_field(sent_as(item.data_type()), true)))
        }
        other => other.clone(),
    }
}

fn parameter_field(name: &str, of: &DataType) -> FieldRef {
    Arc::new(Field::new(name, of.clone(), true))
}
