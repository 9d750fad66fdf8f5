//! What goes wrong with a statement, with its SQLSTATE.

use std::fmt;

/// An error of a statement.
#[derive(Clone, Debug)]
pub(in crate::servers) struct SqlError {
    /// Five characters after the SQL standard and `PostgreSQL`'s additions.
    pub(in crate::servers) sqlstate: &'static str,
    /// What is wrong, and the remedy in parentheses.
    pub(in crate::servers) message: String,
    /// The character of the statement it is about, counted from 1.
    pub(in crate::servers) position: Option<usize>,
}

impl SqlError {
    /// An error about no particular place.
    pub(in crate::servers) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        SqlError { sqlstate, message: message.into(), position: None }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.sqlstate)
    }
}

impl std::error::Error for SqlError {}
