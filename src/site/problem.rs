//! Errors as RFC 9457 problem details: what is wrong, where, and the remedy.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use diptych_base::error::Error;
use diptych_base::escaped_text::escaped;
use diptych_base::limits::RETRY_AFTER;

/// An error in the form in which a client gets it.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: Box<ProblemDocument>,
    accepts: Option<Box<(HeaderName, HeaderValue)>>,
}

/// The problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// The kind of problem: `about:blank#` and one of input, missing, conflict, damaged, newer,
    /// full, io, panic, stopped, busy, `timed_out`, cancelled, unauthorized, forbidden.
    r#type: String,
    /// What went wrong, in two words.
    title: String,
    /// The HTTP status again.
    status: u16,
    /// What went wrong, where, and what to do about it.
    detail: String,
    /// The SQLSTATE of a statement's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'static str>,
    /// The character of the statement the error is about, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
}

impl Problem {
    /// A problem that no [`Error`] describes.
    pub fn new(status: StatusCode, kind: &str, detail: String) -> Problem {
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        let r#type = format!("about:blank#{kind}");
        let status_code = status.as_u16();
        let sqlstate = None;
        let position = None;
        let detail = escaped(&detail).into_owned();
        let body =
            ProblemDocument { r#type, title, status: status_code, detail, sqlstate, position };
        Problem { status, body: Box::new(body), accepts: None }
    }

    /// The same problem, with a header that names what is accepted.
    #[must_use]
    pub fn accepting(mut self, header: HeaderName, what: &'static str) -> Problem {
        self.accepts = Some(Box::new((header, HeaderValue::from_static(what))));
        self
    }

    /// The same problem, for a SQL statement.
    #[must_use]
    pub fn sqlstate(mut self, sqlstate: &'static str, position: Option<usize>) -> Problem {
        (self.body.sqlstate, self.body.position) = (Some(sqlstate), position);
        self
    }
}

impl Problem {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The name of its kind.
    fn kind(&self) -> &str {
        self.body.r#type.rsplit('#').next().unwrap_or_default()
    }

    /// The problem document.
    pub fn body(&self) -> &ProblemDocument {
        &self.body
    }
}

impl Problem {
    /// The same status, without the reason, and with the place to ask for more.
    #[must_use]
    pub fn without_reason(self) -> Problem {
        let detail = "who may read is told why (send `Authorization: Bearer TOKEN`)";
        Problem::new(self.status(), self.kind(), detail.to_owned())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let kind = error.kind();
        let status = StatusCode::from_u16(kind.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem::new(status, kind.name(), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body).into_response();
        response.headers_mut().extend(self.accepts.map(|accepts| *accepts));
        // A request that is refused for want of room may be repeated.
        let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        if busy.contains(&self.status) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.as_secs().into());
        }
        response
    }
}

/// The answer to a request for a path that does not exist.
#[expect(clippy::unused_async, reason = "axum's handlers are")]
pub async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("nothing is at {} (the paths are in /openapi.json)", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "missing", detail)
}

/// The answer to a method that a path does not support.
#[expect(clippy::unused_async, reason = "axum's handlers are")]
pub async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} is not what {} answers (see /openapi.json)", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "input", detail)
}
