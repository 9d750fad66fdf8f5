//! `json_agg(x)` as the JSON text of a list.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};

use super::{Written, call, refused, taken};

pub(super) fn aggregates(expr: &mut Expr) -> Written {
    let Expr::Function(function) = &mut *expr else { return Ok(()) };
    let Some(name) = function.name.0.last().and_then(|part| part.as_ident()) else {
        return Ok(());
    };
    match name.value.to_ascii_lowercase().as_str() {
        "jsonb_agg" | "to_jsonb" | "jsonb_build_object" | "jsonb_build_array" => {
            let instead = "use the function of json, or cast the answer in the client";
            Err(refused(&format!("{}, whose text is written otherwise,", name.value), instead))
        }
        "json_agg" if function.over.is_none() => {
            function.name = ObjectName::from(vec![Ident::new("array_agg")]);
            *expr = call("pg_json_of_all", vec![taken(expr)]);
            Ok(())
        }
        _ => Ok(()),
    }
}
