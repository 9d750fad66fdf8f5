//! Rebuilds over HTTP: makes a batch view from all events and puts it in place.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
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
use diptych_site::problem::{Problem, ProblemDocument};
use diptych_site::site::Site;
use diptych_system::Rebuild;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(rebuild))
}

/// The outcome of a rebuild.
#[derive(Serialize, ToSchema)]
struct Rebuilt {
    dataflow: String,
    /// `swapped`: it is what was served, and its base now. `drift`: it differs from what is served,
    /// which stays. `accepted`: it differs, and serves now, with what came since.
    outcome: &'static str,
    /// History is `[0, boundary)`.
    boundary: Epoch,
    /// The first frontier at which readers see what was accepted; null when nothing changed.
    #[schema(required)]
    frontier: Option<Epoch>,
    /// How long comparing and swapping took, while readers went on; null after a drift.
    #[schema(required)]
    swap_seconds: Option<f64>,
    /// The first rows that differ.
    differing: Vec<String>,
}

/// Makes a batch view from all events beside what runs, and puts it in the place of what is served
/// below its boundary, if it is the same.
///
/// Costs a batch run by a worker of its own, and answers when it is done; one is made at a time,
/// and few may wait.
#[utoipa::path(post, path = "/v1/admin/rebuild", tag = "dataflows",
    params(("dataflow" = String, Query, description = "The dataflow"),
        ("accept" = Option<bool>, Query, description = "Have it serve also when it differs")),
    responses(
        (status = 200, description = "It was made, and compared with what is served",
         body = Rebuilt),
        (status = 400, description = "A parameter is wrong", body = ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow", body = ProblemDocument,
         content_type = "application/problem+json"),
        (status = 409, description = "There is one at this epoch, or no epoch yet; or somebody \
                                      else makes one",
         body = ProblemDocument, content_type = "application/problem+json"),
        (status = 500, description = "The dataflow fails, or the disk", body = ProblemDocument,
         content_type = "application/problem+json"),
        (status = 503, description = "Too many wait; see Retry-After", body = ProblemDocument,
         content_type = "application/problem+json"),
        (status = 507, description = "The disk is full", body = ProblemDocument,
         content_type = "application/problem+json")))]
async fn rebuild(State(site): State<Arc<Site>>, uri: Uri, _: NoBody) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["dataflow", "accept"])?;
    let Some(dataflow) = query.one("dataflow")? else {
        let error = Error::new(Kind::Input, "parameter dataflow is missing");
        return Err(error.remedy("say which: ?dataflow=NAME").into());
    };
    let accept = query.parsed::<bool>("accept", "true or false")?.unwrap_or(false);
    let dataflow = site.flow(dataflow)?.name.clone();
    let control = Arc::clone(&site.control);
    let name = dataflow.clone();
    // Only the control port is moved into the task: when the servers stop, the log's writer must be
    // free.
    drop(site);
    let answer = match blocking(move || control.rebuild(&name, accept)).await? {
        Rebuild::Swapped { boundary, took } => Rebuilt {
            dataflow,
            outcome: "swapped",
            boundary,
            frontier: None,
            swap_seconds: Some(took.as_secs_f64()),
            differing: Vec::new(),
        },
        Rebuild::Drift { boundary, rows } => {
            let outcome = "drift";
            let frontier = None;
            let swap_seconds = None;
            Rebuilt { dataflow, outcome, boundary, frontier, swap_seconds, differing: rows }
        }
        Rebuild::Accepted { boundary, frontier, rows } => {
            let outcome = "accepted";
            let frontier = Some(frontier);
            let swap_seconds = None;
            Rebuilt { dataflow, outcome, boundary, frontier, swap_seconds, differing: rows }
        }
    };
    Ok(json_of(&answer))
}
