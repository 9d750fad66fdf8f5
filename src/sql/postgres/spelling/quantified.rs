//! `= ANY (SELECT …)` as `IN`, `<> ALL (SELECT …)` as `NOT IN`. Other operators with a subquery
//! are refused, because the engine confuses columns of one name inside and outside of it
//! (datafusion#25258).

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::{Written, refused, taken};

pub(super) fn memberships(expr: &mut Expr) -> Written {
    let (left, op, right, is_all) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return Ok(()),
    };
    let mut inner = right.as_mut();
    while let Expr::Nested(nested) = inner {
        inner = nested.as_mut();
    }
    let Expr::Subquery(subquery) = inner else { return Ok(()) };
    let negated = match (&*op, is_all) {
        (BinaryOperator::Eq, false) => false,
        (BinaryOperator::NotEq, true) => true,
        (op, _) => {
            let word = if is_all { "ALL" } else { "ANY" };
            let what = format!("{op} {word} (SELECT …)");
            let instead = "compare with (SELECT min(…) …) or (SELECT max(…) …), or use EXISTS";
            return Err(refused(&what, instead));
        }
    };
    let subquery = subquery.clone();
    let member = Box::new(taken(left));
    let is_in = Expr::InSubquery { expr: member, subquery, negated };
    *expr = Expr::Nested(Box::new(is_in));
    Ok(())
}
