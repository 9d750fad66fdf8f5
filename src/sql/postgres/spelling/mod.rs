//! Spellings: writes parts of a parsed statement as the planner knows them, with the same meaning.

mod calls;
mod expressions;
mod json_agg;
mod numbers;
mod order_names;
mod quantified;
mod row_values;
mod rows_limit;
mod series;
mod set_operations;
mod similar_to;
mod values;
mod whole_rows;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, Select, SelectItem, Statement, TableFactor, Value, VisitMut, VisitorMut,
};

use crate::SqlError;
use crate::column_names::{self, NAMELESS};

type Written = Result<(), SqlError>;

/// Writes `statement` in the planner's spelling.
///
/// # Errors
/// When a part of it has no spelling with the same meaning.
pub(crate) fn respelt(statement: &mut Statement) -> Written {
    match statement.visit(&mut Respeller::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

#[derive(Default)]
struct Respeller {
    /// The names of the columns of the selects around, as they were written.
    names: Vec<Vec<Option<String>>>,
}

fn flow(written: Written) -> ControlFlow<SqlError> {
    match written {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Respeller {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        flow(order_names::unambiguous(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        values::of_one_type(query);
        let limited = rows_limit::fetch_first(query).and_then(|()| rows_limit::unquoted(query));
        flow(limited.and_then(|()| set_operations::all(query)))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.names.push(select.projection.iter().map(column_names::name_of).collect());
        row_values::in_group_by(select);
        whole_rows::spelt_out(select);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        series::in_projection(select);
        let names = self.names.pop().unwrap_or_default();
        for (item, name) in select.projection.iter_mut().zip(names) {
            // What is spelt otherwise keeps the name that its own spelling has.
            if let (SelectItem::UnnamedExpr(expr), Some(name)) = (&mut *item, name)
                && column_names::of_expr(expr).as_deref().unwrap_or(NAMELESS) != name
            {
                let alias = Ident::with_quote('"', name);
                *item = SelectItem::ExprWithAlias { expr: taken(expr), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(series::in_from(table))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        flow(row_values::compared(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        flow(quantified::memberships(expr).and_then(|()| similar_to::patterns(expr)).and_then(
            |()| {
                row_values::structures(expr);
                numbers::unconstrained(expr);
                json_agg::aggregates(expr)?;
                calls::renamed(expr)?;
                expressions::respelt(expr)
            },
        ))
    }
}

/// What is refused, and what to write instead.
fn refused(what: &str, instead: &str) -> SqlError {
    SqlError::new("0A000", format!("{what} is not done here ({instead})"))
}

/// `name(args)`.
fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    let args = args.collect();
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn text(text: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.into()).into())
}

/// The text that a literal is.
fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Nested(inner) => literal_text(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            Value::DollarQuotedString(text) => Some(&text.value),
            _ => None,
        },
        _ => None,
    }
}

/// Takes an expression out, to put another around it.
fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}
