//! Names in `ORDER BY`: one that several columns of the answer have is refused.

use datafusion::sql::sqlparser::ast::{Expr, OrderByKind, Query, SelectItem};

use super::Written;
use crate::SqlError;
use crate::column_names::{first_select, folded, name_of};

/// Checks that each name in `ORDER BY` is that of one column of the answer, or of none.
pub(super) fn unambiguous(query: &Query) -> Written {
    let Some(select) = first_select(&query.body) else { return Ok(()) };
    let Some(OrderByKind::Expressions(keys)) = query.order_by.as_ref().map(|by| &by.kind) else {
        return Ok(());
    };
    for key in keys {
        let Expr::Identifier(name) = &key.expr else { continue };
        let name = folded(name);
        let mut named = select.projection.iter().filter_map(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                (name_of(item).as_ref() == Some(&name)).then_some(expr)
            }
            _ => None,
        });
        let first = named.next();
        if named.any(|other| Some(other) != first) {
            return Err(SqlError::new("42702", format!("ORDER BY \"{name}\" is ambiguous")));
        }
    }
    Ok(())
}
