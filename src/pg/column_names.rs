//! Names of columns that a query does not name, as `PostgreSQL` chooses them.
//!
//! `PostgreSQL` names a column after its function or type, and allows two columns of one name. The
//! planner names it after the whole expression and refuses two of one name: then the later ones get
//! other names for the planner, which no client sees.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, Statement, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// The names of the columns of `sql`, and the query for the planner when it needs other names; none
/// when the planner's names are the right ones.
pub(super) fn names(sql: &str) -> Option<(Option<Vec<String>>, Option<String>)> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    let [statement @ Statement::Query(_)] = statements.as_mut_slice() else { return None };
    let Statement::Query(query) = statement else { return None };
    let names = first_select(query).and_then(projected);
    let mut renamer = Renamer { count: 0 };
    let _ = query.visit(&mut renamer);
    Some((names, (renamer.count > 0).then(|| statement.to_string())))
}

/// The select that determines the names of the columns.
fn first_select(query: &Query) -> Option<&Select> {
    let mut body = query.body.as_ref();
    loop {
        body = match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => left.as_ref(),
            _ => return None,
        };
    }
}

fn projected(select: &Select) -> Option<Vec<String>> {
    let name = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => Some(of_expr(expr).unwrap_or_else(|| "?column?".into())),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        // The number of columns behind a star is not known here.
        _ => None,
    };
    select.projection.iter().map(name).collect()
}

fn of_expr(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => of_expr(inner),
        Expr::Cast { expr: inner, data_type, .. } => of_expr(inner).or_else(|| {
            let name = data_type.to_string().to_ascii_lowercase();
            Some(name.split('(').next()?.rsplit('.').next()?.trim().to_owned())
        }),
        Expr::Function(function) => {
            let name = function.name.0.last().and_then(|part| part.as_ident());
            name.map(folded)
        }
        Expr::Case { .. } => Some("case".into()),
        Expr::Exists { .. } => Some("exists".into()),
        Expr::Extract { .. } => Some("extract".into()),
        Expr::Substring { .. } => Some("substring".into()),
        Expr::Trim { .. } => Some("btrim".into()),
        Expr::Position { .. } => Some("position".into()),
        Expr::Ceil { .. } => Some("ceil".into()),
        Expr::Floor { .. } => Some("floor".into()),
        Expr::Array(_) => Some("array".into()),
        Expr::Subquery(query) => first_select(query).and_then(projected)?.pop(),
        _ => None,
    }
}

fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// Renames columns that are written alike.
struct Renamer {
    count: usize,
}

impl VisitorMut for Renamer {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut seen = HashSet::new();
        for item in &mut select.projection {
            let written = match item {
                SelectItem::UnnamedExpr(expr) => expr.to_string(),
                SelectItem::ExprWithAlias { alias, .. } => folded(alias),
                _ => continue,
            };
            if seen.insert(written) {
                continue;
            }
            self.count += 1;
            let alias = Ident::with_quote('"', format!("column {}", self.count));
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn columns_are_called_as_postgres_calls_them() {
        let called = |sql: &str| names(sql).and_then(|(names, _)| names).map(|n| n.join(" "));
        assert_eq!(
            called("select 1, count(*), a.B, x::int, '1'::date, (n)").as_deref(),
            Some("?column? count b x date n")
        );
        assert_eq!(called("select \"A\" as \"Q\" union select 2").as_deref(), Some("Q"));
        assert_eq!(
            called("select case when a then 1 end, (select max(x) from y)").as_deref(),
            Some("case max")
        );
        assert_eq!(called("select *, 1 from x"), None);
        assert_eq!(names("selec"), None);
    }

    #[test]
    fn only_what_is_alike_is_told_apart() {
        let asked = |sql: &str| names(sql).and_then(|(_, asked)| asked);
        assert_eq!(asked("select 1, 2, n from x"), None);
        let told = asked("select n, n, 1 from (select NULL, NULL) x").expect("alike");
        assert_eq!(told.matches("AS \"column").count(), 2, "{told}");
    }
}
