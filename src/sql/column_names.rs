//! Names of columns that a query does not name, as `PostgreSQL` chooses them.
//!
//! `PostgreSQL` names a column after its function or type, and allows two columns of one name. The
//! planner names it after the whole expression and refuses two of one name. So the later ones get
//! other names for the planner, which no client sees, and the names that a client sees are kept
//! beside the plan.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use arrow_schema::Schema;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem,
    SetExpr, Statement, TrimWhereField, Value, VisitMut, VisitorMut,
};

/// The greatest number of times that a query is planned, each time with more names of ours.
pub(super) const EFFORTS: u8 = 3;

/// The name of a column that has none.
pub(super) const NAMELESS: &str = "?column?";

/// What clients see of a query's columns.
#[derive(Debug, Default)]
pub(super) struct OuterNames {
    /// A name for each column that is written out; none for a star.
    by_place: Vec<Option<String>>,
    /// The names behind those that were made here.
    by_alias: HashMap<String, String>,
}

impl OuterNames {
    /// The names of the columns that the planner calls as `schema` says.
    pub(super) fn of(&self, schema: &Schema) -> Vec<String> {
        let fields = schema.fields();
        let behind = |at: usize| {
            let name = fields[at].name();
            let is_there = |name: &&str| fields[..at].iter().any(|field| field.name() == name);
            let name = unnumbered(name).filter(is_there).unwrap_or(name);
            self.by_alias.get(name).map_or(name, String::as_str).to_owned()
        };
        let written = &self.by_place;
        let star = written.iter().position(Option::is_none);
        let Some(more) = (fields.len() + 1).checked_sub(written.len()) else {
            return (0..fields.len()).map(behind).collect();
        };
        let name = |at: usize| {
            // The columns of a star stand between those before and those behind it.
            let place = match star {
                _ if self.stars() > 1 => None,
                Some(star) if at < star => Some(at),
                Some(star) if at < star + more => None,
                Some(_) => Some(at + 1 - more),
                None if more == 1 => Some(at),
                None => None,
            };
            let written = place.and_then(|place| written.get(place).cloned().flatten());
            written.unwrap_or_else(|| behind(at))
        };
        (0..fields.len()).map(name).collect()
    }

    fn stars(&self) -> usize {
        self.by_place.iter().filter(|name| name.is_none()).count()
    }
}

/// A name without the number that the planner appends to the second column of a name in a
/// subquery.
fn unnumbered(name: &str) -> Option<&str> {
    let (name, number) = name.rsplit_once(':')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

/// Tells apart the columns of `statement` that have one name. At effort 0 only names that are
/// written out are known; where the planner still finds two of one name, because a star has the
/// other, or because it leaves casts out of names, effort 1 renames computed columns and columns
/// beside a star, and effort 2 all that is beside a star.
pub(super) fn tell_apart(statement: &mut Statement, effort: u8) -> OuterNames {
    let Statement::Query(query) = statement else { return OuterNames::default() };
    let by_place = first_select(&query.body).map(projected).unwrap_or_default();
    let mut renamer = Renamer { effort, depth: 0, by_alias: HashMap::new() };
    let _ = query.visit(&mut renamer);
    OuterNames { by_place, by_alias: renamer.by_alias }
}

/// The select that determines the names of the columns.
pub(super) fn first_select(mut body: &SetExpr) -> Option<&Select> {
    loop {
        body = match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => left.as_ref(),
            _ => return None,
        };
    }
}

fn projected(select: &Select) -> Vec<Option<String>> {
    select.projection.iter().map(name_of).collect()
}

/// The name of a column; none for a star, whose number of columns is not known here.
pub(super) fn name_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(of_expr(expr).unwrap_or_else(|| NAMELESS.into())),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// The name of a column that is calculated so, if it has one.
pub(super) fn of_expr(expr: &Expr) -> Option<String> {
    figured(expr).map(|(name, _)| name)
}

/// A name for a column, and whether it is more than a makeshift: a cast, and a CASE around it, keep
/// it then.
fn figured(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(name) => strong(&folded(name)),
        Expr::CompoundIdentifier(parts) => strong(&folded(parts.last()?)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figured(inner),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(name))) => strong(&folded(name)),
            _ => figured(root),
        },
        Expr::Cast { expr: inner, data_type, .. } => {
            let weak = || Some((of_type(&data_type.to_string())?, false));
            figured(inner).filter(|(_, is_strong)| *is_strong).or_else(weak)
        }
        Expr::TypedString(typed) => Some((of_type(&typed.data_type.to_string())?, false)),
        Expr::Interval(_) => Some(("interval".into(), false)),
        Expr::Value(value) => {
            matches!(value.value, Value::Boolean(_)).then(|| ("bool".into(), false))
        }
        Expr::Function(function) => {
            strong(&folded(function.name.0.last().and_then(|part| part.as_ident())?))
        }
        Expr::Case { else_result, .. } => {
            let other = else_result.as_ref().and_then(|other| figured(other));
            other.filter(|(_, is_strong)| *is_strong).or_else(|| Some(("case".into(), false)))
        }
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => strong("overlaps"),
        Expr::Exists { .. } => strong("exists"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Substring { shorthand, .. } => {
            strong(if *shorthand { "substr" } else { "substring" })
        }
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Position { .. } => strong("position"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Subquery(query) => {
            strong(&first_select(&query.body).map(projected)?.pop().flatten()?)
        }
        _ => None,
    }
}

/// The name by which `PostgreSQL` stores a type.
fn of_type(written: &str) -> Option<String> {
    let small = written.to_ascii_lowercase();
    let name = small.split(['(', '[']).next()?.trim();
    let zoned = small.contains("with time zone") || name.ends_with("tz");
    let stored = match name {
        "int" | "integer" | "int4" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "boolean" => "bool",
        "decimal" | "dec" => "numeric",
        "character varying" => "varchar",
        "char" | "character" => "bpchar",
        _ if name.starts_with("timestamp") && zoned => "timestamptz",
        _ if name.starts_with("timestamp") => "timestamp",
        _ if name.starts_with("time") && zoned => "timetz",
        _ if name.starts_with("time") => "time",
        other => other.rsplit('.').next()?.trim_matches('"'),
    };
    Some(stored.to_owned())
}

/// A name as `PostgreSQL` folds it.
pub fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// Renames columns that have one name.
struct Renamer {
    effort: u8,
    /// The number of queries around the select at hand.
    depth: usize,
    by_alias: HashMap<String, String>,
}

impl VisitorMut for Renamer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        order_by_places(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let stars = select.projection.iter().filter(|item| name_of(item).is_none()).count();
        let has_star = stars > 0;
        let mut seen = HashSet::new();
        for item in &mut select.projection {
            let Some(name) = name_of(item) else { continue };
            let renames = match item {
                SelectItem::ExprWithAlias { .. } => has_star && self.effort > 1,
                SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                    has_star && self.effort > 0
                }
                _ => continue,
            };
            if !seen.insert(name.clone()) || renames {
                self.rename(item, &name);
            }
        }
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                continue;
            }
            let name = of_expr(expr).unwrap_or_else(|| NAMELESS.into());
            let is_new = seen.insert(name.clone());
            // Beside several stars only its name tells which column it is.
            let beside_stars = stars > 1 && self.depth == 1;
            // The planner may find two names alike that are not, as it leaves casts out.
            let is_doubted = self.effort > 0 && (self.depth == 1 || has_star);
            if !is_new || beside_stars || is_doubted {
                self.rename(item, &name);
            } else if self.depth > 1 || is_grouped_by(&select.group_by, &name) {
                // The query around this one asks for it by the name that PostgreSQL gives it.
                *item = aliased(expr, Ident::with_quote('"', name));
            }
        }
        ControlFlow::Continue(())
    }
}

impl Renamer {
    fn rename(&mut self, item: &mut SelectItem, name: &str) {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            return;
        };
        let alias = format!("{name} #{}", self.by_alias.len() + 1);
        *item = aliased(expr, Ident::with_quote('"', &alias));
        self.by_alias.insert(alias, name.to_owned());
    }
}

fn aliased(expr: &mut Expr, alias: Ident) -> SelectItem {
    let nothing = Expr::Value(Value::Null.with_empty_span());
    SelectItem::ExprWithAlias { expr: std::mem::replace(expr, nothing), alias }
}

fn is_grouped_by(group_by: &GroupByExpr, name: &str) -> bool {
    let GroupByExpr::Expressions(keys, _) = group_by else { return false };
    keys.iter().any(|key| matches!(key, Expr::Identifier(ident) if folded(ident) == name))
}

/// Writes ORDER BY of a column that is not named in the query as ORDER BY of its place, because a
/// name alone means a column of the answer.
fn order_by_places(query: &mut Query) {
    let Some(select) = first_select(&query.body) else { return };
    let unnamed = |item: &SelectItem| {
        matches!(item, SelectItem::UnnamedExpr(expr)
            if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
    };
    if !select.projection.iter().any(unnamed) {
        return;
    }
    let items: Vec<_> =
        select.projection.iter().map(|item| (name_of(item), unnamed(item))).collect();
    let Some(OrderByKind::Expressions(keys)) = query.order_by.as_mut().map(|by| &mut by.kind)
    else {
        return;
    };
    for key in keys {
        let Expr::Identifier(ident) = &key.expr else { continue };
        let name = folded(ident);
        let mut found = items
            .iter()
            .enumerate()
            .filter(|(_, (item, _))| item.as_deref().is_none_or(|item| item == name));
        // A star may have a column of that name, and shifts the places.
        if let (Some((at, (Some(_), true))), None) = (found.next(), found.next()) {
            let place = Value::Number((at + 1).to_string(), false);
            key.expr = Expr::Value(place.with_empty_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parsed(sql: &str) -> Statement {
        Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql).remove(0)
    }

    fn written(sql: &str, effort: u8) -> String {
        let mut statement = parsed(sql);
        tell_apart(&mut statement, effort);
        statement.to_string()
    }

    #[test]
    fn columns_are_called_as_postgres_calls_them() {
        let called = |sql: &str| {
            let names = tell_apart(&mut parsed(sql), 0);
            names.by_place.into_iter().collect::<Option<Vec<_>>>().map(|names| names.join(" "))
        };
        assert_eq!(
            called("select 1, count(*), a.B, x::int, '1'::date, (n), true").as_deref(),
            Some("?column? count b x date n bool")
        );
        assert_eq!(called("select \"A\" as \"Q\" union select 2").as_deref(), Some("Q"));
        assert_eq!(
            called("select case when a then 1 end, (select max(x) from y), 1::bigint").as_deref(),
            Some("case max int8")
        );
        assert_eq!(called("select *, 1 from x"), None);
    }

    #[test]
    fn only_what_is_alike_is_told_apart() {
        assert_eq!(written("select 1, f(n), n from x", 0), "SELECT 1, f(n), n FROM x");
        let told = written("select n, n, 1 from (select NULL, NULL) x", 0);
        assert_eq!(
            told,
            "SELECT n, n AS \"n #2\", 1 FROM (SELECT NULL AS \"?column?\", NULL AS \
             \"?column? #1\") x"
        );
        let told = written("select id::text, id from x", 0);
        assert_eq!(told, "SELECT id::TEXT AS \"id #1\", id FROM x");
    }

    #[test]
    fn a_column_beside_a_star_is_renamed_when_that_is_needed() {
        let sql = "select n.oid, n.*, 1 as one from n";
        assert_eq!(written(sql, 0), "SELECT n.oid, n.*, 1 AS one FROM n");
        assert_eq!(written(sql, 1), "SELECT n.oid AS \"oid #1\", n.*, 1 AS one FROM n");
        let told = "SELECT n.oid AS \"oid #1\", n.*, 1 AS \"one #2\" FROM n";
        assert_eq!(written(sql, 2), told);
    }

    #[test]
    fn columns_of_the_answer_are_ordered_by_their_place() {
        let sql = "select n::text, count(*) from t group by 1 order by count, n, m";
        let told = "SELECT n::TEXT, count(*) FROM t GROUP BY 1 ORDER BY 2, 1, m";
        assert_eq!(written(sql, 0), told);
    }
}
