//! The name of a subquery as the argument of a function, such as `row_to_json(x)`: the whole row.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, TableFactor,
    visit_expressions_mut,
};

use super::{call, text};
use crate::column_names::{first_select, folded, name_of};

/// Functions that are called with a whole row.
const FUNCTIONS: &[&str] = &["row_to_json", "to_json", "json_agg", "array_agg"];

/// Writes out the columns of a subquery whose name is an argument.
pub(super) fn spelt_out(select: &mut Select) {
    let joined = select.from.iter().flat_map(|from| from.joins.iter().map(|join| &join.relation));
    let tables = select.from.iter().map(|from| &from.relation).chain(joined);
    let rows: Vec<(String, Vec<String>)> = tables.filter_map(columns).collect();
    if rows.is_empty() {
        return;
    }
    let _ = visit_expressions_mut(&mut select.projection, |expr| {
        if let Expr::Function(function) = expr
            && let Some(argument) = whole_row(function)
            && let Expr::Identifier(name) = &*argument
            && let Some((_, columns)) = rows.iter().find(|(row, _)| *row == folded(name))
        {
            *argument = structure(&name.clone(), columns);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The only argument of one of the functions.
fn whole_row(function: &mut Function) -> Option<&mut Expr> {
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(folded)?;
    let FunctionArguments::List(list) = &mut function.args else { return None };
    match &mut list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))]
            if FUNCTIONS.contains(&name.as_str()) =>
        {
            Some(argument)
        }
        _ => None,
    }
}

/// The name of a subquery, and those of its columns; none for a column with the subquery's name,
/// which is what is meant then.
fn columns(table: &TableFactor) -> Option<(String, Vec<String>)> {
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = table else { return None };
    let select = first_select(&subquery.body)?;
    let mut names = select.projection.iter().map(name_of).collect::<Option<Vec<String>>>()?;
    for (name, column) in names.iter_mut().zip(&alias.columns) {
        *name = folded(&column.name);
    }
    let row = folded(&alias.name);
    (!names.contains(&row)).then_some((row, names))
}

fn structure(row: &Ident, columns: &[String]) -> Expr {
    let part = |column: &String| {
        let value = vec![row.clone(), Ident::with_quote('"', column)];
        [text(column.as_str()), Expr::CompoundIdentifier(value)]
    };
    call("named_struct", columns.iter().flat_map(part).collect())
}
