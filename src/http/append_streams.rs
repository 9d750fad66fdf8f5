//! `POST /v1/streams`: appends records to several streams. All records of a body get one epoch, or
//! none is appended.
//!
//! All records are parsed before any is appended, and one sequence number of a producer covers them
//! all.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::append::{no_spelling, spelling};
use super::append_request::{AppendOptions, ProducerCredential, records};
use super::json_answer::json_of;
use super::openapi::Routes;
use super::request_body::DecodedBody;
use diptych_base::time::Epoch;
use diptych_log::Append;
use diptych_site::problem::{self, Problem};
use diptych_site::site::Site;
use diptych_sources::{Spelling, parse_streams};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(append_streams))
}

/// The records of all streams are durable.
#[derive(Serialize, ToSchema)]
struct AppendedStreams {
    /// The epoch of the records.
    epoch: Epoch,
    /// The same with the branch of the log that it is of, `EPOCH~BRANCH`: for `at_least` and
    /// `as_of`, which refuse it when the log that answers has another history.
    at: String,
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
    /// Each stream that got records, by name.
    streams: Vec<AppendedTo>,
}

/// The records of one stream.
#[derive(Serialize, ToSchema)]
struct AppendedTo {
    /// Its name.
    stream: String,
    /// How many records this request appended; 0 when it was a repeat.
    accepted: u64,
    /// Members of the records that are no columns of the stream, and were not stored: the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    ignored: Vec<String>,
    /// Columns of the stream that no record gives: the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    absent: Vec<String>,
}

/// Appends events to several streams at once.
///
/// The body is an object whose members are named as streams and hold an event or a list of events;
/// as `application/x-ndjson` each line is such an object. All events get one epoch, so that no
/// reader sees some without the others; when one is bad, none is appended. They are on disk when
/// the answer comes.
#[utoipa::path(post, path = "/v1/append", tag = "streams",
    params(
        ("producer" = Option<String>, Query, description = "Who appends, for exactly-once appends",
         min_length = 1, max_length = 4096),
        ("sequence" = Option<u64>, Query,
         description = "The number of this request of the producer, from 0, whatever its streams; \
                        a repeat keeps it"),
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
    request_body(description = "Events by stream", content(
        (Object = "application/json", example = json!({"lines": [{"text": "to be"}]})),
        (String = "application/x-ndjson", example = "{\"lines\":{\"text\":\"to be\"}}\n"),
    )),
    responses(
        (status = 200, description = "Durable, and visible if that was waited for",
         body = AppendedStreams),
        (status = 202, description = "Durable, and not yet visible everywhere",
         body = AppendedStreams),
        (status = 400, description = "A parameter or a record is wrong: stream, line and column \
            are named; or there is no record",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No served dataflow reads one of the streams",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "A gap in the sequence; another request under a number that \
                        was used; or this process takes no appends",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 415, description = "The content type is none of the two, or the content \
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
async fn append_streams(
    State(site): State<Arc<Site>>,
    uri: Uri,
    pass: ProducerCredential,
    headers: HeaderMap,
    body: Result<DecodedBody, Problem>,
) -> Result<Response, Problem> {
    let writer = site.appender()?;
    let wanted = AppendOptions::of(&uri)?;
    let lines = match spelling(&headers) {
        Some(Spelling::Json) => false,
        Some(Spelling::Ndjson) => true,
        Some(Spelling::Csv) | None => {
            return Err(no_spelling(&headers, &["application/json", "application/x-ndjson"]));
        }
    };
    let known = Arc::clone(&site);
    let on_unknown = wanted.on_unknown;
    let find = move |name: &str| known.stream(name).map(|stream| Arc::clone(&stream.schema));
    let read = move |body: &Bytes| parse_streams(body, lines, on_unknown, find);
    let parsed = records(body?, read).await?;
    let mut append = Append::default();
    let mut told = Vec::new();
    for (stream, parsed) in parsed {
        told.push((stream.clone(), parsed.rows.num_rows(), parsed.unmatched));
        append.batches.push((stream.into(), parsed.rows));
    }
    let done = wanted.append(&site, writer, pass, append).await?;
    let streams = told.into_iter().map(|(stream, count, unmatched)| AppendedTo {
        stream,
        accepted: done.accepted(count),
        ignored: unmatched.ignored,
        absent: unmatched.absent,
    });
    let body = AppendedStreams {
        epoch: done.epoch,
        at: writer.branches().at(done.epoch).to_string(),
        repeated: done.repeated,
        visible: done.visible,
        streams: streams.collect(),
        behind: done.behind.clone(),
    };
    Ok((done.status(), json_of(&body)).into_response())
}
