//! Functions that give rows: `generate_series` and its like as `unnest` of the list they are here,
//! and a function of one value as a table of one row.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, Select, SelectItem, SetExpr,
    Statement, TableAlias, TableAliasColumnDef, TableFactor,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::super::{PostgresDialect, scalar_names};
use super::{Written, call, refused, taken};
use crate::{SqlError, folded};

/// Functions of rows, and the functions that give the rows as a list.
const LISTS: &[(&str, &str)] = &[
    ("generate_series", "generate_series"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("regexp_matches", "pg_regexp_matches"),
    ("string_to_table", "string_to_array"),
];

fn list_of(name: &ObjectName) -> Option<(&'static str, &'static str)> {
    let name = name.0.last()?.as_ident()?.value.to_ascii_lowercase();
    LISTS.iter().find(|(rows, _)| *rows == name).copied()
}

/// `SELECT generate_series(1, 3)`.
pub(super) fn in_projection(select: &mut Select) {
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let Expr::Function(function) = &*expr else { continue };
        let Some((name, list)) = list_of(&function.name) else { continue };
        let mut rows = taken(expr);
        if let Expr::Function(function) = &mut rows {
            function.name = ObjectName::from(vec![Ident::new(list)]);
        }
        let expr = call("unnest", vec![rows]);
        let alias = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            _ => Ident::new(name),
        };
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// `FROM generate_series(1, 3) AS s(n)`, and `FROM upper('a') AS u`.
pub(super) fn in_from(table: &mut TableFactor) -> Written {
    if let TableFactor::UNNEST { alias, array_exprs, with_ordinality: false, .. } = table
        && array_exprs.len() == 1
    {
        named_elements(alias);
        return Ok(());
    }
    let (name, args, alias, has_numbers) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (name, args.args.clone(), alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            (name, args.clone(), alias, *with_ordinality)
        }
        _ => return Ok(()),
    };
    let function = name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
    let list = list_of(name).map(|(_, list)| list);
    if list.is_none() && !scalar_names().contains(&function) {
        return Ok(());
    }
    if has_numbers {
        let instead = "use row_number() OVER ()";
        return Err(refused("WITH ORDINALITY of a function", instead));
    }
    let mut alias = alias.take().unwrap_or_else(|| plain_alias(&function));
    let column = match alias.columns.first() {
        Some(column) => column.name.clone(),
        None => alias.name.clone(),
    };
    alias.columns.clear();
    let mut subquery = template("SELECT unnest(f()) AS c")?;
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        let args = args.into_iter().map(value).collect::<Result<Vec<_>, _>>()?;
        let expr = match list {
            Some(list) => call("unnest", vec![call(list, args)]),
            None => call(&function, args),
        };
        select.projection = vec![SelectItem::ExprWithAlias { expr, alias: column }];
    }
    *table = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
    Ok(())
}

/// Gives the elements of a list the name of their table, which has a name of its own or the
/// function's.
fn named_elements(alias: &mut Option<TableAlias>) {
    let alias = alias.get_or_insert_with(|| plain_alias("unnest"));
    if alias.columns.is_empty() {
        let name = alias.name.clone();
        alias.columns = vec![TableAliasColumnDef { name, data_type: None }];
    }
}

fn plain_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn value(arg: FunctionArg) -> Result<Expr, SqlError> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(refused(&format!("the argument {other}"), "give plain values")),
    }
}

/// A query that is written out, whose parts are then replaced.
pub(super) fn template(sql: &str) -> Result<Box<Query>, SqlError> {
    let statements = Parser::parse_sql(&PostgresDialect::default(), sql);
    let parsed = statements.ok().and_then(|mut statements| statements.pop());
    match parsed {
        Some(Statement::Query(query)) => Ok(query),
        _ => Err(SqlError::new("XX000", format!("no template: {sql}"))),
    }
}
