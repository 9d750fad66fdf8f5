//! `POST /v1/sql`: runs one statement and sends its rows, in several formats.
//!
//! Rows are sent as they come, so an answer of any size takes little memory; a client that reads
//! slowly holds its statement, up to the statement's time. The answer waits for the first rows, so
//! that most errors still have a status of their own; a later error ends the answer: JSON and
//! NDJSON have an `error` member then, CSV and Arrow break off.

mod body;
mod cells;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::body::AnswerFormat;
use super::openapi::Routes;
use super::request_body::DecodedBody;
use super::request_parameters::NoQuery;
use diptych_base::time::At;
use diptych_site::problem::Problem;
use diptych_site::site::Site;
use diptych_sql::{Engine, ReadAt, ScalarValue, SqlError};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(sql))
}

/// A statement, and how to answer it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SqlRequest {
    /// One statement: a query, EXPLAIN or SHOW.
    #[schema(example = "SELECT 1")]
    sql: String,
    /// Values for `$1`, `$2`, …
    #[serde(default)]
    params: Vec<serde_json::Value>,
    /// The epoch to read at: a number, the `at` of an answer, an instant such as
    /// `2026-01-31T12:00:00Z`, or `verified`.
    as_of: Option<serde_json::Value>,
    /// Read the last complete epoch once it is at least this one: a number, or the `at` of an
    /// answer.
    at_least: Option<serde_json::Value>,
    /// `ok`: while the process catches up with the log after a start, answer at the latest epoch
    /// there is.
    stale: Option<String>,
    /// `json`, `ndjson`, `csv` or `arrow`; otherwise the Accept header decides.
    format: Option<AnswerFormat>,
}

/// A column of an answer.
#[derive(Debug, Serialize, ToSchema)]
struct SqlColumn {
    /// Its name.
    name: String,
    /// Its Arrow type.
    r#type: String,
}

/// The epoch of a dataflow that an answer is about.
#[derive(Debug, Serialize, ToSchema)]
struct SqlEpoch {
    /// The dataflow; `streams` for raw streams.
    dataflow: String,
    /// Its version.
    version: String,
    /// The last epoch in the answer; absent when none is complete yet.
    epoch: Option<u64>,
    /// The same with the branch of the log that it is of, `EPOCH~BRANCH`, for `as_of` and
    /// `at_least`.
    at: Option<String>,
}

/// Columns, rows, and the epochs they are about.
#[derive(Debug, Serialize, ToSchema)]
struct SqlAnswer {
    /// The columns.
    columns: Vec<SqlColumn>,
    /// The epochs of the dataflows that the statement reads.
    epochs: Vec<SqlEpoch>,
    /// The rows, each a list of values in the order of the columns.
    rows: Vec<Vec<serde_json::Value>>,
    /// Warnings.
    notices: Vec<String>,
}

/// The rows as a stream in Arrow's IPC format.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it is a type of the description only")]
struct ArrowStream(Vec<u8>);

/// Answers one SQL statement, read only.
///
/// The body is JSON, or the statement as plain text. At most 10 million rows and two minutes; a
/// statement that would write is refused with SQLSTATE 25006.
#[utoipa::path(post, path = "/v1/sql", tag = "sql",
    request_body(content((SqlRequest = "application/json"), (String = "text/plain"))),
    responses(
        (status = 200, description = "The rows", content(
            (SqlAnswer = "application/json"), (String = "application/x-ndjson"),
            (String = "text/csv"), (ArrowStream = "application/vnd.apache.arrow.stream"))),
        (status = 400, description = "The statement is wrong",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "This binary has no SQL",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 409, description = "Another history of the log is meant",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "The content encoding is none that is read: see \
            Accept-Encoding",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Too much is running",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 504, description = "It took too long",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json")))]
async fn sql(
    State(site): State<Arc<Site>>,
    _: NoQuery,
    headers: HeaderMap,
    body: DecodedBody,
) -> Result<Response, Problem> {
    let request = read(&body.bytes)?;
    drop(body);
    let format = request.format.unwrap_or_else(|| AnswerFormat::accepted(&headers));
    let session = Engine::new(site).session();
    let settings = [("diptych.as_of", &request.as_of), ("diptych.at_least", &request.at_least)];
    for (name, value) in settings {
        if let Some(value) = value {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            session.set(name, &text)?;
        }
    }
    if let Some(stale) = &request.stale {
        session.set("diptych.stale", stale)?;
    }
    let prepared = session.prepare(&request.sql).await?;
    if prepared.schema.is_none() {
        let message = "a request is a session of its own, so this would change nothing (give \
                       as_of or at_least beside sql)";
        return Err(SqlError::new("0A000", message).into());
    }
    let parameters = request.params.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
    let mut answer = prepared.execute(parameters).await?;
    // The first rows, or the error that came instead.
    let first = answer.rows.next().await.transpose()?;
    let rows = futures::stream::iter(first.map(Ok)).chain(answer.rows);
    let epochs: Vec<SqlEpoch> = answer.epochs.into_iter().map(SqlEpoch::from).collect();
    let told = serde_json::to_string(&epochs).unwrap_or_default();
    let body = body::body(format, answer.schema, rows.boxed(), &epochs, answer.notices)?;
    let mut response = ([(header::CONTENT_TYPE, format.content_type())], body).into_response();
    if let Ok(value) = HeaderValue::from_str(&told) {
        response.headers_mut().insert("diptych-epochs", value);
    }
    Ok(response)
}

/// Parses JSON when it looks like JSON; otherwise it is the statement: SQL never starts with a
/// brace.
fn read(body: &Bytes) -> Result<SqlRequest, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::from(SqlError::new("22021", "the body is not UTF-8")))?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            let detail = format!(
                "the body is no request: {error} (send {{\"sql\": \"SELECT …\"}}, or the statement \
                 as plain text)"
            );
            Problem::new(StatusCode::BAD_REQUEST, "input", detail)
        });
    }
    Ok(SqlRequest { sql: text.to_owned(), ..SqlRequest::default() })
}

fn parameter(value: &serde_json::Value) -> Result<ScalarValue, Problem> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(b) => ScalarValue::Boolean(Some(*b)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => ScalarValue::Int64(Some(n)),
            (None, Some(n)) => ScalarValue::UInt64(Some(n)),
            (None, None) => ScalarValue::Float64(number.as_f64()),
        },
        Value::Array(_) | Value::Object(_) => {
            let message =
                format!("{value} is no parameter (give numbers, texts, true, false, null)");
            return Err(SqlError::new("22P02", message).into());
        }
    })
}

impl From<ReadAt> for SqlEpoch {
    fn from(at: ReadAt) -> SqlEpoch {
        let ReadAt { dataflow, version, epoch, branch } = at;
        let at = epoch.map(|epoch| At { epoch, branch }.to_string());
        SqlEpoch { dataflow, version, epoch, at }
    }
}

/// A response body from a stream of bytes.
fn streamed(chunks: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Body {
    Body::from_stream(chunks)
}
