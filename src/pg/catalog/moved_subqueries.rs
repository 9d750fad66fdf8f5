//! Subqueries where the planner takes none: in the condition of a join, and in a CASE.
//!
//! `a LEFT JOIN b ON b.x = (SELECT c.x FROM c WHERE c.y = a.y)` becomes
//! `a LEFT JOIN c ON c.y = a.y LEFT JOIN b ON b.x = c.x`. The subqueries of tools look a table of
//! the catalog up by its name, so there is at most one such row, which is NOT checked; so
//! subqueries on other tables stay, and are refused. `CASE WHEN a IN (SELECT …)` asks for `a` in
//! the list of those rows, where an unknown answer chooses as a false one does.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Join, JoinConstraint, JoinOperator, Query, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use super::ast::{call, null};
use diptych_sql::folded;

/// Joins the tables of subqueries before the joins whose conditions have them.
pub(super) fn joined_before(select: &mut Select) {
    // All columns would be more of them.
    if select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_))) {
        return;
    }
    for from in &mut select.from {
        let mut joins = Vec::with_capacity(from.joins.len());
        for mut join in std::mem::take(&mut from.joins) {
            if let JoinOperator::Left(JoinConstraint::On(on))
            | JoinOperator::LeftOuter(JoinConstraint::On(on)) = &mut join.join_operator
                && let Some((tables, condition)) = subquery_of(on)
            {
                let tables = Box::new(tables);
                joins.push(Join {
                    relation: TableFactor::NestedJoin { table_with_joins: tables, alias: None },
                    global: false,
                    join_operator: JoinOperator::LeftOuter(JoinConstraint::On(condition)),
                });
            }
            joins.push(join);
        }
        from.joins = joins;
    }
}

/// Looks for what is among the rows of a subquery in the list of them, in a CASE that is a column.
pub(super) fn listed_in_case(select: &mut Select) {
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let Expr::Case { operand: None, conditions, .. } = expr else { continue };
        for when in conditions {
            if let Expr::InSubquery { expr: member, subquery, negated: false } = &when.condition
                && let Some(list) = list_of(subquery)
            {
                when.condition = call("array_has", vec![list, (**member).clone()]);
            }
        }
    }
}

/// A query that gives the one column of another as a list.
fn list_of(query: &Query) -> Option<Expr> {
    let mut query = Box::new(query.clone());
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let [SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. }] =
        &mut select.projection[..]
    else {
        return None;
    };
    *column = call("array_agg", vec![std::mem::replace(column, null())]);
    let is_plain = !is_grouped(select) && select.distinct.is_none();
    (is_plain && query.limit_clause.is_none()).then_some(Expr::Subquery(query))
}

fn is_grouped(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        GroupByExpr::All(_) => true,
    }
}

/// The tables and the condition of the first subquery in a condition, which its column replaces.
fn subquery_of(on: &mut Expr) -> Option<(TableWithJoins, Expr)> {
    match on {
        Expr::Nested(inner) => subquery_of(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            subquery_of(left).or_else(|| subquery_of(right))
        }
        Expr::BinaryOp { op: BinaryOperator::Eq, right, .. } => {
            let Expr::Subquery(query) = &**right else { return None };
            let (column, tables, condition) = row_of(query)?;
            **right = column;
            Some((tables, condition))
        }
        _ => None,
    }
}

/// Is this a table of `PostgreSQL`'s own?
fn is_of_catalog(table: &TableFactor) -> bool {
    let TableFactor::Table { name, .. } = table else { return false };
    let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident().map(folded)).collect();
    match &parts[..] {
        [table] => table.starts_with("pg_"),
        [schema, _] => schema == "pg_catalog",
        _ => false,
    }
}

/// The column, tables and condition of a query on the catalog that has nothing else.
fn row_of(query: &Query) -> Option<(Expr, TableWithJoins, Expr)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    if is_grouped(select) || query.limit_clause.is_some() || query.with.is_some() {
        return None;
    }
    match (&select.projection[..], &select.from[..], &select.selection) {
        ([SelectItem::UnnamedExpr(column)], [tables], Some(condition))
            if matches!(column, Expr::CompoundIdentifier(_))
                && is_of_catalog(&tables.relation)
                && tables.joins.iter().all(|join| is_of_catalog(&join.relation)) =>
        {
            Some((column.clone(), tables.clone(), condition.clone()))
        }
        _ => None,
    }
}
