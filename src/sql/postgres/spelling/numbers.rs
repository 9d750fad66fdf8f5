//! `x::numeric`, which keeps the digits that x has.

use datafusion::sql::sqlparser::ast::{DataType, ExactNumberInfo, Expr, Value};

use super::{call, literal_text, taken};

pub(super) fn unconstrained(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    match data_type {
        DataType::Numeric(ExactNumberInfo::None)
        | DataType::Decimal(ExactNumberInfo::None)
        | DataType::Dec(ExactNumberInfo::None) => {
            if let Some(number) = literal_text(inner).map(str::trim)
                && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                && number.matches('.').count() == 1
                && number.len() > 1
            {
                *expr = Expr::Value(Value::Number(number.to_owned(), false).into());
                return;
            }
            *expr = call("pg_unconstrained", vec![taken(inner)]);
        }
        _ => {}
    }
}
