//! `= ANY (SELECT …)` as `IN`, `<> ALL (SELECT …)` as `NOT IN`; so are lists that are written as
//! one text, whose elements have the type of what they are compared with. Other operators with a
//! subquery are refused, because the engine confuses columns of one name inside and outside of it
//! (datafusion#25258).

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

use super::super::text_input;
use super::{Written, literal_text, refused, taken, text};
use crate::SqlError;

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
    let is_membership =
        matches!((&*op, is_all), (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true));
    if is_membership && let Some(written) = literal_text(inner) {
        let list = elements(written)?;
        *expr = if list.is_empty() {
            Expr::Value(Value::Boolean(is_all).into())
        } else {
            let member = Box::new(taken(left));
            let is_in = Expr::InList { expr: member, list, negated: is_all };
            Expr::Nested(Box::new(is_in))
        };
        return Ok(());
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

/// The elements of a list's text, as literals whose type is not known.
fn elements(written: &str) -> Result<Vec<Expr>, SqlError> {
    let Some(found) = text_input::elements(written) else {
        return Err(SqlError::new("22P02", format!("malformed array literal: \"{written}\"")));
    };
    let literal = |of: Option<String>| of.map_or(Expr::Value(Value::Null.into()), text);
    Ok(found.into_iter().map(literal).collect())
}
