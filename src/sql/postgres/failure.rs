//! Errors of evaluation, with `PostgreSQL`'s SQLSTATEs and words.

use datafusion::error::DataFusionError;

use crate::SqlError;

pub(super) type Outcome<T> = Result<T, DataFusionError>;

/// An error with this SQLSTATE.
pub(super) fn failure(sqlstate: &'static str, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(SqlError::new(sqlstate, message)))
}

/// A value that its type does not hold.
pub(super) fn out_of_range(type_name: &str) -> DataFusionError {
    failure("22003", format!("{type_name} out of range"))
}

pub(super) fn division_by_zero() -> DataFusionError {
    failure("22012", "division by zero")
}

/// A text that is no value of the type.
pub(super) fn invalid_text(type_name: &str, text: &str) -> DataFusionError {
    let state = match type_name {
        "date" | "time" | "timestamp" | "timestamp with time zone" | "interval" => "22007",
        _ => "22P02",
    };
    failure(state, format!("invalid input syntax for type {type_name}: \"{text}\""))
}

/// A date or time beyond the calendar.
pub(super) fn beyond_calendar(what: &str) -> DataFusionError {
    failure("22008", format!("{what} out of range"))
}

/// What cannot be answered as `PostgreSQL` does; `instead` says what to write.
pub(super) fn refused(what: &str, instead: &str) -> DataFusionError {
    failure("0A000", format!("{what} is not done here ({instead})"))
}

/// An operator without a meaning for these types.
pub(super) fn no_operator(left: &str, op: &str, right: &str) -> DataFusionError {
    let message =
        format!("operator does not exist: {left} {op} {right} (write a cast, such as x::{right})");
    failure("42883", message)
}
