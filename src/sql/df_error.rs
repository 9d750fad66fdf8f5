//! Maps `DataFusion`'s errors to SQLSTATEs.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use super::SqlError;
use diptych_base::error::{Error, Kind};

/// Maps an error of the statement `sql`.
pub(super) fn of(sql: &str, error: &DataFusionError) -> SqlError {
    use DataFusionError as E;
    match error {
        E::SQL(parser, _) => syntax(sql, &parser.to_string()),
        E::Context(_, inner) | E::Diagnostic(_, inner) => of(sql, inner),
        E::Shared(inner) => of(sql, inner),
        E::Collection(errors) if !errors.is_empty() => of(sql, &errors[0]),
        E::SchemaError(schema, _) => {
            let state = match **schema {
                SchemaError::FieldNotFound { .. } => "42703",
                SchemaError::AmbiguousReference { .. } => "42702",
                _ => "42701",
            };
            SqlError::new(state, message_of(schema))
        }
        E::ArrowError(arrow, _) => of_arrow(sql, arrow),
        E::External(inner) => match inner.downcast_ref::<SqlError>() {
            Some(error) => error.clone(),
            None => match inner.downcast_ref::<Error>() {
                Some(error) => of_own(error),
                None => SqlError::new("XX000", inner.to_string()),
            },
        },
        E::NotImplemented(message) => SqlError::new("0A000", message),
        E::ResourcesExhausted(message) => {
            let what = "the statement needs more memory than SQL may use here";
            SqlError::new("53200", format!("{what}: {}", first_line(message)))
        }
        E::Configuration(message) => SqlError::new("22023", message),
        E::Plan(message) => SqlError::new(state_of_plan(message), first_line(message)),
        E::Execution(message) => SqlError::new(state_of_execution(message), first_line(message)),
        E::IoError(error) => SqlError::new("58030", error.to_string()),
        other => SqlError::new("XX000", first_line(&other.to_string())),
    }
}

fn message_of(error: &SchemaError) -> String {
    let SchemaError::FieldNotFound { field, valid_fields } = error else {
        return error.to_string();
    };
    let known: Vec<_> = valid_fields.iter().map(Column::quoted_flat_name).collect();
    format!("column {} is not known (the columns are {})", field.flat_name(), known.join(", "))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

fn state_of_plan(message: &str) -> &'static str {
    let message = message.to_lowercase();
    let has = |part: &str| message.contains(part);
    if has("table") && has("not found") {
        "42P01"
    } else if has("invalid function")
        || has("no function matches")
        || has("user-defined coercion")
        || has("cannot infer common argument type")
    {
        "42883"
    } else if has("order by column out of bounds") {
        "42P10"
    } else if has("group by") || has("aggregate") {
        "42803"
    } else if has("failed to resolve schema") {
        "3F000"
    } else if has("placeholder") || has("parameter") {
        "42P18"
    } else if has("coerc") || has("type") || has("cast") || has("cannot infer") {
        "42804"
    } else {
        "42000"
    }
}

fn state_of_execution(message: &str) -> &'static str {
    let message = message.to_lowercase();
    let has = |part: &str| message.contains(part);
    if has("divi") && has("zero") {
        "22012"
    } else if has("overflow") {
        "22003"
    } else if has("more than one row") || has("scalar subquery") {
        "21000"
    } else if has("parse") || has("pars") {
        "22007"
    } else {
        "22000"
    }
}

fn of_arrow(sql: &str, error: &ArrowError) -> SqlError {
    let state = match error {
        ArrowError::DivideByZero => "22012",
        ArrowError::ArithmeticOverflow(_) => "22003",
        ArrowError::CastError(_) => "22P02",
        ArrowError::ParseError(_) => "22007",
        ArrowError::InvalidArgumentError(_) => "22023",
        ArrowError::ComputeError(message) if message.contains("overflow") => "22003",
        ArrowError::OffsetOverflowError(_) => "54000",
        ArrowError::ExternalError(inner) => {
            if let Some(error) = inner.downcast_ref::<DataFusionError>() {
                return of(sql, error);
            }
            "XX000"
        }
        _ => "XX000",
    };
    let message = match error {
        ArrowError::DivideByZero => "division by zero".to_owned(),
        other => first_line(&other.to_string()),
    };
    SqlError::new(state, message)
}

/// Maps one of this project's own errors.
pub(super) fn of_own(error: &Error) -> SqlError {
    // A statement that names what does not exist is wrong input; the SQLSTATE of `Missing` is for
    // the snapshot of a session.
    let state = match error.kind() {
        Kind::Missing => Kind::Input.sqlstate(),
        kind => kind.sqlstate(),
    };
    SqlError::new(state, error.to_string())
}

/// A syntax error, with the position that the parser names in its text.
pub(super) fn syntax(sql: &str, message: &str) -> SqlError {
    let mut error = SqlError::new("42601", first_line(message));
    error.position = position(sql, message);
    error
}

/// Finds `… at Line: 2, Column: 7` and gives it as a character of the whole text, counted from 1.
fn position(sql: &str, message: &str) -> Option<usize> {
    let (_, place) = message.rsplit_once("Line: ")?;
    let (line, place) = place.split_once(", Column: ")?;
    let digits: String = place.chars().take_while(char::is_ascii_digit).collect();
    let line: usize = line.trim().parse().ok()?;
    let column: usize = digits.parse().ok()?;
    let before = sql.split_inclusive('\n').take(line.checked_sub(1)?);
    Some(before.map(|line| line.chars().count()).sum::<usize>() + column)
}

/// Wraps an error of this project for `DataFusion`.
pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_positions() {
        let message = "Expected: an expression, found: FROM at Line: 2, Column: 3";
        let error = syntax("SELECT ä,\n  FROM t", message);
        assert_eq!(error.position, Some(13));
        assert_eq!(error.sqlstate, "42601");
    }
}
