//! Rows in parentheses: comparisons of rows as comparisons of their values, and rows as structures.
//!
//! The engine compares structures as a whole, where a value that is absent makes the answer of
//! `PostgreSQL` unknown.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Select, Value,
};

use super::{Written, call, refused, taken, text};
use crate::SqlError;

/// The greatest number of values in a row that is compared.
const WIDTH_MAX: usize = 100;

/// Writes a comparison of rows, or a test of one, as one of their values.
pub(super) fn compared(expr: &mut Expr) -> Written {
    let written = match &*expr {
        Expr::BinaryOp { left, op, right } => match (row(left), row(right)) {
            (Some(left), Some(right)) => comparison(&left, op, &right)?,
            _ => None,
        },
        Expr::IsDistinctFrom(left, right) => match (row(left), row(right)) {
            (Some(left), Some(right)) => {
                Some(joined(pairs(&left, &right, Expr::IsDistinctFrom)?, &BinaryOperator::Or))
            }
            _ => None,
        },
        Expr::IsNotDistinctFrom(left, right) => match (row(left), row(right)) {
            (Some(left), Some(right)) => {
                Some(joined(pairs(&left, &right, Expr::IsNotDistinctFrom)?, &BinaryOperator::And))
            }
            _ => None,
        },
        Expr::InList { expr: member, list, negated } => match row(member) {
            Some(member) => among(&member, list, *negated)?,
            None => None,
        },
        Expr::IsNull(inner) => {
            row(inner).map(|values| joined(each(&values, Expr::IsNull), &BinaryOperator::And))
        }
        Expr::IsNotNull(inner) => {
            row(inner).map(|values| joined(each(&values, Expr::IsNotNull), &BinaryOperator::And))
        }
        _ => None,
    };
    if let Some(written) = written {
        *expr = written;
    }
    Ok(())
}

/// Writes `(1, 'a')` and `ROW(1, 'a')` as a structure with the names that `PostgreSQL` gives.
pub(super) fn structures(expr: &mut Expr) {
    let Some(values) = row(expr) else { return };
    let mut parts = Vec::with_capacity(2 * values.len());
    for (at, value) in values.into_iter().enumerate() {
        parts.push(text(format!("f{}", at + 1)));
        parts.push(value);
    }
    *expr = call("named_struct", parts);
}

/// Writes `GROUP BY (a, b)` as `GROUP BY a, b`.
pub(super) fn in_group_by(select: &mut Select) {
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else { return };
    if !keys.iter().any(|key| matches!(key, Expr::Tuple(_))) {
        return;
    }
    let flat = std::mem::take(keys).into_iter().flat_map(|key| match key {
        Expr::Tuple(values) => values,
        key => vec![key],
    });
    *keys = flat.collect();
}

/// The values of a row.
fn row(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Nested(inner) => row(inner),
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Function(function) if is_row(function) => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let value = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
                _ => None,
            };
            list.args.iter().map(value).collect::<Option<Vec<_>>>().filter(|row| !row.is_empty())
        }
        _ => None,
    }
}

fn is_row(function: &Function) -> bool {
    let [name] = &function.name.0[..] else { return false };
    let name = name.as_ident();
    name.is_some_and(|name| name.quote_style.is_none() && name.value.eq_ignore_ascii_case("row"))
}

fn each(values: &[Expr], test: fn(Box<Expr>) -> Expr) -> Vec<Expr> {
    values.iter().map(|value| test(Box::new(value.clone()))).collect()
}

/// Each value beside its counterpart.
fn pairs(
    left: &[Expr],
    right: &[Expr],
    pair: impl Fn(Box<Expr>, Box<Expr>) -> Expr,
) -> Result<Vec<Expr>, SqlError> {
    if left.len() != right.len() {
        return Err(SqlError::new("42601", "unequal number of entries in row expressions"));
    }
    if left.len() > WIDTH_MAX {
        let what = format!("a comparison of rows of more than {WIDTH_MAX} values");
        return Err(refused(&what, "compare the values one by one"));
    }
    let one = |(left, right): (&Expr, &Expr)| pair(Box::new(left.clone()), Box::new(right.clone()));
    Ok(left.iter().zip(right).map(one).collect())
}

fn by(op: &BinaryOperator) -> impl Fn(Box<Expr>, Box<Expr>) -> Expr + '_ {
    move |left, right| Expr::BinaryOp { left, op: op.clone(), right }
}

fn comparison(
    left: &[Expr],
    op: &BinaryOperator,
    right: &[Expr],
) -> Result<Option<Expr>, SqlError> {
    let strict = match op {
        BinaryOperator::Eq => {
            return Ok(Some(joined(pairs(left, right, by(op))?, &BinaryOperator::And)));
        }
        BinaryOperator::NotEq => {
            return Ok(Some(joined(pairs(left, right, by(op))?, &BinaryOperator::Or)));
        }
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        BinaryOperator::Overlaps => {
            let values: Vec<Expr> = left.iter().chain(right).cloned().collect();
            return Ok(Some(call("overlaps", values)));
        }
        _ => return Ok(None),
    };
    // The first values that differ decide; those before them are equal.
    let mut last = pairs(left, right, by(op))?;
    let mut decided = last.pop();
    let equal = pairs(left, right, by(&BinaryOperator::Eq))?;
    let less = pairs(left, right, by(&strict))?;
    let before = left.len().saturating_sub(1);
    for (less, equal) in less.into_iter().zip(equal).take(before).rev() {
        if let Some(rest) = decided.take() {
            let rest = joined(vec![equal, rest], &BinaryOperator::And);
            decided = Some(joined(vec![less, rest], &BinaryOperator::Or));
        }
    }
    Ok(decided)
}

/// A row in a list of rows.
fn among(member: &[Expr], list: &[Expr], negated: bool) -> Result<Option<Expr>, SqlError> {
    let rows: Option<Vec<Vec<Expr>>> = list.iter().map(row).collect();
    let Some(rows) = rows else { return Ok(None) };
    let (op, all, any) = match negated {
        false => (BinaryOperator::Eq, BinaryOperator::And, BinaryOperator::Or),
        true => (BinaryOperator::NotEq, BinaryOperator::Or, BinaryOperator::And),
    };
    let one = |row: &Vec<Expr>| Ok(joined(pairs(member, row, by(&op))?, &all));
    let rows = rows.iter().map(one).collect::<Result<Vec<_>, SqlError>>()?;
    Ok(Some(joined(rows, &any)))
}

/// All the conditions with `op` between them, in halves of halves, so that they nest little.
pub(super) fn joined(mut parts: Vec<Expr>, op: &BinaryOperator) -> Expr {
    if parts.len() > 1 {
        let behind = parts.split_off(parts.len() / 2);
        let left = Box::new(joined(parts, op));
        let right = Box::new(joined(behind, op));
        let both = Expr::BinaryOp { left, op: op.clone(), right };
        return Expr::Nested(Box::new(both));
    }
    let only = parts.first_mut().map(taken);
    only.unwrap_or_else(|| Expr::Value(Value::Boolean(*op == BinaryOperator::And).into()))
}
