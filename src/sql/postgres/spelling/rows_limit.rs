//! `FETCH FIRST n ROWS ONLY` as `LIMIT n`, and numbers of rows in quotes as numbers.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::ast::{LimitClause, Query, Value};

use super::{Written, literal_text, refused};

/// `LIMIT '5'`, as clients write that put every parameter into quotes.
pub(super) fn unquoted(query: &mut Query) -> Written {
    let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause else {
        return Ok(());
    };
    for rows in limit.iter_mut().chain(offset.iter_mut().map(|offset| &mut offset.value)) {
        let Some(text) = literal_text(rows) else { continue };
        let Ok(number) = text.trim().parse::<i64>() else {
            let message = format!("invalid input syntax for type bigint: \"{text}\"");
            return Err(crate::SqlError::new("22P02", message));
        };
        *rows = Expr::Value(Value::Number(number.to_string(), false).into());
    }
    Ok(())
}

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
