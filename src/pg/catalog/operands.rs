//! Rewriter of operands and lists in queries on the catalog.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
};

use super::super::procedures;
use super::ast::{call, column, literal, name_of, number, text};
use diptych_sql::folded;

/// Columns that hold the number of a function, and show its name.
pub(super) const PROCEDURES: &[&str] = &[
    "amhandler",
    "oprcode",
    "oprjoin",
    "oprrest",
    "rngcanonical",
    "rngsubdiff",
    "typanalyze",
    "typinput",
    "typmodin",
    "typmodout",
    "typoutput",
    "typreceive",
    "typsend",
    "typsubscript",
];

/// Writes the name of a function as its number when it is compared with a column of such numbers.
pub(super) fn numbered(side: &Expr, other: &mut Expr) {
    if column(side).is_some_and(|name| PROCEDURES.contains(&name.as_str()))
        && let Some(found) = literal(other).and_then(|name| procedures::number(&name))
    {
        *other = number(&found.to_string());
    }
}

/// A part of what `_pg_expandarray` gives: an element `x`, or its number `n`.
pub(super) fn expanded(root: &Expr, access: &[AccessExpr]) -> Option<Expr> {
    let [AccessExpr::Dot(Expr::Identifier(part))] = access else { return None };
    let part = folded(part);
    let mut root = root;
    while let Expr::Nested(inner) = root {
        root = inner;
    }
    match root {
        Expr::Function(function) if name_of(function)? == "named_struct" => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let at = if part == "x" { 1 } else { 3 };
            match list.args.get(at)? {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            }
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            Some(call("get_field", vec![root.clone(), text(&part)]))
        }
        _ => None,
    }
}

/// `= ANY ('{a,b}')` and `<> ALL ('{a,b}')` as IN and NOT IN.
pub(super) fn listed(left: &Expr, right: &Expr, negated: bool) -> Option<Expr> {
    let mut right = right;
    while let Expr::Nested(inner) | Expr::Cast { expr: inner, .. } = right {
        right = inner;
    }
    let written = literal(right)?;
    let inner = written.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.contains(['"', '\\', '{']) || inner.is_empty() {
        return None;
    }
    let parts = inner.split(',').map(str::trim);
    let is_number = parts.clone().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let list = parts.map(|part| if is_number { number(part) } else { text(part) }).collect();
    Some(Expr::InList { expr: Box::new(left.clone()), list, negated })
}
