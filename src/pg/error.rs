//! Errors of the protocol: severity, SQLSTATE, message, hint, position.

use bytes::{BufMut, BytesMut};

use diptych_base::error::Error;
use diptych_base::escaped_text::escaped;
use diptych_sql::SqlError;

/// How much of the session an error ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Fatal,
}

/// An error that is sent to the client.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    severity: Severity,
    sqlstate: &'static str,
    message: String,
    hint: Option<String>,
    /// The character of the statement that the error is about, counted from 1.
    position: Option<usize>,
}

impl Failure {
    /// An error that ends the statement.
    pub(super) fn new(sqlstate: &'static str, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure { severity: Severity::Error, sqlstate, message, hint: None, position: None }
    }

    /// An error that ends the connection.
    pub(super) fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Failure {
        Failure { severity: Severity::Fatal, ..Failure::new(sqlstate, message) }
    }

    /// The same error, with a hint on the remedy.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The same error about a statement that starts `characters` later.
    pub(super) fn behind(mut self, characters: usize) -> Failure {
        self.position = self.position.map(|position| position + characters);
        self
    }

    /// The same error, which now ends the connection.
    pub(super) fn fatally(self) -> Failure {
        Failure { severity: Severity::Fatal, ..self }
    }

    /// Whether the error ends the connection.
    pub(super) fn is_fatal(&self) -> bool {
        self.severity == Severity::Fatal
    }

    /// Appends the `ErrorResponse` message.
    pub(super) fn write(&self, out: &mut BytesMut) {
        let severity = match self.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        let position = self.position.map(|position| position.to_string());
        let fields = [
            (b'S', Some(severity)),
            (b'V', Some(severity)),
            (b'C', Some(self.sqlstate)),
            (b'M', Some(self.message.as_str())),
            (b'H', self.hint.as_deref()),
            (b'P', position.as_deref()),
        ];
        write_fields(b'E', &fields, out);
    }
}

/// Appends a warning as a `NoticeResponse` message.
pub(super) fn write_warning(sqlstate: &str, message: &str, out: &mut BytesMut) {
    let severity = Some("WARNING");
    let fields =
        [(b'S', severity), (b'V', severity), (b'C', Some(sqlstate)), (b'M', Some(message))];
    write_fields(b'N', &fields, out);
}

fn write_fields(tag: u8, fields: &[(u8, Option<&str>)], out: &mut BytesMut) {
    super::backend::message(tag, out, |out| {
        for (code, text) in fields {
            let Some(text) = text else { continue };
            out.put_u8(*code);
            super::backend::put_cstring(&escaped(text), out);
        }
        out.put_u8(0);
    });
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Failure {
        Failure { position: error.position, ..Failure::new(error.sqlstate, error.message) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::new(error.kind().sqlstate(), error.to_string())
    }
}
