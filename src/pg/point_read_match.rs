//! Recognises point reads: `SELECT columns FROM view WHERE key = … [AND key2 = …] [LIMIT n]` with
//! equality on the first columns of the key, all compared with constants or parameters.
//!
//! A query that is not recognised is no error: the planner takes it. So that no part is overlooked,
//! the recognised parts are written out again and must give the whole query.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, LimitClause, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    Statement, TableFactor, UnaryOperator, Value as Literal, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::params::{self, Param};
use super::planner::Planner;
use super::point_read::{Operand, PointPlan};
use super::types::{PgField, PgType, oid};
use diptych_row::{Column, RowSchema};
use diptych_sql::folded;

/// Recognises `sql` as a point read.
pub(super) fn recognise(sql: &str, types: &[u32], planner: &Planner) -> Option<PointPlan> {
    // Cheaper than parsing a query that cannot be a point read.
    if sql.len() > 4_000 || !sql.contains('=') {
        return None;
    }
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    let [Statement::Query(query)] = statements.as_slice() else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias, .. } = &from.relation else { return None };
    let selection = select.selection.as_ref()?;
    let limit = limit(query)?;
    if !is_all(query, select, selection) {
        return None;
    }
    let parts: Option<Vec<String>> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(folded(ident)),
            ObjectNamePart::Function(_) => None,
        })
        .collect();
    let parts = parts?;
    let (flow, view, schema) = planner.view(&parts)?;
    let called = match alias {
        Some(alias) if alias.columns.is_empty() => folded(&alias.name),
        Some(_) => return None,
        None => parts.last()?.clone(),
    };
    let table = Table { called, schema: &schema };
    let mut bound = Bound { key: vec![None; schema.key.len()], parameters: Vec::new(), types };
    bound.conditions(selection, &table)?;
    let (fields, columns) = table.projected(&select.projection)?;
    let (key, parameters) = bound.finish()?;
    let name = parts.last()?.clone();
    Some(PointPlan { flow, view, name, schema, key, parameters, fields, columns, limit })
}

/// Whether the query has no parts except those that are examined here.
fn is_all(query: &Query, select: &Select, selection: &Expr) -> bool {
    let list =
        |items: &[SelectItem]| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut again =
        format!("SELECT {} FROM {} WHERE {selection}", list(&select.projection), select.from[0]);
    if let Some(clause) = &query.limit_clause {
        again.push_str(&clause.to_string());
    }
    let TableFactor::Table { name, alias, .. } = &select.from[0].relation else { return false };
    let table = match alias {
        Some(alias) => format!("{name} {alias}"),
        None => name.to_string(),
    };
    again == query.to_string() && table == select.from[0].to_string()
}

/// A constant limit; the inner value is none without a limit.
#[expect(clippy::option_option, reason = "no limit is an answer, no constant is none")]
fn limit(query: &Query) -> Option<Option<u64>> {
    match &query.limit_clause {
        None => Some(None),
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }) => match limit {
            Expr::Value(value) => match &value.value {
                Literal::Number(digits, _) => digits.parse().ok().map(Some),
                _ => None,
            },
            _ => None,
        },
        Some(_) => None,
    }
}

struct Table<'a> {
    called: String,
    schema: &'a RowSchema,
}

impl Table<'_> {
    /// The number of a column; those of the key come first.
    fn column(&self, expr: &Expr) -> Option<usize> {
        let name = match expr {
            Expr::Identifier(name) => name,
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] if folded(table) == self.called => name,
                _ => return None,
            },
            _ => return None,
        };
        let name = folded(name);
        self.schema.columns().position(|column| column.name == name)
    }

    fn projected(&self, items: &[SelectItem]) -> Option<(Vec<PgField>, Vec<usize>)> {
        let all: Vec<&Column> = self.schema.columns().collect();
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for item in items {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(folded(alias))),
                SelectItem::Wildcard(options)
                    if *options == WildcardAdditionalOptions::default() =>
                {
                    for (at, column) in all.iter().enumerate() {
                        fields.push(PgField {
                            name: column.name.clone(),
                            kind: PgType::of_column(column),
                        });
                        columns.push(at);
                    }
                    continue;
                }
                _ => return None,
            };
            let at = self.column(expr)?;
            let name = alias.unwrap_or_else(|| all[at].name.clone());
            fields.push(PgField { name, kind: PgType::of_column(all[at]) });
            columns.push(at);
        }
        Some((fields, columns))
    }
}

/// The operands with which the columns of the key are compared.
struct Bound<'a> {
    key: Vec<Option<Operand>>,
    parameters: Vec<Option<u32>>,
    /// The types that the client states for the parameters.
    types: &'a [u32],
}

impl Bound<'_> {
    fn conditions(&mut self, expr: &Expr, table: &Table) -> Option<()> {
        match expr {
            Expr::Nested(inner) => self.conditions(inner, table),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conditions(left, table)?;
                self.conditions(right, table)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let (at, other) = match (table.column(left), table.column(right)) {
                    (Some(at), None) => (at, right),
                    (None, Some(at)) => (at, left),
                    _ => return None,
                };
                let column = table.schema.key.get(at)?;
                let operand = self.operand(other, column)?;
                // Two conditions on one column are left to the planner.
                self.key[at].replace(operand).is_none().then_some(())
            }
            _ => None,
        }
    }

    fn operand(&mut self, expr: &Expr, column: &Column) -> Option<Operand> {
        let (literal, sign) = match expr {
            Expr::Nested(inner) => return self.operand(inner, column),
            Expr::Value(literal) => (&literal.value, ""),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
                Expr::Value(literal) if matches!(literal.value, Literal::Number(..)) => {
                    (&literal.value, "-")
                }
                _ => return None,
            },
            _ => return None,
        };
        let (constant, of) = match literal {
            Literal::Placeholder(name) => return self.parameter(name, column),
            Literal::Number(digits, false) => {
                let digits = format!("{sign}{digits}");
                (Param::parse(oid::NUMERIC, 0, Some(digits.as_bytes())).ok()?, oid::NUMERIC)
            }
            Literal::SingleQuotedString(text) => (Param::Text(text.clone()), oid::TEXT),
            Literal::Boolean(value) => (Param::Bool(*value), oid::BOOL),
            _ => return None,
        };
        params::is_comparable(of, column).then_some(Operand::Constant(constant))
    }

    fn parameter(&mut self, name: &str, column: &Column) -> Option<Operand> {
        let number: usize = name.strip_prefix('$')?.parse().ok()?;
        let at = number.checked_sub(1).filter(|at| *at < 100)?;
        if self.parameters.len() <= at {
            self.parameters.resize(at + 1, None);
        }
        let stated = self.types.get(at).copied().filter(|of| !matches!(*of, 0 | oid::UNKNOWN));
        let of = self.parameters[at].or(stated).unwrap_or_else(|| PgType::of_column(column).oid);
        self.parameters[at] = Some(of);
        params::is_comparable(of, column).then_some(Operand::Parameter(at))
    }

    /// The operands of the first columns of the key, if no others are bound.
    fn finish(self) -> Option<(Vec<Operand>, Vec<u32>)> {
        let parameters: Option<Vec<u32>> = self.parameters.into_iter().collect();
        let parameters = parameters.filter(|found| found.len() >= self.types.len())?;
        let given = self.key.iter().take_while(|operand| operand.is_some()).count();
        if given == 0 || self.key[given..].iter().any(Option::is_some) {
            return None;
        }
        Some((self.key.into_iter().flatten().collect(), parameters))
    }
}
