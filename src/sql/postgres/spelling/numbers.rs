//! `x::numeric`, which keeps the digits that x has, and `x::varchar(n)`, which cuts.

use datafusion::sql::sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo, Expr, Value};

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
        DataType::Varchar(Some(length)) | DataType::CharacterVarying(Some(length)) => {
            let CharacterLength::IntegerLength { length, .. } = length else { return };
            let digits = Value::Number(length.to_string(), false);
            *data_type = DataType::Text;
            let text = taken(expr);
            *expr = call("left", vec![text, Expr::Value(digits.into())]);
        }
        _ => {}
    }
}
