//! `json_agg(x)` as the JSON text of a list.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};

use super::{call, taken};

pub(super) fn aggregates(expr: &mut Expr) {
    let Expr::Function(function) = &mut *expr else { return };
    let name = function.name.0.last().and_then(|part| part.as_ident());
    let is_json = name.is_some_and(|name| {
        ["json_agg", "jsonb_agg"].iter().any(|known| name.value.eq_ignore_ascii_case(known))
    });
    if !is_json || function.over.is_some() {
        return;
    }
    function.name = ObjectName::from(vec![Ident::new("array_agg")]);
    *expr = call("to_json", vec![taken(expr)]);
}
