//! JSON answers, written from bytes: a head that names the epoch and version, and rows.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use diptych_base::error::Result;
use diptych_base::limits::PAGES_MADE_MAX;
use diptych_base::time::{At, Branch, Epoch};
use diptych_row::{RowSchema, write_text};
use diptych_serving::{Latest, Snapshot};
use diptych_site::blocking::blocking_in_turn;
use diptych_site::budget;
use diptych_site::problem::Problem;

/// The head of an answer: the dataflow, version and epoch that it is about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) flow: &'a str,
    pub(super) version: &'a str,
    pub(super) epoch: Option<Epoch>,
    /// The branch of the log to which that epoch belongs.
    pub(super) branch: Option<Branch>,
    pub(super) boundary: Epoch,
    /// Whether the dataflow is still catching up with what was in the log at the start.
    pub(super) stale: bool,
    /// See [`Snapshot::jumped`].
    pub(super) jumped: Option<Epoch>,
}

impl<'a> About<'a> {
    pub(super) fn of(flow: &'a str, snapshot: &'a Snapshot) -> About<'a> {
        About {
            flow,
            version: snapshot.version(),
            epoch: snapshot.epoch(),
            branch: snapshot.branch(),
            boundary: snapshot.boundary(),
            stale: snapshot.is_stale(),
            jumped: snapshot.jumped(),
        }
    }

    pub(super) fn of_latest(flow: &'a str, at: &'a Latest<'_>) -> About<'a> {
        About {
            flow,
            version: at.version(),
            epoch: at.epoch(),
            branch: at.branch(),
            boundary: at.boundary(),
            stale: at.is_stale(),
            jumped: None,
        }
    }

    /// Appends `{"dataflow":…,"version":…,"epoch":…,"at":…,"boundary":…`, with `,"stale":true` and
    /// `,"clock_jumped":…` where they apply: the object is left open.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"dataflow\":");
        write_text(self.flow, out);
        out.extend_from_slice(b",\"version\":");
        write_text(self.version, out);
        out.extend_from_slice(b",\"epoch\":");
        // Writing to a vector cannot fail.
        let _ = match self.epoch {
            Some(epoch) if self.branch.is_some() => {
                write!(out, "{epoch},\"at\":\"{}\"", At { epoch, branch: self.branch })
            }
            Some(epoch) => write!(out, "{epoch}"),
            None => write!(out, "null"),
        };
        let _ = write!(out, ",\"boundary\":{}", self.boundary);
        if self.stale {
            out.extend_from_slice(b",\"stale\":true");
        }
        if let Some(jumped) = self.jumped {
            let _ = write!(out, ",\"clock_jumped\":{jumped}");
        }
    }
}

/// Appends a row; one with a multiplicity other than 1 states it in `_times`.
pub(super) fn write_row(
    schema: &RowSchema,
    key: &[u8],
    value: &[u8],
    times: isize,
    out: &mut Vec<u8>,
) -> Result<()> {
    let more = |out: &mut Vec<u8>| {
        if times != 1 {
            let comma = if out.last() == Some(&b'{') { "" } else { "," };
            // Writing to a vector cannot fail.
            let _ = write!(out, "{comma}\"_times\":{times}");
        }
    };
    schema.write_json(key, value, more, out)
}

/// Builds a page on a blocking thread, within the bound on such reads.
///
/// # Errors
/// The errors of `work`.
pub(super) async fn made<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    static MAKING: Semaphore = Semaphore::const_new(PAGES_MADE_MAX);
    blocking_in_turn(MAKING.acquire(), work).await
}

/// The JSON text as a response, or the refusal when there is no room for it.
pub(super) fn json(text: Vec<u8>) -> Response {
    let text = match budget::answer(text) {
        Ok(text) => text,
        Err(full) => return Problem::from(full).into_response(),
    };
    let mut response = Response::new(Body::from(text));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// `value` as a response.
pub(super) fn json_of(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => json(text),
        Err(error) => {
            let detail = format!("an answer could not be written as JSON: {error}");
            let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "input", detail).into_response()
        }
    }
}
