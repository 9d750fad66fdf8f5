//! Retractions over HTTP: take back events of a stream by appending a correction.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::json_answer::json_of;
use super::openapi::Routes;
use super::request_body::NoBody;
use super::request_parameters::{Query, segment};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::RETRACTED_SHOWN;
use diptych_base::time::{At, Epoch};
use diptych_log::{Append, FoundEvents};
use diptych_site::blocking::blocking;
use diptych_site::problem::{self, Problem};
use diptych_site::site::Site;
use diptych_sources::{Conditions, choose, texts};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(retract))
}

/// The events that were, or would be, taken back.
#[derive(Serialize, ToSchema)]
struct Retracted {
    stream: String,
    /// The epoch that takes them back, durable; null when nothing was written.
    #[schema(required)]
    epoch: Option<Epoch>,
    /// The number of events.
    events: u64,
    /// The first of them.
    first: Vec<Event>,
}

/// An event of the log.
#[derive(Serialize, ToSchema)]
struct Event {
    /// The epoch that it was appended in.
    epoch: Epoch,
    /// Its columns as text, or null.
    #[schema(value_type = Object)]
    event: Map<String, Value>,
}

/// Takes events of a stream back, with a reason.
///
/// From the epoch in the answer on they do not count, in any dataflow; before it they did. A
/// dataflow that cannot undo them stays at the epoch before until it has been recomputed.
#[utoipa::path(post, path = "/v1/streams/{stream}/retract", tag = "streams",
    params(
        ("stream" = String, Path, description = "A stream that a served dataflow reads"),
        ("where" = Option<Vec<String>>, Query,
         description = "FIELD=VALUE (spelt as in a CSV file) or FIELD:=JSON that the events have, \
                        as dataflows see them: a missing field has its default. May be given more \
                        than once; all must hold"),
        ("epoch" = Option<String>, Query, pattern = "^[0-9]+(~[0-9a-f]{16})?$",
         description = "The epoch that they were appended in: its number, or the `at` of the \
                        answer"),
        ("reason" = String, Query, description = "Why, kept with the correction",
         min_length = 1, max_length = 4096),
        ("dry_run" = Option<bool>, Query, description = "Tell what would be taken back"),
    ),
    responses(
        (status = 200, description = "Durable; or found, with dry_run", body = Retracted),
        (status = 400, description = "A parameter is wrong", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such stream, or no such events",
         body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 409, description = "Somebody else retracted one of them meanwhile, or this \
                                      process takes no appends",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 500, description = "The log cannot be read", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 503, description = "The log takes nothing any more",
         body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn retract(State(site): State<Arc<Site>>, uri: Uri, _: NoBody) -> Result<Response, Problem> {
    let name = segment(&uri, 2)?;
    let stream = site.stream(&name)?;
    let read = stream.read.clone();
    let stream = stream.name.clone();
    let query = Query::with_lists(&uri, &["where", "epoch", "reason", "dry_run"], &["where"])?;
    let conditions = Conditions::each(&query.all("where").collect::<Vec<_>>())?.seen_by([read]);
    let at = query.parsed::<At>("epoch", "an epoch as 17, or EPOCH~BRANCH as an answer said")?;
    let epoch = at.map(|at| at.epoch);
    if let Some(at) = at {
        site.check_history(at).await?;
    }
    let dry = query.parsed::<bool>("dry_run", "true or false")?.unwrap_or(false);
    let Some(reason) = query.one("reason")?.filter(|reason| !reason.is_empty()) else {
        let error = Error::new(Kind::Input, "parameter reason is missing");
        return Err(error.remedy("say why the events are wrong: ?reason=TEXT").into());
    };
    let writer = if dry { None } else { Some(Arc::clone(site.appender()?)) };
    let reader = Arc::clone(&site.reader);
    let reason = reason.to_owned();
    drop(site);
    let answer = blocking(move || {
        let found = choose(&reader, &stream, &conditions, epoch)?;
        let written = writer.map(|writer| {
            let pending = writer.retract(&found, &reason, Append::default())?;
            // Another caller that waits for the writer does not wait for the sync.
            drop(writer);
            pending.wait()
        });
        let epoch = written.transpose()?.map(|ack| ack.epoch);
        let events = found.len() as u64;
        let first = first(&found)?;
        Ok(Retracted { stream, epoch, events, first })
    });
    Ok(json_of(&answer.await?))
}

/// The first events, as text.
fn first(found: &FoundEvents) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for chunk in found.chunks() {
        let schema = chunk.rows.schema();
        let names = || schema.fields().iter().map(|field| field.name().clone());
        let shown = texts(&chunk, RETRACTED_SHOWN - events.len())?;
        events.extend(shown.into_iter().enumerate().map(|(row, texts)| {
            let values = texts.into_iter().map(|text| text.map_or(Value::Null, Value::String));
            Event { epoch: chunk.epochs.at(row), event: names().zip(values).collect() }
        }));
    }
    Ok(events)
}
