#![doc = include_str!("README.md")]

mod feed;
mod snapshot_and_cutover;
mod sse_encoder;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::openapi::Routes;
use super::request_parameters::{Query, segment};
use diptych_base::error::{Error, Kind, Result};
use diptych_log::Reader;
use diptych_serving::Token;
use diptych_site::problem::Problem;
use diptych_site::recomputation_queue::Span;
use diptych_site::site::Site;
use feed::{ChangesFeed, Next};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(changes))
}

/// What happens to a view, from a snapshot or an epoch on, as Server-Sent Events.
///
/// Events with an id are applied together with the buffered `snapshot` and `part` events before
/// them; the id is the token to resume from (`from`, or the header `Last-Event-ID`).
#[utoipa::path(get, path = "/v1/dataflows/{dataflow}/views/{view}/changes", tag = "views",
    params(
        ("dataflow" = String, Path, description = "The dataflow"),
        ("view" = String, Path, description = "One of its views"),
        ("from" = Option<String>, Query,
         description = "A token as the ids of events are, `VERSION@EPOCH~BRANCH`; or the number of \
                        the first epoch that is wanted of the history that is served. Without it \
                        the stream begins with a snapshot."),
        ("Last-Event-ID" = Option<String>, Header, description = "As `from`, and before it")),
    responses(
        (status = 200, description = "Events: reset, snapshot, part, epoch, change, progress, \
            replay, version, problem", body = String, content_type = "text/event-stream"),
        (status = 400, description = "Not a token, or a parameter is wrong",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow or view, or an epoch to come",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too many subscriptions; see Retry-After",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Too many replays wait; see Retry-After",
         body = diptych_site::problem::ProblemDocument,
          content_type = "application/problem+json")))]
async fn changes(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataflow = segment(&uri, 2)?;
    let view = segment(&uri, 4)?.into_owned();
    let query = Query::of(&uri, &["from"])?;
    let flow = site.number(&dataflow)?;
    site.flows[flow].serving.index().view(&view)?;
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let from = header.filter(|id| !id.is_empty()).or(query.one("from")?);
    let place = site.load.subscriptions.open().map_err(|error| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, error.kind().name(), error.to_string())
    })?;
    let next = match from {
        None => Next::Snapshot("no token was given".to_owned()),
        Some(from) => resumed(&site, flow, &view, from).await?,
    };
    let (feed, reader) = ChangesFeed::new(site, flow, view, place);
    tokio::spawn(feed.run(next));
    let chunks = futures::stream::unfold(reader, |mut reader| async {
        reader.recv().await.map(|bytes| (Ok::<Bytes, Infallible>(bytes), reader))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    let text = |value| header::HeaderValue::from_static(value);
    headers.insert(header::CONTENT_TYPE, text("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, text("no-cache"));
    // A proxy that buffers would deliver nothing until its buffer is full.
    headers.insert("x-accel-buffering", text("no"));
    Ok(response)
}

/// The source for a subscriber that has seen everything below a token.
async fn resumed(site: &Site, flow: usize, view: &str, from: &str) -> Result<Next> {
    let flow = &site.flows[flow];
    let index = flow.serving.index();
    let token = match from.parse() {
        // A plain epoch asks about this history; it is not the token of another one.
        Ok(epoch) => index.token(epoch),
        Err(_) => from.parse::<Token>()?,
    };
    if let Some(reason) = index.refusal(&token) {
        return Ok(Next::Snapshot(reason));
    }
    let epoch = token.epoch;
    // Epochs below the frontier are in the log; a later one may be, too.
    if epoch > index.frontier() {
        let end = site.read_log(Reader::upper).await?.max(index.frontier());
        if epoch > end {
            let message = format!("epoch {epoch} is to come: the log holds the epochs [0, {end})");
            return Err(Error::new(Kind::Missing, message)
                .remedy(format!("give an epoch up to {end}, or none to begin with a snapshot")));
        }
    }
    match index.changes(index.view(view)?, epoch) {
        Ok(changes) => Ok(Next::Live(changes)),
        Err(error) if error.is_missing() => {
            let upper = index.frontier();
            if epoch >= upper {
                // Nothing is lost: the history that is being fed ends above the epoch, or will.
                return Err(Error::new(Kind::Busy, format!("epoch {epoch} is not fed yet"))
                    .remedy("retry in a moment"));
            }
            let span = Span::Between(epoch, upper);
            let pending = site.load.replays.ask(&site.control, &flow.name, span, index.since())?;
            Ok(Next::Replay(pending, epoch))
        }
        Err(error) => Err(error),
    }
}
