//! Handover over HTTP: a successor asks this process to end.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::json_answer::json_of;
use super::openapi::Routes;
use super::request_body::NoBody;
use super::request_parameters::Query;
use diptych_base::error::{Error, Kind};
use diptych_base::time::Epoch;
use diptych_site::blocking::blocking;
use diptych_site::problem::Problem;
use diptych_site::site::Site;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(handover))
}

/// This process begins to hand over.
#[derive(Serialize, ToSchema)]
struct HandedOver {
    /// The first epoch that is not durable yet; more may be appended before the lock is released.
    upper: Epoch,
}

/// Hands over to another process on the same data directory: this one passes its listening sockets,
/// finishes requests under way, makes its last epoch durable, releases the lock of the log, and
/// ends once the successor says that it serves. When the successor is gone before, this process
/// goes on.
///
/// For `diptych deploy`, which waits in the data directory under a name that nobody can guess.
#[utoipa::path(post, path = "/v1/admin/handover", tag = "status",
    params(("successor" = String, Query, pattern = "^[0-9a-f]{32}$",
        description = "The name under which the successor waits in the data directory")),
    responses(
        (status = 202, description = "It begins", body = HandedOver),
        (status = 400, description = "No name of a successor",
         body = diptych_site::problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No successor waits under this name in the data directory",
         body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "This process cannot hand over, or does so already",
         body = diptych_site::problem::ProblemDocument,
          content_type = "application/problem+json")))]
async fn handover(State(site): State<Arc<Site>>, uri: Uri, _: NoBody) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["successor"])?;
    let Some(name) = query.one("successor")?.map(str::to_owned) else {
        let error = Error::new(Kind::Input, "parameter successor is missing");
        return Err(error.remedy("it is for `deploy` to give").into());
    };
    let upper = blocking(move || {
        let upper = site.reader.upper()?;
        site.hand_over(&name)?;
        Ok(upper)
    });
    Ok((StatusCode::ACCEPTED, json_of(&HandedOver { upper: upper.await? })).into_response())
}
