//! Rewriter of operands and lists in queries on the catalog.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    Value as Literal, ValueWithSpan,
};

use super::super::procedures;
use super::ast::{call, column, literal, name_of, null, number, text};
use super::rewrite::LIKE_PATTERN;
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

pub(super) fn operator(word: &str) -> Option<BinaryOperator> {
    Some(match word {
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        ">" => BinaryOperator::Gt,
        "<=" => BinaryOperator::LtEq,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        _ => return None,
    })
}

/// Rewrites the escape of a pattern to a backslash, the planner's escape.
pub(super) fn escaped(pattern: &mut Box<Expr>, escape: &mut Option<ValueWithSpan>) {
    let Some(Literal::SingleQuotedString(character)) = escape.as_ref().map(|found| &found.value)
    else {
        return;
    };
    if character == "\\" {
        return;
    }
    let written = std::mem::replace(&mut **pattern, null());
    **pattern = call(LIKE_PATTERN, vec![written, text(character)]);
    *escape = None;
}

/// The number that a table of `PostgreSQL`'s own catalog has there; 0 for one that few ask for.
pub(super) fn own_number(word: &str) -> i64 {
    let name = word.strip_prefix("pg_catalog.").unwrap_or(word);
    let known = [
        ("pg_type", 1_247),
        ("pg_attribute", 1_249),
        ("pg_proc", 1_255),
        ("pg_class", 1_259),
        ("pg_database", 1_262),
        ("pg_constraint", 2_606),
        ("pg_index", 2_610),
        ("pg_namespace", 2_615),
    ];
    known.into_iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| number)
}
