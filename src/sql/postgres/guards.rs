//! Guards: `a <> 0 AND 10 / a > 3` never divides by zero.
//!
//! The engine evaluates both sides of AND and OR for a whole batch of rows. Conditions that may
//! fail are therefore put into a CASE, which only evaluates them for the rows that the others let
//! through. The others keep their place, so that keys in them are recognised.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator, lit};

use datafusion::scalar::ScalarValue;

use super::failure::Outcome;
use super::function::PgFunction;

/// Functions that never fail, whatever the values are.
const SAFE: &[&str] = &[
    "pg_text",
    "pg_truth",
    "pg_float_key",
    "pg_one_nan",
    "pg_interval_length",
    "pg_plain_numeric",
    "lower",
    "upper",
    "coalesce",
    "nullif",
    "concat",
    "starts_with",
    "btrim",
    "ltrim",
    "rtrim",
    "length",
    "character_length",
    "octet_length",
    "now",
    "greatest",
    "least",
    "date_trunc",
    "date_part",
];

/// `expr` with guarded conditions.
pub(super) fn guarded(expr: Expr) -> Outcome<Transformed<Expr>> {
    expr.transform_down(|expr| match &expr {
        // Long chains without anything risky are not taken apart.
        Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }) | Expr::Case(_)
            if !has_risk(&expr) =>
        {
            Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump))
        }
        Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) => {
            let op = *op;
            let mut parts = Vec::new();
            split(expr.clone(), op, &mut parts);
            let (risky, safe): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(may_fail);
            if risky.is_empty() || (safe.is_empty() && risky.len() < 2) {
                return Ok(Transformed::no(expr));
            }
            let inside = |part: Expr| guarded(part).map(|part| part.data);
            let safe = safe.into_iter().map(inside).collect::<Outcome<Vec<_>>>()?;
            let risky = risky.into_iter().map(inside).collect::<Outcome<Vec<_>>>()?;
            Ok(Transformed::new(joined(op, safe, risky), true, TreeNodeRecursion::Jump))
        }
        Expr::Case(case) if decides(case) => {
            let guarded = as_number(case.clone());
            Ok(Transformed::new(guarded, true, TreeNodeRecursion::Jump))
        }
        _ => Ok(Transformed::no(expr)),
    })
}

fn truth_of(expr: &Expr) -> Option<Option<bool>> {
    match expr {
        Expr::Literal(ScalarValue::Boolean(truth), _) => Some(*truth),
        _ => None,
    }
}

/// Whether a CASE gives a truth in one case, and what may fail in another.
fn decides(case: &Case) -> bool {
    let results = || {
        let results = case.when_then_expr.iter().map(|(_, result)| result.as_ref());
        results.chain(case.else_expr.as_deref())
    };
    results().any(|result| truth_of(result).is_some_and(|truth| truth.is_some()))
        && results().any(may_fail)
}

/// The CASE with numbers instead of truths.
fn as_number(case: Case) -> Expr {
    let number = |result: Expr| match truth_of(&result) {
        Some(truth) => lit(ScalarValue::Int16(truth.map(i16::from))),
        None => truth().call(vec![result]),
    };
    let when_then_expr = case.when_then_expr.into_iter();
    let when_then_expr =
        when_then_expr.map(|(when, then)| (when, Box::new(number(*then)))).collect();
    let else_expr = case.else_expr.map(|result| Box::new(number(*result)));
    let case = Expr::Case(Case { when_then_expr, else_expr, ..case });
    Expr::BinaryExpr(BinaryExpr::new(Box::new(case), Operator::Eq, Box::new(lit(1_i16))))
}

/// The function that makes a number of a truth.
fn truth() -> PgFunction {
    PgFunction::fixed("pg_truth", DataType::Int16, |args, to| {
        Ok(datafusion::arrow::compute::cast(&args[0], to)?)
    })
}

/// The operands of a chain of `op`.
fn split(expr: Expr, op: Operator, parts: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: own, right }) if own == op => {
            split(*left, op, parts);
            split(*right, op, parts);
        }
        other => parts.push(other),
    }
}

fn chain(op: Operator, parts: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    let join = |left: Expr, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    };
    parts.into_iter().reduce(join)
}

/// The chain whose risky parts are evaluated only where those before them do not decide.
fn joined(op: Operator, safe: Vec<Expr>, risky: Vec<Expr>) -> Expr {
    let before = chain(op, safe.clone());
    let mut behind: Option<Expr> = None;
    for part in risky.into_iter().rev() {
        behind = Some(match behind {
            None => part,
            Some(rest) => {
                let both = chain(op, [part.clone(), rest]).unwrap_or_else(|| part.clone());
                unless_decided(op, part, both)
            }
        });
    }
    match (before, behind) {
        (Some(before), Some(behind)) => {
            let guarded = unless_decided(op, before, behind);
            chain(op, safe.into_iter().chain([guarded])).unwrap_or(lit(true))
        }
        (before, behind) => before.or(behind).unwrap_or(lit(true)),
    }
}

/// `then`, except where `first` decides: false for AND, true for OR.
///
/// The truth is calculated as a number: of a CASE of truths the simplifier makes AND and OR.
fn unless_decided(op: Operator, first: Expr, then: Expr) -> Expr {
    let (is_open, decided) = match op {
        Operator::And => (Expr::IsNotFalse(Box::new(first)), 0_i16),
        _ => (Expr::IsNotTrue(Box::new(first)), 1_i16),
    };
    let case = Case::new(
        None,
        vec![(Box::new(is_open), Box::new(truth().call(vec![then])))],
        Some(Box::new(lit(decided))),
    );
    let case = Box::new(Expr::Case(case));
    Expr::BinaryExpr(BinaryExpr::new(case, Operator::Eq, Box::new(lit(1_i16))))
}

/// Whether the evaluation of `expr` can be an error.
fn may_fail(expr: &Expr) -> bool {
    !joins_tables(expr) && has_risk(expr)
}

fn has_risk(expr: &Expr) -> bool {
    expr.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(call) => !SAFE.contains(&call.name()),
            Expr::Cast(_) => true,
            Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(
                op,
                Operator::Plus
                    | Operator::Minus
                    | Operator::Multiply
                    | Operator::Divide
                    | Operator::Modulo
            ),
            _ => false,
        })
    })
    .unwrap_or(true)
}

/// Whether `expr` is an equality of two tables, which a join needs to see.
fn joins_tables(expr: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = expr else {
        return false;
    };
    let tables = |side: &Expr| -> HashSet<String> {
        let columns = side.column_refs();
        columns.iter().filter_map(|column| Some(column.relation.as_ref()?.to_string())).collect()
    };
    let left = tables(left);
    let right = tables(right);
    !left.is_empty() && !right.is_empty() && left.is_disjoint(&right)
}
