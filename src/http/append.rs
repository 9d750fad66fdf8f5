//! `POST /v1/streams/…`: appends records to one stream. All records of a body get one epoch, or
//! none is appended.
//!
//! Exactly once: a client that names itself (`producer`) and numbers its requests from 0
//! (`sequence`) may repeat a request until it is answered; the records are appended once.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::append_request::{AppendOptions, ProducerCredential, records};
use super::json_answer::json_of;
use super::openapi::Routes;
use super::request_body::DecodedBody;
use super::request_parameters::segment;
use diptych_base::time::Epoch;
use diptych_log::Append;
use diptych_site::problem::{self, Problem};
use diptych_site::site::Site;
use diptych_sources::{Parsed, Spelling, parse};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(append))
}

/// The records are durable.
#[derive(Serialize, ToSchema)]
struct Appended {
    /// The epoch of the records.
    epoch: Epoch,
    /// The same with the branch of the log that it is of, `EPOCH~BRANCH`: for `at_least` and
    /// `as_of`, which refuse it when the log that answers has another history.
    at: String,
    /// How many records this request appended; 0 when it was a repeat.
    accepted: u64,
    /// An earlier request with this sequence had appended them.
    repeated: bool,
    /// With `wait=visible`: do readers see the epoch?
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    visible: Option<bool>,
    /// The dataflows whose readers do not see it yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    behind: Vec<String>,
    /// Members of the records that are no columns of the stream, and were not stored: the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    ignored: Vec<String>,
    /// Columns of the stream that no record gives: the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    absent: Vec<String>,
}

/// Appends events to a stream.
///
/// All records of the body get one epoch, or, when one is bad, none is appended. They are on disk
/// when the answer comes.
#[utoipa::path(post, path = "/v1/streams/{stream}", tag = "streams",
    params(
        ("stream" = String, Path, description = "A stream that a served dataflow reads"),
        ("producer" = Option<String>, Query, description = "Who appends, for exactly-once appends",
         min_length = 1, max_length = 4096),
        ("sequence" = Option<u64>, Query,
         description = "The number of this request of the producer, from 0, whatever its stream; a \
                        repeat keeps it"),
        ("wait" = Option<String>, Query, pattern = "^(durable|visible)$",
         description = "`visible`: until readers of every served dataflow see the events"),
        ("timeout" = Option<String>, Query, pattern = "^[0-9]+(ms|s|m)?$",
         description = "How long to wait to be visible; 10s by default, at most 60s"),
        ("unknown" = Option<String>, Query, pattern = "^(ignore|refuse)$",
         description = "Members that are no columns: told as `ignored`, or refused"),
        ("Content-Encoding" = Option<String>, Header, pattern = "^(gzip|zstd|identity)$",
         description = "How the body is compressed; 16 MiB at most when it is not any more, or \
         what `--max-body` allows"),
    ),
    request_body(description = "Records of the stream", content(
        (String = "application/x-ndjson", example = "{\"text\":\"to be\"}\n"),
        (String = "text/csv", example = "text\nto be\n"),
        (Object = "application/json"),
    )),
    responses(
        (status = 200, description = "Durable, and visible if that was waited for",
         body = Appended),
        (status = 202, description = "Durable, and not yet visible everywhere", body = Appended),
        (status = 400, description = "A parameter or a record is wrong: line and column are named; \
            or there is no record",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No served dataflow reads such a stream",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "A gap in the sequence; another request under a number that \
                        was used; or this process takes no appends",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 415, description = "The content type is none of the three, or the content \
            encoding none that is read: see Accept-Encoding",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "The credential has introduced too many producers; see \
            Retry-After",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The log takes nothing any more; or a dataflow that reads \
            this is farther behind than `--max-lag`: see Retry-After",
             body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn append(
    State(site): State<Arc<Site>>,
    uri: Uri,
    pass: ProducerCredential,
    headers: HeaderMap,
    body: Result<DecodedBody, Problem>,
) -> Result<Response, Problem> {
    let name = segment(&uri, 2)?;
    let stream = site.stream(&name)?;
    let writer = site.appender()?;
    let wanted = AppendOptions::of(&uri)?;
    let Some(spelling) = spelling(&headers) else { return Err(no_spelling(&headers, &SPELLINGS)) };
    let schema = Arc::clone(&stream.schema);
    let stream = stream.name.clone();
    let of = stream.clone();
    let on_unknown = wanted.on_unknown;
    let read = move |body: &Bytes| parse(body, spelling, &of, &schema, on_unknown);
    let Parsed { rows, unmatched } = records(body?, read).await?;
    let count = rows.num_rows();
    let done = wanted.append(&site, writer, pass, Append::rows(&stream, rows)).await?;
    let status = done.status();
    let accepted = done.accepted(count);
    let body = Appended {
        epoch: done.epoch,
        at: writer.branches().at(done.epoch).to_string(),
        accepted,
        repeated: done.repeated,
        visible: done.visible,
        behind: done.behind,
        ignored: unmatched.ignored,
        absent: unmatched.absent,
    };
    Ok((status, json_of(&body)).into_response())
}

/// Content types of the records of one stream.
const SPELLINGS: [&str; 3] = ["application/x-ndjson", "text/csv", "application/json"];

/// The format of the body's records, by its content type.
pub(super) fn spelling(headers: &HeaderMap) -> Option<Spelling> {
    match essence(headers).to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            Some(Spelling::Ndjson)
        }
        "text/csv" => Some(Spelling::Csv),
        "application/json" => Some(Spelling::Json),
        _ => None,
    }
}

/// The content type without its parameters.
pub(super) fn essence(headers: &HeaderMap) -> &str {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    given.unwrap_or("none").split(';').next().unwrap_or_default().trim()
}

/// The problem of a content type that is not among `known`.
pub(super) fn no_spelling(headers: &HeaderMap, known: &[&str]) -> Problem {
    let given = essence(headers);
    let known = known.join(" or ");
    let detail = format!("the content type is {given} (send {known})");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "input", detail)
}
