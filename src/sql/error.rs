//! The error of a statement, with its SQLSTATE.

use std::fmt;

use axum::http::StatusCode;

use diptych_base::error::Kind;
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

/// The kind of error that a SQLSTATE stands for, by itself or else by its class.
fn kind(sqlstate: &str) -> Kind {
    match (sqlstate, sqlstate.get(..2).unwrap_or_default()) {
        // A dataflow has stopped, or has no complete epoch yet.
        ("55000", _) => Kind::Stopped,
        (_, class) => Kind::of_sqlstate(sqlstate).unwrap_or(match class {
            "53" => Kind::Busy,
            "57" => Kind::Stopped,
            "58" => Kind::Io,
            "XX" => Kind::Panic,
            _ => Kind::Input,
        }),
    }
}

/// The problem document of the error, over HTTP.
impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Problem {
        let kind = kind(error.sqlstate);
        let status = match error.sqlstate {
            // Who cancels a statement over HTTP reads no answer: its time was up.
            "57014" => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::BAD_REQUEST),
        };
        Problem::new(status, kind.name(), error.message).sqlstate(error.sqlstate, error.position)
    }
}
