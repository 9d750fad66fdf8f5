//! Small pieces of syntax trees, for rewriting queries.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, SetExpr, Statement, TableFactor,
    Value as Literal,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use diptych_sql::folded;

/// The text of a literal.
pub(super) fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn text(text: &str) -> Expr {
    Expr::Value(Literal::SingleQuotedString(text.to_owned()).with_empty_span())
}

pub(super) fn number(digits: &str) -> Expr {
    Expr::Value(Literal::Number(digits.to_owned(), false).with_empty_span())
}

pub(super) fn null() -> Expr {
    Expr::Value(Literal::Null.with_empty_span())
}

pub(super) fn boolean(value: bool) -> Expr {
    Expr::Value(Literal::Boolean(value).with_empty_span())
}

pub(super) fn cast_to(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A call of the function `name`.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)));
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The first argument of a call.
pub(super) fn first_argument(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args.first().and_then(value)
}

/// The last argument of a call.
pub(super) fn last_argument(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args.last().and_then(value)
}

fn value(arg: &FunctionArg) -> Option<Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

/// The last part of a function's name, in lower case.
pub(super) fn name_of(function: &Function) -> Option<String> {
    function.name.0.last().and_then(|part| part.as_ident()).map(folded)
}

/// The name of a column, without its table.
pub(super) fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) => column(inner),
        _ => None,
    }
}

/// The first table of the query `sql`.
pub(super) fn first_table(sql: &str) -> Option<TableFactor> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    let Statement::Query(query) = statements.pop()? else { return None };
    let SetExpr::Select(mut select) = *query.body else { return None };
    select.from.pop().map(|from| from.relation)
}
