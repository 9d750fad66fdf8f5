//! Functions under other names, and `make_interval` with named arguments.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, TimezoneInfo, Value,
};

use super::{Written, call, literal_text, refused, taken, text};

/// Names that the planner knows by others.
const NAMES: &[(&str, &str)] = &[
    ("every", "bool_and"),
    ("variance", "var_samp"),
    ("clock_timestamp", "now"),
    ("statement_timestamp", "now"),
    ("transaction_timestamp", "now"),
    ("char_length", "length"),
    ("character_length", "length"),
    ("array_upper", "array_length"),
    ("array_replace", "array_replace_all"),
];

/// The fields of `make_interval`, in order.
const FIELDS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

pub(super) fn renamed(expr: &mut Expr) -> Written {
    match expr {
        Expr::Substring {
            expr: inner, substring_from: Some(from), substring_for: None, ..
        } if literal_text(from).is_some() => {
            let args = vec![taken(inner), taken(from)];
            *expr = call("pg_regexp_part", args);
        }
        Expr::Identifier(name) if is(name, "localtimestamp") => *expr = local_timestamp(),
        Expr::Function(function) => {
            let Some(name) = function.name.0.last().and_then(|part| part.as_ident()) else {
                return Ok(());
            };
            if is(name, "localtimestamp") {
                *expr = local_timestamp();
            } else if is(name, "make_interval") {
                return in_order(function);
            } else if is(name, "age") {
                since_today(function);
            } else if let Some((_, known)) = NAMES.iter().find(|(other, _)| is(name, other)) {
                function.name = ObjectName::from(vec![Ident::new(*known)]);
            }
        }
        Expr::Value(value) => {
            if let Value::Number(number, _) = &value.value
                && is_beyond_decimals(number)
            {
                *expr = as_double(number.clone());
            }
        }
        _ => {}
    }
    Ok(())
}

fn is(name: &Ident, known: &str) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case(known)
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    let expr = Box::new(expr);
    Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None }
}

fn local_timestamp() -> Expr {
    cast(call("now", Vec::new()), DataType::Timestamp(None, TimezoneInfo::None))
}

/// `age(x)` as `age(current_date, x)`.
fn since_today(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if list.args.len() == 1 {
        let today = FunctionArgExpr::Expr(call("current_date", Vec::new()));
        list.args.insert(0, FunctionArg::Unnamed(today));
    }
}

/// Whether a number has so large an exponent that no decimal column holds it.
fn is_beyond_decimals(number: &str) -> bool {
    let exponent = number.split_once(['e', 'E']).and_then(|(_, exponent)| exponent.parse().ok());
    exponent.is_some_and(|exponent: i32| exponent.abs() > 30)
}

fn as_double(number: String) -> Expr {
    cast(text(number), DataType::DoublePrecision)
}

/// Puts named arguments into their order.
fn in_order(function: &mut Function) -> Written {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    let is_named = |arg: &FunctionArg| !matches!(arg, FunctionArg::Unnamed(_));
    if !list.args.iter().any(is_named) {
        return Ok(());
    }
    let zero = || Expr::Value(Value::Number("0".into(), false).into());
    let mut values: Vec<Expr> = FIELDS.iter().map(|_| zero()).collect();
    for (at, arg) in list.args.drain(..).enumerate() {
        let (place, value) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (Some(at), value),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                (FIELDS.iter().position(|field| is(&name, field)), value)
            }
            FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (FIELDS.iter().position(|field| is(&name, field)), value),
            other => return Err(refused(&format!("the argument {other}"), "give its value")),
        };
        let slot = place.and_then(|place| values.get_mut(place));
        *slot
            .ok_or_else(|| crate::SqlError::new("42883", "make_interval has no such argument"))? =
            value;
    }
    let plain = |value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value));
    list.args = values.into_iter().map(plain).collect();
    Ok(())
}
