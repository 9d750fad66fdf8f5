//! Is the process there, and does it answer?

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Problem, Routes};
use crate::error::{Error, Kind};
use crate::servers::site::Site;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// The process is there.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "The process is there", body = String)))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Every dataflow answers.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Every dataflow answers", body = String),
    (status = 503, description = "One does not, yet or any more", body = super::problem::Body,
     content_type = "application/problem+json")))]
async fn readyz(State(site): State<Arc<Site>>) -> Result<&'static str, Problem> {
    for flow in &site.flows {
        if let Some(error) = site.history.failure(&flow.name) {
            return Err(Error::new(Kind::Stopped, error.to_string()).into());
        }
        let index = flow.serving.index();
        if index.frontier() < index.boundary() || !index.base_checked()? {
            let message =
                format!("dataflow {:?} is still at epochs before its boundary", flow.name);
            return Err(Error::new(Kind::Stopped, message).remedy("ask again in a moment").into());
        }
    }
    Ok("ready\n")
}
