//! `ANY` and `ALL` of what is written in the statement: a list becomes `IN`, or a comparison with
//! each of its elements; so does a list that is written as one text, whose elements have the type
//! of what they are compared with.
//!
//! `= ANY (SELECT …)` becomes `IN` and `<> ALL (SELECT …)` `NOT IN`. Other operators with a
//! subquery are refused, because the engine confuses columns of one name inside and outside of it
//! (datafusion#25258).

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Value,
};

use super::super::text_input;
use super::row_values::joined;
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
    let negated = match (&*op, is_all) {
        (BinaryOperator::Eq, false) => Some(false),
        (BinaryOperator::NotEq, true) => Some(true),
        _ => None,
    };
    if is_comparison(op)
        && let Some(list) = elements(inner)?
    {
        *expr = compared(taken(left), op, list, is_all, negated);
        return Ok(());
    }
    let Expr::Subquery(subquery) = inner else { return Ok(()) };
    let Some(negated) = negated else {
        let word = if is_all { "ALL" } else { "ANY" };
        let what = format!("{op} {word} (SELECT …)");
        let instead = "compare with (SELECT min(…) …) or (SELECT max(…) …), or use EXISTS";
        return Err(refused(&what, instead));
    };
    let subquery = subquery.clone();
    let member = Box::new(taken(left));
    let is_in = Expr::InSubquery { expr: member, subquery, negated };
    *expr = Expr::Nested(Box::new(is_in));
    Ok(())
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// `member` beside the elements of a list: as `IN` where `negated` says so, or else one by one.
fn compared(
    member: Expr,
    op: &BinaryOperator,
    list: Vec<Expr>,
    is_all: bool,
    negated: Option<bool>,
) -> Expr {
    // A list has a type of its own, and so have fractions, whatever they are compared with.
    let is_fraction = |element: &Expr| {
        matches!(element, Expr::Value(value)
            if matches!(&value.value, Value::Number(number, _) if number.contains(['.', 'e', 'E'])))
    };
    let is_in = !list.is_empty() && !list.iter().any(is_fraction);
    if let Some(negated) = negated.filter(|_| is_in) {
        let listed = Expr::InList { expr: Box::new(member), list, negated };
        return Expr::Nested(Box::new(listed));
    }
    let one = |element: Expr| {
        let left = Box::new(member.clone());
        Expr::BinaryOp { left, op: op.clone(), right: Box::new(element) }
    };
    let each = list.into_iter().map(one).collect();
    let between = if is_all { BinaryOperator::And } else { BinaryOperator::Or };
    Expr::Nested(Box::new(joined(each, &between)))
}

/// The elements of a list that is written; none for anything else.
fn elements(expr: &Expr) -> Result<Option<Vec<Expr>>, SqlError> {
    match expr {
        Expr::Nested(inner) => elements(inner),
        Expr::Array(array) => {
            let is_plain = |element: &Expr| !matches!(element, Expr::Array(_));
            Ok(array.elem.iter().all(is_plain).then(|| array.elem.clone()))
        }
        Expr::Cast { expr: inner, data_type: DataType::Array(of), .. } => {
            let (ArrayElemTypeDef::SquareBracket(of, _) | ArrayElemTypeDef::AngleBracket(of)) = of
            else {
                return Ok(None);
            };
            let cast = |expr: Expr| Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(expr),
                data_type: (**of).clone(),
                array: false,
                format: None,
            };
            let list = elements(inner)?;
            Ok(list.map(|list| list.into_iter().map(cast).collect()))
        }
        _ => match literal_text(expr) {
            Some(written) => of_text(written).map(Some),
            None => Ok(None),
        },
    }
}

/// The elements of a list's text, as literals whose type is not known.
fn of_text(written: &str) -> Result<Vec<Expr>, SqlError> {
    let Some(found) = text_input::elements(written) else {
        return Err(SqlError::new("22P02", format!("malformed array literal: \"{written}\"")));
    };
    let literal = |of: Option<String>| of.map_or(Expr::Value(Value::Null.into()), text);
    Ok(found.into_iter().map(literal).collect())
}
