//! `EXCEPT ALL` and `INTERSECT ALL`, by numbering equal rows: the engine compares without.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Value, VisitMut,
    VisitorMut,
};

use super::series::template;
use super::{Written, refused};
use crate::column_names::{first_select, folded};

/// The numbers that stand for the two sides in the template.
const LEFT: &str = "1001";
const RIGHT: &str = "1002";

pub(super) fn all(query: &mut Query) -> Written {
    body(&mut query.body)
}

fn body(set: &mut SetExpr) -> Written {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = set else { return Ok(()) };
    body(left)?;
    body(right)?;
    let is_all = matches!(set_quantifier, SetQuantifier::All);
    let word = match op {
        SetOperator::Except | SetOperator::Minus if is_all => "EXCEPT",
        SetOperator::Intersect if is_all => "INTERSECT",
        _ => return Ok(()),
    };
    let Some(names) = first_select(left).and_then(names) else {
        let what = format!("{word} ALL of SELECT *");
        return Err(refused(&what, "name the columns of the left side"));
    };
    let columns: Vec<String> = (1..=names.len()).map(|number| format!("c{number}")).collect();
    let columns = columns.join(", ");
    let side = |marker: &str| {
        format!(
            "SELECT {columns}, row_number() OVER (PARTITION BY {columns}) AS copy \
             FROM (SELECT {marker}) AS q({columns})"
        )
    };
    let called = names.iter().enumerate().map(|(at, name)| match name {
        Some(name) => format!("c{} AS \"{}\"", at + 1, name.replace('"', "\"\"")),
        None => format!("c{}", at + 1),
    });
    let called = called.collect::<Vec<_>>().join(", ");
    let one = side(LEFT);
    let other = side(RIGHT);
    let mut written = template(&format!("SELECT {called} FROM ({one} {word} {other}) AS r"))?;
    let mut sides = Sides { left: Some(left.clone()), right: Some(right.clone()) };
    let _ = written.visit(&mut sides);
    *set = *written.body;
    Ok(())
}

/// Puts the two sides where the template has their numbers.
struct Sides {
    left: Option<Box<SetExpr>>,
    right: Option<Box<SetExpr>>,
}

impl VisitorMut for Sides {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let side = match marker(&query.body) {
            Some(LEFT) => self.left.take(),
            Some(RIGHT) => self.right.take(),
            _ => None,
        };
        if let Some(side) = side {
            query.body = side;
        }
        ControlFlow::Continue(())
    }
}

fn marker(body: &SetExpr) -> Option<&str> {
    let SetExpr::Select(select) = body else { return None };
    let [SelectItem::UnnamedExpr(Expr::Value(value))] = &select.projection[..] else {
        return None;
    };
    match &value.value {
        Value::Number(number, _) => Some(number),
        _ => None,
    }
}

/// The names of the columns, where they have one; none where their number is not known.
fn names(select: &Select) -> Option<Vec<Option<String>>> {
    let name = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(Some(folded(name))),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => Some(parts.last().map(folded)),
        SelectItem::UnnamedExpr(_) => Some(None),
        SelectItem::ExprWithAlias { alias, .. } => Some(Some(folded(alias))),
        _ => None,
    };
    select.projection.iter().map(name).collect()
}
