//! Intervals, signs, time zones and named operators as casts and functions.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, Expr, Interval, UnaryOperator, Value,
};

use super::{Written, call, literal_text, refused, taken, text};

pub(super) fn respelt(expr: &mut Expr) -> Written {
    match expr {
        Expr::Interval(interval) => {
            let written = spelt(interval)?;
            *expr = as_interval(written);
        }
        Expr::AtTimeZone { timestamp, time_zone } => {
            let args = vec![taken(time_zone), taken(timestamp)];
            *expr = call("timezone", args);
        }
        Expr::UnaryOp { op, expr: inner } => {
            let name = match op {
                UnaryOperator::Minus if !is_number(inner) => "pg_negative",
                UnaryOperator::Plus => "pg_positive",
                UnaryOperator::PGAbs => "abs",
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                UnaryOperator::BitwiseNot => "pg_bit_not",
                _ => return Ok(()),
            };
            *expr = call(name, vec![taken(inner)]);
        }
        Expr::BinaryOp { op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(names) = op
                && let Some(known) = names.last().and_then(|name| operator(name))
            {
                *op = known;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A number is negated by the parser, so that the least integer can be written.
fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

fn as_interval(written: String) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(text(written)),
        data_type: DataType::Interval { fields: None, precision: None },
        array: false,
        format: None,
    }
}

/// The text of an interval with its field behind it.
fn spelt(interval: &Interval) -> Result<String, crate::SqlError> {
    let unknown = || {
        let instead = "write interval '1 day' or make_interval(days => n)";
        refused("an interval that is calculated", instead)
    };
    let value = match &*interval.value {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.as_str(),
            _ => literal_text(&interval.value).ok_or_else(unknown)?,
        },
        _ => return Err(unknown()),
    };
    if interval.last_field.is_some() || interval.leading_precision.is_some() {
        let what = "an interval of several fields";
        return Err(refused(what, "write the units, such as interval '1 year 2 months'"));
    }
    let unit = match &interval.leading_field {
        None => return Ok(value.to_owned()),
        Some(DateTimeField::Year | DateTimeField::Years) => "year",
        Some(DateTimeField::Month | DateTimeField::Months) => "month",
        Some(DateTimeField::Day | DateTimeField::Days) => "day",
        Some(DateTimeField::Hour | DateTimeField::Hours) => "hour",
        Some(DateTimeField::Minute | DateTimeField::Minutes) => "minute",
        Some(DateTimeField::Second | DateTimeField::Seconds) => "second",
        Some(other) => {
            let what = format!("an interval of {other}");
            return Err(refused(&what, "write the unit inside, such as interval '1 week'"));
        }
    };
    match value.trim().parse::<f64>() {
        Ok(_) => Ok(format!("{} {unit}", value.trim())),
        Err(_) => Ok(value.to_owned()),
    }
}

/// The operator inside of `OPERATOR(pg_catalog.~)`.
fn operator(name: &str) -> Option<BinaryOperator> {
    Some(match name {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        _ => return None,
    })
}
