//! All views of a dataflow at one epoch: a page of each, or all rows as a stream of lines.
//!
//! The stream is read page by page as the client takes it, so it costs one page of memory however
//! large the views are. The lease of its snapshot is renewed with each page; a client that takes no
//! page for the length of a lease gets an error as its last line.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::cursor::ReadPlace;
use super::json_answer::{About, json, made, write_row};
use super::openapi::Routes;
use super::request_parameters::{Query, segment, wrong};
use diptych_base::error::Result;
use diptych_base::limits::{PAGE_BYTES, READ_ROWS, READ_ROWS_MAX, SCAN_CHUNK_ROWS};
use diptych_row::{ByteRange, write_text};
use diptych_serving::{Cursor, Snapshot};
use diptych_site::problem::Problem;
use diptych_site::site::Site;
use diptych_site::{budget, problem};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(snapshot))
}

/// Views of a dataflow, all at one epoch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "answers are written by hand; this describes them")]
struct Views {
    /// The dataflow.
    dataflow: String,
    /// Its version.
    version: String,
    /// The epoch of all rows; null when no epoch is complete yet.
    #[schema(required)]
    epoch: Option<u64>,
    /// The same with the branch of the log that it is of, `EPOCH~BRANCH`: for `at_least` and
    /// `as_of`, which refuse it when the log that answers has another history. Left out without an
    /// epoch.
    #[schema(nullable = false)]
    at: Option<String>,
    /// Where the batch layer's part ends.
    boundary: u64,
    /// True, and otherwise left out, when the dataflow is still catching up with what was in the
    /// log when the process was started: the answer is right at its epoch, and others are to come.
    stale: Option<bool>,
    /// Left out unless `as_of` is a time near which the clock of the log jumped: the first epoch,
    /// before the one of the answer, whose clock is later than that time.
    clock_jumped: Option<u64>,
    /// By the name of the view.
    views: std::collections::BTreeMap<String, ViewRows>,
}

/// The first rows of a view.
#[derive(ToSchema)]
#[expect(dead_code, reason = "answers are written by hand; this describes them")]
struct ViewRows {
    /// As in an answer about one view.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<()>,
    /// Give it to the view's own address to read on at the same epoch; null at the end.
    #[schema(required)]
    cursor: Option<String>,
}

const KNOWN: &[&str] =
    &["views", "limit", "format", "at_least", "timeout", "as_of", "mode", "stale"];

/// Reads all views of a dataflow at one epoch.
///
/// As lines (`format=ndjson`, or asked for by the Accept header) it is all rows, however many: the
/// first line says what the answer is about, then comes a line `{"view", "row"}` per row, and at
/// last `{"end": true, "rows"}`. An answer without that line was cut off.
#[utoipa::path(get, path = "/v1/dataflows/{dataflow}/snapshot", tag = "views",
    params(
        ("dataflow" = String, Path, description = "A served dataflow"),
        ("views" = Option<String>, Query, description = "Only these, between commas"),
        ("limit" = Option<u64>, Query, description = "Rows of each view at most; lines have none \
         unless it is given", minimum = 1, maximum = 10000),
        ("format" = Option<String>, Query, pattern = "^(json|ndjson)$", description = "How"),
        ("at_least" = Option<String>, Query, pattern = "^[0-9]+(~[0-9a-f]{16})?$",
         description = "Wait until this epoch is complete; its number, or the `at` of an answer"),
        ("timeout" = Option<String>, Query, pattern = "^[0-9]+(ms|s|m)?$",
         description = "How long to wait at most; 10s by default, at most 60s"),
        ("as_of" = Option<String>, Query,
         description = "Exactly this epoch (its number, or the `at` of an answer), or the last one \
                        whose clock is at or before this time (RFC 3339)"),
        ("mode" = Option<String>, Query, pattern = "^(latest|verified)$",
         description = "`verified`: the last epoch that an independent batch run has proved"),
        ("stale" = Option<String>, Query, pattern = "^ok$",
         description = "`ok`: while the process catches up with the log after a start, answer at \
                        the latest epoch there is, which may be one before others that were seen; \
                        otherwise the request waits, at most for `timeout`"),
    ),
    responses(
        (status = 200, description = "The views", content(
            (Views = "application/json"), (String = "application/x-ndjson"))),
        (status = 400, description = "A parameter is wrong; it is named",
         body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow, view or epoch",
         body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 409, description = "The log contradicts the request",
         body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn snapshot(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataflow = segment(&uri, 2)?;
    let flow = site.flow(&dataflow)?;
    let query = Query::of(&uri, KNOWN)?;
    let mode = query.mode()?;
    let lines = match query.one("format")? {
        None => accepts_lines(&headers),
        Some("json") => false,
        Some("ndjson") => true,
        Some(other) => return Err(wrong("format", other, "json or ndjson").into()),
    };
    let limit = query.limit(if lines { usize::MAX } else { READ_ROWS }, READ_ROWS_MAX)?;
    let snapshot = site.snapshot_within(flow, mode, query.timeout()?).await?;
    let views = match query.one("views")? {
        None => (0..snapshot.views().len()).collect(),
        Some(names) => {
            names.split(',').map(|name| snapshot.view(name)).collect::<Result<Vec<_>>>()?
        }
    };
    if lines {
        let lines = Lines::new(flow.name.clone(), snapshot, views, limit);
        let body = Body::from_stream(futures::stream::unfold(lines, Lines::next));
        return Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response());
    }
    let flow = flow.name.clone();
    Ok(json(made(move || first_rows(&flow, &snapshot, &views, limit)).await?))
}

fn accepts_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("ndjson") && !accept.contains("application/json"))
}

fn first_rows(flow: &str, snapshot: &Snapshot, views: &[usize], limit: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    About::of(flow, snapshot).write(&mut out);
    out.extend_from_slice(b",\"views\":{");
    for (number, view) in views.iter().enumerate() {
        let info = &snapshot.views()[*view];
        if number > 0 {
            out.push(b',');
        }
        write_text(&info.name, &mut out);
        out.extend_from_slice(b":{\"rows\":[");
        // One page for all views together, with at least one row of each.
        let most = if out.len() < PAGE_BYTES { limit } else { 1 };
        let mut page = snapshot.page(*view, &ByteRange::all(), None, most)?;
        for (number, row) in page.rows.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            write_row(&info.schema, &row.key, &row.value, row.multiplicity, &mut out)?;
        }
        out.extend_from_slice(b"],\"cursor\":");
        match ReadPlace::behind(flow, &info.name, snapshot, None, &mut page) {
            None => out.extend_from_slice(b"null}"),
            Some(place) => {
                write_text(&place.to_text(), &mut out);
                out.push(b'}');
            }
        }
    }
    out.extend_from_slice(b"}}");
    Ok(out)
}

/// The state of a snapshot that is streamed to a client.
struct Lines {
    flow: String,
    snapshot: Arc<Snapshot>,
    /// The views left to read, the last one first.
    views: Vec<usize>,
    /// The most rows of each view.
    limit: usize,
    /// Rows left of the view that is being read.
    left: usize,
    cursor: Option<Cursor>,
    rows: u64,
    begun: bool,
    over: bool,
}

impl Lines {
    fn new(flow: String, snapshot: Arc<Snapshot>, mut views: Vec<usize>, limit: usize) -> Lines {
        views.reverse();
        let left = limit;
        let cursor = None;
        Lines { flow, snapshot, views, limit, left, cursor, rows: 0, begun: false, over: false }
    }

    /// The next bytes, about a page; none after the last line.
    async fn next(self) -> Option<(Result<Bytes, Infallible>, Lines)> {
        if self.over {
            return None;
        }
        if self.snapshot.is_stored() {
            // Without its last line the answer is incomplete.
            return made(move || Ok(self.chunk())).await.ok();
        }
        Some(self.chunk())
    }

    fn chunk(mut self) -> (Result<Bytes, Infallible>, Lines) {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            About::of(&self.flow, &self.snapshot).write(&mut out);
            out.extend_from_slice(b"}\n");
        }
        if let Err(error) = self.page(&mut out) {
            self.over = true;
            let detail = error.to_string();
            // Writing to a vector cannot fail. A half-written row is not a line of its own.
            let _ = writeln!(out, "\n{}", json!({ "error": detail, "rows": self.rows }));
        }
        let chunk = budget::answer(out).unwrap_or_else(|full| {
            self.over = true;
            format!("\n{}\n", json!({ "error": full.to_string(), "rows": self.rows })).into()
        });
        (Ok(chunk), self)
    }

    fn page(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(view) = self.views.last().copied() else {
            self.over = true;
            // Writing to a vector cannot fail.
            let _ = writeln!(out, "{{\"end\":true,\"rows\":{}}}", self.rows);
            return Ok(());
        };
        self.snapshot.renew()?;
        let most = self.left.min(SCAN_CHUNK_ROWS);
        let page = self.snapshot.page(view, &ByteRange::all(), self.cursor.as_ref(), most)?;
        let info = &self.snapshot.views()[view];
        for row in &page.rows {
            out.extend_from_slice(b"{\"view\":");
            write_text(&info.name, out);
            out.extend_from_slice(b",\"row\":");
            write_row(&info.schema, &row.key, &row.value, row.multiplicity, out)?;
            out.extend_from_slice(b"}\n");
        }
        self.rows += page.rows.len() as u64;
        self.left -= page.rows.len();
        self.cursor = page.next.filter(|_| self.left > 0);
        if self.cursor.is_none() {
            self.views.pop();
            self.left = self.limit;
        }
        Ok(())
    }
}
