//! Lists with `IN` whose NULL the simplifier would lose (datafusion#24258).
//!
//! It joins two lists over the same expression into one, and an empty one into true or false, also
//! for a NULL. Where that matters, a list is hidden from it behind a CASE.

use std::collections::HashMap;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator, lit};
use datafusion::scalar::ScalarValue;

use super::failure::Outcome;

/// `expr` with its lists protected; `is_condition` where NULL counts as false.
pub(super) fn protected(expr: Expr, is_condition: bool) -> Outcome<Transformed<Expr>> {
    if let Expr::Not(inner) = expr {
        let inner = protected(*inner, false)?;
        return Ok(inner.update_data(|inner| Expr::Not(Box::new(inner))));
    }
    if !is_chain(&expr) {
        return expr.map_children(|child| protected(child, false));
    }
    let mut lists: HashMap<Expr, usize> = HashMap::new();
    count(&expr, &mut lists);
    lists.retain(|_, count| *count > 1);
    hide(expr, &lists, is_condition).map(Transformed::yes)
}

fn is_chain(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }))
}

/// Counts the lists over each expression in a tree of AND, OR and NOT.
fn count(expr: &Expr, lists: &mut HashMap<Expr, usize>) {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            count(left, lists);
            count(right, lists);
        }
        Expr::Not(inner) => count(inner, lists),
        Expr::InList(list) => *lists.entry((*list.expr).clone()).or_default() += 1,
        _ => {}
    }
}

fn hide(expr: Expr, lists: &HashMap<Expr, usize>, is_condition: bool) -> Outcome<Expr> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let left = Box::new(hide(*left, lists, is_condition)?);
            let right = Box::new(hide(*right, lists, is_condition)?);
            Expr::BinaryExpr(BinaryExpr { left, op, right })
        }
        Expr::Not(inner) => Expr::Not(Box::new(hide(*inner, lists, false)?)),
        Expr::InList(list) if lists.contains_key(&list.expr) => {
            let has_null = list
                .list
                .iter()
                .any(|item| matches!(item, Expr::Literal(value, _) if value.is_null()));
            let is_harmless = is_condition && !list.negated && !has_null;
            if is_harmless { Expr::InList(list) } else { hidden(list) }
        }
        other => protected(other, false)?.data,
    })
}

fn hidden(list: InList) -> Expr {
    let is_null = Expr::IsNull(list.expr.clone());
    let null = lit(ScalarValue::Boolean(None));
    let when = vec![(Box::new(is_null), Box::new(null))];
    Expr::Case(Case::new(None, when, Some(Box::new(Expr::InList(list)))))
}
