//! Appending to a stream: all records of a body get one epoch, or none is appended.
//!
//! The answer comes after the sync. No thread waits for it: the thread that commits calls back,
//! and all requests that wait at once share one sync.
//!
//! Exactly once: a client that names itself (`producer`) and numbers its requests from 0
//! (`sequence`) may repeat a request until it is answered; the records are appended once.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::answer::json_of;
use super::query::{Query, segment, wrong};
use super::{Problem, Routes, problem};
use crate::error::{Error, Kind, Result};
use crate::limits::APPEND_INLINE_BYTES;
use crate::log::{Ack, Append};
use crate::servers::mode::blocking;
use crate::servers::site::Site;
use crate::sources::{Spelling, parse};
use crate::time::Epoch;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(append))
}

/// The records are durable.
#[derive(Serialize, ToSchema)]
struct Appended {
    /// The epoch of the records.
    epoch: Epoch,
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
         description = "The number of this request of the producer, from 0; a repeat keeps it"),
        ("wait" = Option<String>, Query, pattern = "^(durable|visible)$",
         description = "`visible`: until readers of every served dataflow see the events"),
        ("timeout" = Option<String>, Query, pattern = "^[0-9]+(ms|s|m)?$",
         description = "How long to wait to be visible; 10s by default, at most 60s"),
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
        (status = 400, description = "A parameter or a record is wrong: line and column are named",
         body = problem::Body, content_type = "application/problem+json"),
        (status = 404, description = "No served dataflow reads such a stream",
         body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "A gap in the sequence, or this process takes no appends",
         body = problem::Body, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = problem::Body,
         content_type = "application/problem+json"),
        (status = 415, description = "The content type is none of the three",
         body = problem::Body, content_type = "application/problem+json"),
        (status = 503, description = "The log takes nothing any more", body = problem::Body,
         content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = problem::Body,
         content_type = "application/problem+json"),
    ))]
async fn append(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let name = segment(&uri, 2)?;
    let stream = site.stream(&name)?;
    let writer = site.appender()?;
    let query = Query::of(&uri, &["producer", "sequence", "wait", "timeout"])?;
    let producer = producer(&query)?;
    let visible = match query.one("wait")? {
        None | Some("durable") => false,
        Some("visible") => true,
        Some(other) => return Err(wrong("wait", other, "durable or visible").into()),
    };
    let deadline = Instant::now() + query.timeout()?;
    let spelling = spelling(&headers)?;
    let body = body.map_err(unreadable)?;
    let large = body.len() > APPEND_INLINE_BYTES;
    let (schema, stream) = (Arc::clone(&stream.schema), stream.name.clone());
    let read = {
        let stream = stream.clone();
        move || parse(&body, spelling, &stream, &schema)
    };
    let rows = if large { blocking(read).await? } else { read()? };
    let count = rows.num_rows() as u64;
    let mut append = Append::rows(&stream, rows);
    if let Some((id, sequence)) = producer {
        append = append.by(id, sequence);
    }
    let (sender, answer) = oneshot::channel();
    // Whoever asked may be gone.
    let full = writer.offer(append, move |ack| drop(sender.send(ack)))?;
    let ack = match full {
        None => answer.await.unwrap_or_else(|_| Err(stopped()))?,
        Some(append) => {
            let writer = Arc::clone(writer);
            blocking(move || writer.append(append)?.wait()).await?
        }
    };
    let Ack { epoch, repeated } = ack;
    let behind = if visible { behind(&site, &stream, epoch, deadline).await } else { Vec::new() };
    let status = if behind.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let accepted = if repeated { 0 } else { count };
    let visible = visible.then_some(behind.is_empty());
    let body = Appended { epoch, accepted, repeated, visible, behind };
    Ok((status, json_of(&body)).into_response())
}

fn producer<'q>(query: &'q Query<'_>) -> Result<Option<(&'q str, u64)>> {
    let sequence = query.parsed::<u64>("sequence", "the number of a request, from 0")?;
    match (query.one("producer")?, sequence) {
        (None, None) => Ok(None),
        (Some(id), Some(sequence)) => Ok(Some((id, sequence))),
        (given, _) => {
            let missing = if given.is_some() { "sequence" } else { "producer" };
            let message = format!("parameter {missing} is missing");
            Err(Error::new(Kind::Input, message)
                .remedy("exactly-once appends need producer and sequence, others none of them"))
        }
    }
}

fn spelling(headers: &HeaderMap) -> Result<Spelling, Problem> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let essence = given.unwrap_or("none").split(';').next().unwrap_or_default();
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Spelling::Ndjson),
        "text/csv" => Ok(Spelling::Csv),
        "application/json" => Ok(Spelling::Json),
        other => {
            let detail = format!(
                "the content type is {other} (send application/x-ndjson, text/csv or \
                 application/json)"
            );
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "input", detail))
        }
    }
}

/// The body did not arrive, or is too large.
fn unreadable(rejection: BytesRejection) -> Problem {
    let status = rejection.status();
    let remedy = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "append it in smaller pieces",
        _ => "send the request again",
    };
    Problem::new(status, "input", format!("{} ({remedy})", rejection.body_text()))
}

fn stopped() -> Error {
    Error::new(Kind::Stopped, "the log's writer has stopped").remedy("restart the process")
}

/// Waits until readers see `epoch`; the dataflows that read `stream` where they still do not.
async fn behind(site: &Site, stream: &str, epoch: Epoch, deadline: Instant) -> Vec<String> {
    let mut behind = Vec::new();
    for flow in site.flows.iter().filter(|flow| flow.streams().iter().any(|name| name == stream)) {
        let mut frontier = flow.frontier.clone();
        let seen = frontier.wait_for(|upper| *upper > epoch);
        // One that has failed gets nowhere: that is said when the time is up.
        if !matches!(tokio::time::timeout_at(deadline, seen).await, Ok(Ok(_))) {
            behind.push(flow.name.clone());
        }
    }
    behind
}
