//! Health checks: whether the process lives, and whether it answers.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::may_read::MayRead;
use super::openapi::Routes;
use super::request_parameters::NoQuery;
use diptych_base::error::{Error, Kind};
use diptych_site::ConcernKind;
use diptych_site::problem::Problem;
use diptych_site::site::Site;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// The process is there, and answers reads, if only from the files of a batch view: `stale` says
/// so.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses(
    (status = 200, description = "The process is there", body = String),
    (status = 400, description = "It takes no parameters",
     body = diptych_site::problem::ProblemDocument,
     content_type = "application/problem+json")))]
async fn healthz(_: NoQuery) -> &'static str {
    "ok\n"
}

/// Every dataflow has caught up with what was in the log when the process was started, and there is
/// no concern: appends, freshness and checkpoints go on. Only clients that may read are told the
/// reasons when it is not so.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Every dataflow has caught up, and all goes on", body = String),
    (status = 400, description = "It takes no parameters",
     body = diptych_site::problem::ProblemDocument,
     content_type = "application/problem+json"),
    (status = 503, description = "One has not, or something must be looked at: what and why",
     body = diptych_site::problem::ProblemDocument, content_type = "application/problem+json")))]
async fn readyz(
    State(site): State<Arc<Site>>,
    reader: MayRead,
    _: NoQuery,
) -> Result<&'static str, Problem> {
    ready(&site).map_err(|problem| reader.tell(problem))
}

fn ready(site: &Site) -> Result<&'static str, Problem> {
    for flow in &site.flows {
        if let Some(error) = site.control.failure(&flow.name) {
            let kind = ConcernKind::DataflowFailed.name();
            return Err(Error::new(Kind::Stopped, format!("{kind}: {error}")).into());
        }
        let index = flow.serving.index();
        if index.frontier() < index.boundary() || !index.base_checked()? {
            let message =
                format!("dataflow {:?} is still at epochs before its boundary", flow.name);
            return Err(Error::new(Kind::Busy, message).remedy("ask again in a moment").into());
        }
        if index.is_stale() {
            let frontier = index.frontier();
            let message = format!(
                "dataflow {:?} is catching up: it is complete up to epoch {frontier}, answers are \
                 stale",
                flow.name
            );
            return Err(Error::new(Kind::Busy, message).remedy("ask again in a moment").into());
        }
    }
    let concerns = site.concerns();
    if concerns.is_empty() {
        return Ok("ready\n");
    }
    let all: Vec<String> = concerns.iter().map(ToString::to_string).collect();
    Err(Error::new(Kind::Stopped, all.join("; ")).into())
}
