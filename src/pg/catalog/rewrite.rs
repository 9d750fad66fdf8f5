//! Rewrites queries on the catalog so that the planner understands them.
//!
//! Names lose a schema that is not needed, operators and types of `PostgreSQL` become those of SQL,
//! names cast to `regclass` become their numbers, and a subquery on a table that is always empty
//! becomes its result.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TableAlias,
    TableFactor, Value as Literal, VisitMut, VisitorMut,
};

use super::super::procedures;
use super::ast::{
    boolean, call, cast_to, column, first_argument, last_argument, literal, name_of, null, number,
    text,
};
use super::objects::Objects;
use super::operands::{PROCEDURES, escaped, expanded, numbered, operator, own_number};
use super::{moved_subqueries, pg_catalog_rows, table_schemas};
use diptych_sql::folded;

/// The function that gives the name of a relation.
pub(super) const RELATION_NAME: &str = "diptych_relation_name";
/// The function that gives the name of a schema.
pub(super) const SCHEMA_NAME: &str = "diptych_schema_name";

/// The function that gives the name of a type.
pub(super) const TYPE_NAME: &str = "diptych_type_name";

/// The function that gives a number the type `oid`.
pub(super) const OBJECT_NUMBER: &str = "diptych_object_number";

/// The function that gives the name of a function.
pub(super) const PROCEDURE_NAME: &str = "diptych_procedure_name";

/// The function that converts a pattern with another escape to one with backslashes.
pub(super) const LIKE_PATTERN: &str = "diptych_like_pattern";

/// Words of which every query on the catalog has at least one.
const SIGNS: &[&str] = &[
    "pg_",
    "information_schema",
    "::reg",
    "regclass",
    "operator(",
    "::oid",
    "::name",
    "escape",
    "from current_",
];

/// Whether `sql` may be about the catalog.
pub(super) fn is_asked(sql: &str) -> bool {
    let small = sql.to_ascii_lowercase();
    SIGNS.iter().any(|sign| small.contains(sign))
}

/// Rewrites a query on the catalog.
pub(super) fn rewrite(statement: &mut Statement, objects: &Objects) {
    if matches!(statement, Statement::Query(_) | Statement::Explain { .. }) {
        let _ = statement.visit(&mut Rewriter { objects, depth: 0 });
    }
}

struct Rewriter<'a> {
    objects: &'a Objects,
    /// The number of queries around the part at hand.
    depth: usize,
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let parts: Vec<String> =
            name.0.iter().filter_map(|part| part.as_ident().map(folded)).collect();
        if args.is_some() && parts.first().is_some_and(|schema| schema == "pg_catalog") {
            name.0.drain(..name.0.len() - 1);
        }
        if let ([function], Some(_), None) = (parts.as_slice(), &args, &alias)
            && function.starts_with("current_")
        {
            // A function of one value, as a table of one row.
            let sql = format!("SELECT 1 FROM (SELECT {function}() AS {function}) AS {function}");
            if let Some(table) = super::ast::first_table(&sql) {
                *factor = table;
            }
            return ControlFlow::Continue(());
        }
        let known = match parts.as_slice() {
            [schema, table] if schema == "information_schema" => format!("{schema}.{table}"),
            [schema, table] if schema == "pg_catalog" => table.clone(),
            [table] if table.starts_with("pg_") && self.objects.named(table).is_none() => {
                table.clone()
            }
            _ => return ControlFlow::Continue(()),
        };
        if table_schemas::table(&known).is_some() {
            // A function that gives the rows of a table is that table.
            *args = None;
            *name = ObjectName(vec![
                ObjectNamePart::Identifier(Ident::new("pg_catalog")),
                ObjectNamePart::Identifier(Ident::with_quote('"', &known)),
            ]);
            let last = parts.last().cloned().unwrap_or_default();
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::with_quote('"', last),
                columns: Vec::new(),
                at: None,
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    /// A type that is shown is shown by its name; elsewhere it is compared, by its number. A number
    /// that is shown has the type of one.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        moved_subqueries::joined_before(select);
        moved_subqueries::listed_in_case(select);
        if self.depth > 1 {
            return ControlFlow::Continue(());
        }
        for item in &mut select.projection {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item
            else {
                continue;
            };
            let of = match &*expr {
                Expr::Cast { data_type, .. } => type_name(data_type),
                _ => None,
            };
            let shown = match of.as_deref() {
                Some("regtype") => TYPE_NAME,
                Some("oid") => OBJECT_NUMBER,
                _ => continue,
            };
            *expr = call(shown, vec![std::mem::replace(expr, null())]);
        }
        ControlFlow::Continue(())
    }

    /// Empties a select that has no rows, because its computed columns are never seen.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if select.from.iter().any(|from| self.is_always_empty(&from.relation))
            && !select.projection.iter().any(|item| is_aggregate(&item.to_string()))
        {
            for (at, item) in select.projection.iter_mut().enumerate() {
                let (expr, alias) = match item {
                    SelectItem::UnnamedExpr(expr) => {
                        (expr, Ident::with_quote('"', format!("nothing {at}")))
                    }
                    SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone()),
                    _ => continue,
                };
                let Some(of) = unseen_type(expr) else { continue };
                *item = SelectItem::ExprWithAlias { expr: cast_to(null(), of), alias };
            }
            select.selection = Some(boolean(false));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(other) = self.expression(expr) {
            *expr = other;
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    /// The replacement for `expr`; none when it stays.
    fn expression(&self, expr: &mut Expr) -> Option<Expr> {
        match expr {
            Expr::Collate { expr, .. } => Some(std::mem::replace(expr, null())),
            Expr::CompoundIdentifier(parts) => {
                match parts.last().map(folded)?.as_str() {
                    // It is used only to look up descriptions, and there are none.
                    "tableoid" => return Some(number("0")),
                    // Nothing in the catalog has been changed by a transaction.
                    "xmin" => return Some(number("1")),
                    _ => {}
                }
                let schema = parts.first().map(folded)?;
                let is_schema = matches!(schema.as_str(), "pg_catalog" | "information_schema");
                (is_schema && parts.len() > 2)
                    .then(|| Expr::CompoundIdentifier(parts[1..].to_vec()))
            }
            Expr::BinaryOp { left, op, right } => {
                numbered(left, right);
                numbered(right, left);
                if let BinaryOperator::PGCustomBinaryOperator(words) = op {
                    *op = operator(words.last()?)?;
                }
                None
            }
            Expr::Cast { data_type: DataType::Array(item), .. } => plain_elements(item),
            Expr::Cast { expr, data_type, .. } => {
                let name = type_name(data_type)?;
                let cast = self.cast(expr, &name);
                if cast.is_none() && name == "text" {
                    *data_type = DataType::Text;
                }
                cast
            }
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                escaped(pattern, escape_char);
                None
            }
            Expr::TypedString(typed) => {
                let word = literal(&Expr::Value(typed.value.clone()))?;
                self.number(&type_name(&typed.data_type)?, &word)
            }
            Expr::Function(function) => Self::function(function),
            Expr::CompoundFieldAccess { root, access_chain } => expanded(root, access_chain),
            Expr::Exists { subquery, negated } => {
                self.is_empty(subquery).then(|| boolean(*negated))
            }
            Expr::Subquery(query) if self.is_empty(query) => Some(null()),
            Expr::Subquery(query) => {
                one_row(query);
                None
            }
            Expr::InSubquery { subquery, negated, .. } if self.is_empty(subquery) => {
                Some(boolean(*negated))
            }
            _ => None,
        }
    }

    fn function(function: &mut Function) -> Option<Expr> {
        let name = name_of(function)?;
        if function.name.0.len() > 1 {
            let schema = function.name.0.first().and_then(|part| part.as_ident()).map(folded)?;
            if schema == "pg_catalog" || schema == "information_schema" {
                function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(&name))]);
            }
        }
        match name.as_str() {
            // Members of roles, expressions of indexes: none of them exist.
            "array" => matches!(function.args, FunctionArguments::Subquery(_)).then(|| {
                let item = Box::new(DataType::Text);
                let list = DataType::Array(ArrayElemTypeDef::SquareBracket(item, None));
                cast_to(null(), list)
            }),
            // The subscripts of a list that counts from 0, such as the keys of an index.
            "generate_subscripts" => {
                let list = first_argument(function)?;
                let last = Expr::BinaryOp {
                    left: Box::new(length_of(list)),
                    op: BinaryOperator::Minus,
                    right: Box::new(number("1")),
                };
                Some(call("unnest", vec![call("generate_series", vec![number("0"), last])]))
            }
            "age" => {
                // The age of one moment is that at the beginning of today, which stands before it.
                let argument = last_argument(function)?;
                let is_transaction = matches!(&argument, Expr::Value(value)
                    if matches!(value.value, Literal::Number(..)))
                    || column(&argument).is_some_and(|name| name.ends_with("xid"));
                is_transaction.then(|| cast_to(number("0"), DataType::Integer(None)))
            }
            "_pg_expandarray" => {
                // Each element with its number, one a row.
                let list = first_argument(function)?;
                let numbers = call("generate_series", vec![number("1"), length_of(list.clone())]);
                let element = call("unnest", vec![list]);
                let place = call("unnest", vec![numbers]);
                Some(call("named_struct", vec![text("x"), element, text("n"), place]))
            }
            _ => None,
        }
    }

    /// The replacement for `expr` cast to one of `PostgreSQL`'s own types.
    fn cast(&self, expr: &mut Box<Expr>, to: &str) -> Option<Expr> {
        if let Some(word) = literal(expr)
            && let Some(number) = self.number(to, &word)
        {
            return Some(number);
        }
        let inner = || (**expr).clone();
        Some(match to {
            "oid" | "xid" | "cid" => match inner() {
                // The number of the name of a number is the number itself.
                Expr::Function(function) if function.name.to_string() == RELATION_NAME => {
                    first_argument(&function)?
                }
                inner => cast_to(inner, DataType::BigInt(None)),
            },
            "regproc" | "regprocedure" => match column(expr) {
                Some(name) if PROCEDURES.contains(&name.as_str()) => inner(),
                _ => call(PROCEDURE_NAME, vec![inner()]),
            },
            "text" | "varchar" | "name"
                if column(expr).is_some_and(|name| PROCEDURES.contains(&name.as_str())) =>
            {
                call(PROCEDURE_NAME, vec![inner()])
            }
            "name" | "char" | "sql_identifier" | "character_data" | "yes_or_no" | "aclitem"
            | "cstring" => cast_to(inner(), DataType::Text),
            "cardinal_number" => cast_to(inner(), DataType::Integer(None)),
            "regclass" | "regtype" if is_parameter(expr) => {
                call(&format!("to_{to}"), vec![cast_to(inner(), DataType::Text)])
            }
            "regclass" => call(RELATION_NAME, vec![inner()]),
            "regnamespace" => call(SCHEMA_NAME, vec![inner()]),
            "regtype" => call("format_type", vec![inner(), null()]),
            "regrole" => call("pg_get_userbyid", vec![inner()]),
            "int2vector" | "oidvector" | "anyarray" => inner(),
            "text" => match inner() {
                inner @ Expr::Function(_) => cast_to(inner, DataType::Text),
                _ => return None,
            },
            _ => cast_to(inner(), plain(to)?),
        })
    }

    /// The number of the object called `word`.
    fn number(&self, of: &str, word: &str) -> Option<Expr> {
        let digits = word.parse::<i64>().ok();
        let found = match of {
            "regclass" => self.objects.named(word).map(|found| found.oid.into()),
            "regtype" => self.objects.type_named(word).map(|found| found.oid.into()),
            "regproc" | "regprocedure" => procedures::number(word).map(i64::from),
            "regnamespace" => {
                let schema = self.objects.schemas.iter().find(|known| known.name == word);
                schema.map(|found| found.oid.into())
            }
            "oid" => None,
            _ => return None,
        };
        // Queries name a table of `PostgreSQL` only to compare with it: 0 equals no number.
        let absent = (of == "regclass" && word.contains("pg_")).then(|| own_number(word));
        let number = digits.or(found).or(absent)?;
        Some(super::ast::number(&number.to_string()))
    }

    /// Whether the query reads a table that is always empty.
    fn is_empty(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = query.body.as_ref() else { return false };
        select.from.iter().any(|from| self.is_always_empty(&from.relation))
            && !select.projection.iter().any(|item| is_aggregate(&item.to_string()))
    }

    /// Whether this is a table of the catalog that never has a row.
    fn is_always_empty(&self, factor: &TableFactor) -> bool {
        let TableFactor::Table { name, .. } = factor else { return false };
        let Some(table) = name.0.last().and_then(|part| part.as_ident()) else { return false };
        name.0
            .first()
            .and_then(|part| part.as_ident())
            .is_some_and(|part| part.value == "pg_catalog")
            && table_schemas::table(&table.value).is_some()
            && pg_catalog_rows::is_empty(&table.value, self.objects)
    }
}

/// The type of a computed column of a select without rows; none for one that stays as it is.
fn unseen_type(expr: &Expr) -> Option<DataType> {
    Some(match expr {
        // A column that is only passed on keeps its type.
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => return None,
        Expr::Cast { data_type, .. } => data_type.clone(),
        Expr::Function(function) => match function.name.to_string().as_str() {
            // The lists whose elements clients ask for are of numbers of columns.
            "unnest" => DataType::SmallInt(None),
            // A query around this one takes the parts of the structure.
            "named_struct" => return None,
            _ => DataType::Text,
        },
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result);
            let mut results = results.chain(else_result.as_deref());
            let is_whole = |result: &Expr| {
                matches!(result, Expr::Value(value)
                    if matches!(&value.value, Literal::Null)
                        || matches!(&value.value, Literal::Number(digits, _)
                            if digits.bytes().all(|digit| digit.is_ascii_digit())))
            };
            if results.all(is_whole) { DataType::Integer(None) } else { DataType::Text }
        }
        _ => DataType::Text,
    })
}

fn is_parameter(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Literal::Placeholder(_)))
}

fn length_of(list: Expr) -> Expr {
    cast_to(call("cardinality", vec![list]), DataType::Integer(None))
}

/// Gives a list in a cast the planner's type for its elements; the cast stays.
fn plain_elements(list: &mut ArrayElemTypeDef) -> Option<Expr> {
    let ArrayElemTypeDef::SquareBracket(item, _) = list else { return None };
    match type_name(item)?.as_str() {
        "oid" | "xid" | "regproc" => **item = DataType::BigInt(None),
        "name" | "char" | "regtype" | "regclass" => **item = DataType::Text,
        _ => {}
    }
    None
}

/// Makes a subquery give at most one row, as the planner demands. The original gives one row
/// anyway, so the first of its rows is that row.
fn one_row(query: &mut Query) {
    if query.limit_clause.is_some() {
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if !select.from.is_empty() && !is_aggregate(&expr.to_string()) {
        *expr = call("first_value", vec![std::mem::replace(expr, null())]);
        query.order_by = None;
    }
}

/// Whether an expression computes one value of many rows. Aggregates in its own subqueries do not
/// count.
fn is_aggregate(written: &str) -> bool {
    let mut written = written.to_ascii_lowercase();
    while let Some(start) = written.find("(select ") {
        let mut depth = 0;
        let end = written[start..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let end = end.map_or(written.len(), |end| start + end + 1);
        written.replace_range(start..end, "");
    }
    ["count(", "max(", "min(", "sum(", "avg(", "string_agg(", "array_agg(", "bool_or(", "bool_and("]
        .iter()
        .any(|name| written.contains(name))
}

/// The last part of a type's name, in lower case.
fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, _) => name.0.last().and_then(|part| part.as_ident()).map(folded),
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::Text => Some("text".to_owned()),
        DataType::Varchar(None) => Some("varchar".to_owned()),
        DataType::Char(None) if data_type.to_string().contains('"') => Some("char".to_owned()),
        _ => None,
    }
}

fn plain(name: &str) -> Option<DataType> {
    Some(match name {
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "bool" => DataType::Boolean,
        "float8" => DataType::DoublePrecision,
        _ => return None,
    })
}
