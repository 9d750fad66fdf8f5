//! `FETCH FIRST n ROWS ONLY` as `LIMIT n`.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::ast::{LimitClause, Query, Value};

use super::{Written, refused};

pub(super) fn fetch_first(query: &mut Query) -> Written {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        let what = "FETCH FIRST with ties or percent";
        return Err(refused(what, "use rank() or a count, or write ONLY"));
    }
    let one = || Expr::Value(Value::Number("1".into(), false).into());
    let rows = Some(fetch.quantity.unwrap_or_else(one));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = rows,
        None => {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: rows, offset: None, limit_by: Vec::new() });
        }
        Some(_) => {
            return Err(crate::SqlError::new("42601", "there are both LIMIT and FETCH FIRST"));
        }
    }
    Ok(())
}
