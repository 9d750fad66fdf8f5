//! The error of a statement, with its SQLSTATE.

use std::fmt;

use axum::http::StatusCode;

use diptych_site::problem::Problem;

/// An error of a statement.
#[derive(Clone, Debug)]
pub struct SqlError {
    /// Five characters after the SQL standard and `PostgreSQL`'s additions.
    pub sqlstate: &'static str,
    /// What is wrong, and the remedy in parentheses.
    pub message: String,
    /// The character of the statement that the error is about, counted from 1.
    pub position: Option<usize>,
}

impl SqlError {
    /// An error about no particular place.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        SqlError { sqlstate, message: message.into(), position: None }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.sqlstate)
    }
}

impl std::error::Error for SqlError {}

/// The problem document of the error, over HTTP.
impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Problem {
        let (status, kind) = match (error.sqlstate, &error.sqlstate[..2]) {
            ("0A000", _) if cfg!(not(feature = "sql")) => (StatusCode::NOT_FOUND, "missing"),
            ("57014", _) => (StatusCode::GATEWAY_TIMEOUT, "stopped"),
            (_, "53" | "57") => (StatusCode::SERVICE_UNAVAILABLE, "stopped"),
            ("XX001", _) => (StatusCode::INTERNAL_SERVER_ERROR, "damaged"),
            (_, "58") => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
            (_, "XX") => (StatusCode::INTERNAL_SERVER_ERROR, "panic"),
            _ => (StatusCode::BAD_REQUEST, "input"),
        };
        Problem::new(status, kind, error.message).sqlstate(error.sqlstate, error.position)
    }
}
